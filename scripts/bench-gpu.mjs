// Graphics cards against lz4 on all processors, in the same run. It needs nothing but what --pack takes along.
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';

const root = path.resolve(import.meta.dirname, '..');
const from = process.env.LIFEBOAT_BENCH_FROM ?? process.cwd();
const run = promisify(execFile);
/** What an archiver that compresses by OpenCL claims, from its own documentation. */
const CLAIMED_BYTES_PER_SECOND = [2e9, 3e9];
/** Beside Node.js and libvulkan.so.1; what of it is not there is not needed either. */
const PACKED = [
  'dist',
  'package.json',
  'scripts/bench-gpu.mjs',
  ...['koffi', '@koromix', 'xxhash-wasm', 'lz4-napi', '@antoniomuso'].map((name) => `node_modules/${name}`),
  ...['package.json', 'index.js', `dist/linux-${os.arch()}`].map((name) => `node_modules/webgpu/${name}`),
];
const STARTER = `#!/bin/sh
# Node.js may lie beside this file, and libvulkan.so.1 with what it needs in lib.
set -eu
LIFEBOAT_BENCH_FROM=$PWD
export LIFEBOAT_BENCH_FROM
cd "$(dirname "$(readlink -f "$0")")"
LD_LIBRARY_PATH=$PWD/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
node=node
[ ! -x ./node ] || node=./node
exec "$node" scripts/bench-gpu.mjs "$@"
`;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    gpu: { type: 'string' },
    source: { type: 'string' },
    out: { type: 'string' },
    pack: { type: 'string' },
  },
});
if (values.pack !== undefined) await pack(path.resolve(from, values.pack));
else await benchmark();

async function pack(directory) {
  for (const name of PACKED) {
    const found = path.join(root, name);
    await cp(found, path.join(directory, name), { recursive: true }).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await mkdir(path.join(directory, 'lib'), { recursive: true });
  const { stdout } = await run('/sbin/ldconfig', ['-p']);
  const loader = /libvulkan\.so\.1 .*=> (\S+)/.exec(stdout)?.[1];
  if (loader !== undefined) await cp(loader, path.join(directory, 'lib/libvulkan.so.1'), { dereference: true });
  await writeFile(path.join(directory, 'bench-gpu'), STARTER);
  await chmod(path.join(directory, 'bench-gpu'), 0o755);
  say(`packed: ${directory}${loader === undefined ? ', without libvulkan.so.1, which is not installed here' : ''}`);
}

async function benchmark() {
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    process.stderr.write('scripts/bench-gpu: --runs takes a number from 1\n');
    process.exit(64);
  }
  const source = values.source === undefined ? process.execPath : path.resolve(from, values.source);
  const { gpus, reason } = await lifeboat('gpu');
  if (gpus.length === 0) {
    process.stderr.write(`scripts/bench-gpu: no graphics card: ${reason}\n`);
    process.exit(1);
  }
  const hasHardware = gpus.some(({ isSoftware }) => !isSoftware);
  const gpu = values.gpu ?? (hasHardware ? 'all' : String(gpus[0].index));
  const rounds = [];
  for (let round = 1; round <= runs; round++) {
    process.stderr.write(`round ${round} of ${runs}\n`);
    rounds.push({
      program: await lz4Program(source),
      bench: await lifeboat('bench', source, '--codecs', 'lz4,gpu-lz4', '--gpu', gpu),
      kernels: (await lifeboat('gpu')).gpus,
    });
  }
  const cards = rounds[0].bench.rows.flatMap(({ card }) => (card === undefined ? [] : [card]));
  const results = {
    adapters: cards.map(({ name, isSoftware }) => ({ name, isSoftware })),
    machine: await machineFacts(),
    source: { bytes: rounds[0].bench.sourceBytes, sampleBytes: rounds[0].bench.sampleBytes },
    claimedBytesPerSecond: CLAIMED_BYTES_PER_SECOND,
    rounds: rounds.map(withoutPath),
  };
  for (const line of inWords(rounds, cards)) say(line);
  const file = values.out === undefined ? defaultFile(cards) : path.resolve(from, values.out);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
  say(`results: ${file}`);
}

/** One with no card to use ends with status 1, and says on stdout why. */
async function lifeboat(...args) {
  const env = { ...process.env, UV_THREADPOOL_SIZE: '16' };
  const options = { env, maxBuffer: 1e8 };
  const main = path.join(root, 'dist/main.js');
  const { stdout, stderr } = await run(process.execPath, [main, ...args, '--json'], options).catch((error) => error);
  if (!stdout) throw new Error(`lifeboat ${args[0]} said nothing but: ${stderr}`);
  return JSON.parse(stdout);
}

/** lz4's own benchmark in memory, with the card's block size, on every processor at once; undefined where it is not installed. */
async function lz4Program(source) {
  const each = Array.from({ length: os.availableParallelism() }, () => run('lz4', ['-b1', '-B4', '-i1', source]));
  const ended = await Promise.allSettled(each);
  if (ended.some(({ status }) => status === 'rejected')) return undefined;
  const figures = ended.map(({ value }) => parseBenchmark(`${value.stdout}${value.stderr}`));
  const sum = (name) => figures.reduce((total, figure) => total + figure[name], 0);
  return {
    processors: figures.length,
    ratio: figures[0].ratio,
    compressBytesPerSecond: sum('compressBytesPerSecond'),
    decompressBytesPerSecond: sum('decompressBytesPerSecond'),
  };
}

