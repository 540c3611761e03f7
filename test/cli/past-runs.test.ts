import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pastRunOf, readKnowledge } from '../../src/cli/past-runs.js';
import { appendHistory } from '../../src/metrics/history.js';
import type { BootRow } from '../../src/sets/boot-row.js';

const ROW: BootRow = {
  kind: 'boot',
  time: '2026-11-20T01:00:00.000Z',
  host: 'pve',
  disk: '/dev/sda',
  codec: 'zstd',
  level: 3,
  engine: 'native',
  plainBytes: 8_000_000_000,
  readBytes: 4_000_000_000,
  imageBytes: 1_000_000_000,
  ratio: 8,
  durationMs: 50_000,
  processorMs: 60_000,
  bwlimitKiBps: 0,
  stages: {
    wallMs: 40_000,
    readMs: 20_000,
    readWaitMs: 0,
    codecMs: 30_000,
    codecWaitMs: 0,
    writeMs: 10_000,
    writeWaitMs: 0,
    bottleneck: 'writing',
  },
  verified: true,
  outcome: 'success',
  exitStatus: 0,
  warnings: 0,
};

test('a row of the history becomes what a choice can learn from', () => {
  assert.deepEqual(pastRunOf({ ...ROW }), [
    {
      time: ROW.time,
      source: '/dev/sda',
      codec: 'zstd',
      level: 3,
      ratio: 8,
      bytesPerSecond: 200e6,
      writeBytesPerSecond: 100e6,
      readBytesPerSecond: 200e6,
      bottleneck: 'writing',
    },
  ]);
});

test('rows of failures, of other kinds, and with fields that are missing or nonsense teach nothing', () => {
  const rows = [
    { ...ROW, outcome: 'failure' },
    { kind: 'guest' as const, time: ROW.time },
    { ...ROW, ratio: 'much' },
    { ...ROW, stages: null },
    { ...ROW, stages: { wallMs: 0 } },
    { ...ROW, disk: 7 },
  ];
  for (const row of rows) assert.deepEqual(pastRunOf(row), []);
});

test('a history is read oldest first; one that is not there or broken is none', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-known-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  assert.deepEqual((await readKnowledge(join(directory, 'none'), warn)).pastRuns, []);
  await appendHistory(directory, ROW);
  await appendHistory(directory, { ...ROW, level: 9 });
  assert.deepEqual(
    (await readKnowledge(directory, warn)).pastRuns.map(({ level }) => level),
    [3, 9],
  );
  assert.deepEqual(warnings, []);
  writeFileSync(join(directory, 'file'), '');
  assert.deepEqual((await readKnowledge(join(directory, 'file'), warn)).pastRuns, []);
});
