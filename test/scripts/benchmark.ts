import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A module of scripts/benchmark: plain JavaScript, which is no part of what is compiled. */
export function benchmark(name: string) {
  return import(pathToFileURL(resolve('scripts/benchmark', `${name}.mjs`)).href);
}

interface Row {
  name: string;
  ours: boolean;
  runs: { seconds: number; processorSeconds: number; peakBytes: number; imageBytes: number }[];
  failed?: string;
}

interface Comparison {
  name: string;
  kind: 'save' | 'restore';
  rows: Row[];
  bytes: number;
}

const GIB = 1024 ** 3;

function row(name: string, seconds: number[], imageBytes: number): Row {
  const runs = seconds.map((time) => ({ seconds: time, processorSeconds: 2 * time, peakBytes: 1e8, imageBytes }));
  return { name, ours: name === 'lifeboat', runs };
}

function comparison(name: string, rows: Row[], alone: { read: number; write: number; codec: number }) {
  const [kind, codec, level] = name.split(' ');
  return {
    name,
    kind: kind as Comparison['kind'],
    codec,
    level: Number(level ?? 1),
    bytes: GIB,
    isPart: codec === 'xz',
    notes: codec === 'xz' ? ['the first 512 MiB only'] : [],
    alone: {
      read: { 'one at a time': [alone.read], 'four at a time': [alone.read / 2] },
      write: { 'one at a time': [alone.write / 2], 'four at a time': [alone.write] },
      codecProcessorSeconds: [alone.codec],
    },
    rows,
  };
}

/** Results as scripts/bench makes them, with a row that failed and names that XML and Markdown have to escape. */
export async function sampleResults(alone = { read: 1, write: 0.2, codec: 4 }) {
  const { composeResults } = await benchmark('results');
  const failed: Row = { ...row('pigz -1', [], 0), failed: 'pigz: no <space> & "left"' };
  const comparisons = [
    comparison('save gzip 6', [row('lifeboat', [3, 4, 5], 3e8), row('pigz -6', [9, 8, 10], 3.1e8)], alone),
    comparison('save gzip 1', [row('lifeboat', [2, 2, 2], 3.3e8), failed], alone),
    comparison('save zstd 3', [row('lifeboat', [1, 1, 1], 2.8e8), row('partclone | zstd -3', [6], 2.8e8)], alone),
    comparison('save xz 1', [row('lifeboat', [30], 2e8), row('xz -1', [31], 2e8)], alone),
    comparison('restore gzip', [row('lifeboat', [0.7, 0.8, 0.9], 3e8), row('igzip -d', [1, 1.1, 1], 3.1e8)], alone),
  ];
  const facts = {
    date: '2031-02-03T04:05:06.000Z',
    smoke: false,
    runs: 3,
    machine: {
      cpu: 'Some(R) CPU <9000> @ 3 GHz',
      cores: 2,
      processors: 4,
      memoryBytes: 8 * GIB,
      kernel: '6.1',
      os: 'Debian',
      fileSystem: 'ext4',
      storage: 'nvme0n1 (A & B)',
      direct: true,
    },
    versions: {},
    disk: { name: 'generated disk', bytes: GIB, how: 'ext4' },
    startUp: [{ name: 'node, doing nothing', medianMs: 40 }],
    leftOut: ['save gzip 1: igzip -1, for igzip is not installed'],
  };
  return composeResults(facts, comparisons, 2);
}