/** The last of ` 1#node : 98066424 -> 40101234 (2.446), 612.3 MB/s ,3123.4 MB/s`, which it writes over and over. */
function parseBenchmark(text) {
  const found = [...text.matchAll(/\(\s*([\d.]+)\),\s*([\d.]+) MB\/s\s*,\s*([\d.]+) MB\/s/g)].at(-1);
  if (found === undefined) throw new Error(`lz4 -b1 said something else than figures: ${text}`);
  const [ratio, compress, decompress] = found.slice(1).map(Number);
  return { ratio, compressBytesPerSecond: compress * 1e6, decompressBytesPerSecond: decompress * 1e6 };
}

/** No host name, user or path: results are published. */
function withoutPath({ bench: { source: _, ...bench }, ...round }) {
  return { ...round, bench };
}

async function machineFacts() {
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return {
    cpu: os.cpus()[0]?.model.trim() || os.arch(),
    processors: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    kernel: os.release(),
    os: /^PRETTY_NAME="?([^"\n]*)/m.exec(system)?.[1] ?? os.platform(),
    node: process.version,
    nvidia: await nvidiaFacts(),
  };
}

/** Driver and bus, where NVIDIA's program is there. */
async function nvidiaFacts() {
  const query = '--query-gpu=name,driver_version,pcie.link.gen.current,pcie.link.width.current';
  const { stdout } = await run('nvidia-smi', [query, '--format=csv,noheader']).catch(() => ({ stdout: '' }));
  return stdout === '' ? undefined : stdout.trim().split('\n');
}

function defaultFile(cards) {
  const slug = (cards[0]?.name ?? 'no card')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return path.join(root, 'bench/results', `${new Date().toISOString().slice(0, 10)}-gpu-${slug}.json`);
}

function inWords(rounds, cards) {
  const lines = [];
  const lz4 = (round) => round.bench.rows.find(({ codec, level }) => codec === 'lz4' && level === 1);
  const processors = rounds[0].bench.threads;
  const lz4Speed = medianOf(rounds, (round) => lz4(round)?.compressBytesPerSecond);
  lines.push(
    `lz4 -1 on ${processors} processors, as lifeboat runs it: ${show(lz4Speed)}, back ` +
      `${show(medianOf(rounds, (round) => lz4(round)?.decompressBytesPerSecond))}, ratio ${lz4(rounds[0])?.ratio.toFixed(3)}`,
    `lz4 -b1 -B4, a program a processor: ${show(medianOf(rounds, ({ program }) => program?.compressBytesPerSecond))}, back ` +
      show(medianOf(rounds, ({ program }) => program?.decompressBytesPerSecond)),
  );
  for (const { index, name, isSoftware, feeders, trials } of cards) {
    const row = (round) => round.bench.rows.find(({ card }) => card?.index === index);
    const kernels = (figure) =>
      medianOf(rounds, (round) => round.kernels.find((gpu) => gpu.index === index)?.speed?.[figure]);
    lines.push('', name);
    if (isSoftware)
      lines.push(
        '  A SOFTWARE DEVICE: it runs on the processors. These figures show that it works, and nothing of any card.',
      );
    for (const trial of trials)
      lines.push(
        `  fed by ${trial.feeders}: ${show(trial.compressBytesPerSecond)}, back ${show(trial.decompressBytesPerSecond)} (one round)`,
      );
    const speed = medianOf(rounds, (round) => row(round)?.compressBytesPerSecond);
    const back = medianOf(rounds, (round) => row(round)?.decompressBytesPerSecond);
    lines.push(
      `  end to end, host memory to host memory: ${show(speed)}, back ${show(back)}; best with ${feeders} that feed it`,
      `  kernels alone, by the device's clock: ${show(kernels('compressKernelBytesPerSecond'))}, back ${show(kernels('decompressKernelBytesPerSecond'))}`,
      `  ratio ${row(rounds[0])?.ratio.toFixed(3)}`,
      `  ${times(speed, lz4Speed)} times the speed of lz4 on ${processors} processors`,
      `  ${CLAIMED_BYTES_PER_SECOND.map((claimed) => times(speed, claimed)).join(' to ')} times what an OpenCL archiver claims, ` +
        CLAIMED_BYTES_PER_SECOND.map(show).join(' to '),
    );
  }
  for (const text of rounds[0].bench.skipped) lines.push(`left out: ${text}`);
  return lines;
}

function medianOf(rounds, figure) {
  const numbers = rounds.flatMap((round) => figure(round) ?? []).sort((a, b) => a - b);
  return numbers[numbers.length >> 1];
}

function times(speed, other) {
  if (speed === undefined || other === undefined) return 'nobody knows how many';
  const ratio = speed / other;
  return ratio.toFixed(ratio < 0.1 ? 4 : 2);
}

function show(bytesPerSecond) {
  if (bytesPerSecond === undefined) return 'not measured';
  return `${(bytesPerSecond / 1e9).toFixed(bytesPerSecond < 1e8 ? 4 : 2)} GB/s`;
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
