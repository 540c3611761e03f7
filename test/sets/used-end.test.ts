import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionTable } from '../../src/device/partition-table.js';
import { usedEndOf } from '../../src/sets/used-end.js';

const gpt: PartitionTable = {
  scheme: 'gpt',
  sectorBytes: 512,
  partitions: [],
  metadata: [
    { offset: 0, length: 1000 },
    { offset: 9000, length: 1000 },
  ],
};

test('the backup GPT at the end does not count, what is before it does', () => {
  const head = { kind: 'data' as const, offset: 0, length: 1000 };
  const backup = { kind: 'data' as const, offset: 9000, length: 1000 };
  const zeros = { kind: 'zero' as const, offset: 1000, length: 8000 };
  assert.equal(usedEndOf([head, zeros, backup], gpt, 10_000), 1000);
  const memory = { kind: 'memory' as const, offset: 4000, length: 100, bytes: Buffer.alloc(100) };
  assert.equal(usedEndOf([head, memory, backup], gpt, 10_000), 4100);
  // Joined with what lies right before it.
  assert.equal(usedEndOf([head, { kind: 'data', offset: 8000, length: 2000 }], gpt, 10_000), 9000);
});

test('a backup GPT that is widened to 4096 does not count, a partition that reaches up to it does', () => {
  const diskBytes = 1024 * 1024;
  const table: PartitionTable = { ...gpt, metadata: [{ offset: diskBytes - 33 * 512, length: 33 * 512 }] };
  const start = Math.floor((diskBytes - 33 * 512) / 4096) * 4096;
  const backup = { kind: 'data' as const, offset: start, length: diskBytes - start };
  const head = { kind: 'data' as const, offset: 0, length: 8192 };
  const zeros = { kind: 'zero' as const, offset: 8192, length: start - 8192 };
  assert.equal(usedEndOf([head, zeros, backup], table, diskBytes), 8192);
  const last = { kind: 'data' as const, offset: start - 4096, length: diskBytes - start + 4096 };
  assert.equal(usedEndOf([head, last], table, diskBytes), diskBytes - 33 * 512);
});

test('without a GPT the end of a disk is an end like any other', () => {
  const table: PartitionTable = { ...gpt, scheme: 'mbr', metadata: [{ offset: 0, length: 1000 }] };
  assert.equal(usedEndOf([{ kind: 'data', offset: 0, length: 10_000 }], table, 10_000), 10_000);
  assert.equal(usedEndOf([{ kind: 'zero', offset: 0, length: 10_000 }], table, 10_000), 0);
});
