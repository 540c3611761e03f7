// Graphics cards against lz4 on all processors, in the same run. Run it through scripts/bench-gpu.
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { $, echo } from 'zx';
import { machineFacts } from './benchmark/machine.mjs';

const root = path.resolve(import.meta.dirname, '..');
/** What an archiver that compresses by OpenCL claims, from its own documentation. */
const CLAIMED_BYTES_PER_SECOND = [2e9, 3e9];
const FIGURES = [
  'compressBytesPerSecond',
  'compressKernelBytesPerSecond',
  'decompressBytesPerSecond',
  'decompressKernelBytesPerSecond',
];

const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' }, out: { type: 'string' } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  process.stderr.write('scripts/bench-gpu: --runs takes a number from 1\n');
  process.exit(64);
}

const rounds = [];
for (let round = 1; round <= runs; round++) {
  process.stderr.write(`round ${round} of ${runs}\n`);
  rounds.push({ processors: await processorsRound(), gpus: await gpusRound() });
}
const results = {
  machine: await machineFacts(root, os.availableParallelism()),
  versions: { node: process.version, lz4: (await $`lz4 --version`).stdout.trim() },
  claimedBytesPerSecond: CLAIMED_BYTES_PER_SECOND,
  rounds,
};
for (const line of inWords(rounds)) echo(line);
if (values.out !== undefined) {
  const file = path.resolve(process.env.LIFEBOAT_BENCH_FROM ?? '.', values.out);
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
  echo(`results: ${file}`);
}

/** lz4's own benchmark in memory, with the device's block size, on every processor at once; of node's program, as the cards. */
async function processorsRound() {
  const each = Array.from(
    { length: os.availableParallelism() },
    () => $({ quiet: true })`lz4 -b1 -B4 -i3 ${process.execPath}`,
  );
  const figures = (await Promise.all(each)).map(({ stdout, stderr }) => parseBenchmark(`${stdout}${stderr}`));
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

async function gpusRound() {
  const { stdout } = await $({ nothrow: true, quiet: true })`bin/lifeboat gpu --json`;
  return JSON.parse(stdout);
}

function inWords(all) {
  const lines = [];
  const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
  const show = (bytesPerSecond) => `${(bytesPerSecond / 1e9).toFixed(bytesPerSecond < 1e8 ? 4 : 2)} GB/s`;
  const cpu = (name) => median(all.map(({ processors }) => processors[name]));
  const { processors, ratio } = all[0].processors;
  lines.push(
    `lz4 -1 on ${processors} processors: ${show(cpu('compressBytesPerSecond'))}, back ${show(cpu('decompressBytesPerSecond'))}, ratio ${ratio}`,
  );
  const { gpus, reason } = all[0].gpus;
  if (gpus.length === 0) lines.push(`no graphics card: ${reason}`);
  for (const { index, name, isSoftware, speed, problem } of gpus) {
    lines.push(`${name}${isSoftware ? ' (software)' : ''}${problem === undefined ? '' : `: ${problem}`}`);
    if (speed === undefined) continue;
    lines.push(`  ratio: ${speed.ratio.toFixed(3)}`);
    for (const figure of FIGURES) {
      const values = all.map((round) => round.gpus.gpus[index]?.speed?.[figure]).filter((value) => value !== undefined);
      if (values.length > 0) lines.push(`  ${figure.replace('BytesPerSecond', '')}: ${show(median(values))}`);
    }
  }
  lines.push(`claimed by an OpenCL archiver: ${CLAIMED_BYTES_PER_SECOND.map(show).join(' to ')}`);
  return lines;
}
