import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { pinned } from './measure.mjs';

/** Bundles codec-alone.mjs with the sources as they are. @returns the program's path */
export async function buildCodecAlone(root, directory) {
  const program = path.join(directory, 'codec-alone.mjs');
  await build({
    entryPoints: [path.join(root, 'scripts/benchmark/codec-alone.mjs')],
    outfile: program,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as nodeCreateRequire } from 'node:module'; const require = nodeCreateRequire(import.meta.url);",
    },
  });
  // Packages are looked for beside a program.
  await symlink(path.join(root, 'node_modules'), path.join(directory, 'node_modules'));
  return program;
}

// All processors at once, as in the real work: two that share a core, or the memory, take longer than one alone.
const CHUNKS = `for part in $(seq 0 $((THREADS - 1))); do
  node "$PROGRAM" "$FILE" "$CODEC" "$LEVEL" "$part" "$THREADS" & runners="$runners $!"
done
for runner in $runners; do wait $runner || exit; done`;
const STREAM = 'node "$PROGRAM" "$FILE" "$CODEC" stream';

/**
 * Seconds of a processor that the codec takes for all of a file, without reading or writing.
 * @param {{ file: string, bytes: number, codec: string, level: number, isForeign: boolean, threads: number }} task
 * @returns {Promise<{ encode: number, decode: number }>}
 */
export async function codecProcessorSeconds(program, task, { processorList }) {
  const env = {
    PROGRAM: program,
    FILE: task.file,
    BYTES: String(task.bytes),
    CODEC: task.codec,
    LEVEL: String(task.level),
    THREADS: String(task.threads),
  };
  const { ok, stdout, reason } = await pinned(task.isForeign ? STREAM : CHUNKS, env, processorList);
  if (!ok) throw new Error(`Cannot run ${task.codec} ${task.level} alone: ${reason}`);
  const parts = stdout.trim().split('\n').map(JSON.parse);
  const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
  return { encode: sum('encode'), decode: sum('decode') };
}
