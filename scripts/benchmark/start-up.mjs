import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { pinned } from './measure.mjs';

const COMMANDS = { 'lifeboat --version': './bin/lifeboat --version', 'node, doing nothing': 'node -e 0' };

/**
 * What it takes to start, by hyperfine, beside what Node alone takes.
 * @returns `{ name, medianMs, minMs, maxMs, runsMs }` for each; undefined where there is no hyperfine
 */
export async function measureStartUp({ root, directory, processorList, runs }) {
  const file = path.join(directory, 'start-up.json');
  // Commands of our own, from the project's root: no path of the user's is in what hyperfine splits into words.
  const script = `command -v hyperfine >/dev/null || exit 0
cd "$ROOT" && hyperfine -N --style none --warmup 2 --runs ${runs} --export-json "$FILE" ${Object.values(COMMANDS)
    .map((command) => `'${command}'`)
    .join(' ')}`;
  const { ok, reason } = await pinned(script, { ROOT: root, FILE: file }, processorList);
  if (!ok) throw new Error(`Cannot measure the start: ${reason}`);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  await rm(file);
  const names = Object.keys(COMMANDS);
  return JSON.parse(text).results.map(({ median, min, max, times }, index) => ({
    name: names[index],
    medianMs: 1000 * median,
    minMs: 1000 * min,
    maxMs: 1000 * max,
    runsMs: times.map((time) => 1000 * time),
  }));
}
