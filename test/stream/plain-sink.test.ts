import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { DataRun } from '../../src/stream/job.js';
import { nowhere, type PlainPiece, type PutRecord, rangeSink, recordingSink } from '../../src/stream/plain-sink.js';
import { collectingSink, patterned } from './machine.js';

const pieceOf = (whole: Buffer, start: number, end: number, dataRuns?: DataRun[]): PlainPiece => ({
  plain: whole.subarray(start, end),
  plainOffset: start,
  dataRuns: dataRuns ?? [{ start: 0, end: end - start }],
  spare: Buffer.alloc(0),
});

test('a range comes out as if the image began with it, whatever the pieces and their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3000 }),
      fc.nat({ max: 3000 }),
      fc.nat({ max: 3000 }),
      fc.integer({ min: 1, max: 900 }),
      fc.boolean(),
      async (size, from, length, pieceBytes, isBackwards) => {
        const whole = patterned(size);
        const range = { start: Math.min(from, size), end: Math.min(from + length, size) };
        const into = collectingSink(range.end - range.start);
        const sink = rangeSink(range, into);
        const starts: number[] = [];
        for (let at = 0; at < size; at += pieceBytes) starts.push(at);
        if (isBackwards) starts.reverse();
        for (const start of starts) await sink.put(pieceOf(whole, start, Math.min(start + pieceBytes, size)));
        assert.ok(into.bytes.equals(whole.subarray(range.start, range.end)));
      },
    ),
  );
});

test('runs of data are cut to the range', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
      fc.nat({ max: 120 }),
      fc.nat({ max: 120 }),
      async (blocks, from, length) => {
        // Blocks of 10 bytes, data or zeros.
        const whole = Buffer.concat(blocks.map((isData) => Buffer.alloc(10, isData ? 1 : 0)));
        const dataRuns = blocks.flatMap((isData, i) => (isData ? [{ start: i * 10, end: i * 10 + 10 }] : []));
        const range = { start: from, end: from + length };
        const seen: PlainPiece[] = [];
        const sink = rangeSink(range, { ...nowhere, put: async (piece) => void seen.push(piece) });
        await sink.put({ ...pieceOf(whole, 0, whole.length, dataRuns) });
        const { plain, dataRuns: cut } = seen[0] ?? { plain: Buffer.alloc(0), dataRuns: [] };
        const isData = (at: number) => cut.some(({ start, end }) => start <= at && at < end);
        for (let at = 0; at < plain.length; at++) assert.equal(isData(at), plain[at] === 1);
        for (const { start, end } of cut) assert.ok(start >= 0 && start < end && end <= plain.length);
      },
    ),
  );
});

test('what lies outside of the range is not passed on at all', async () => {
  const into = collectingSink(10);
  const sink = rangeSink({ start: 100, end: 110 }, into);
  await sink.put(pieceOf(patterned(300), 0, 100));
  await sink.put(pieceOf(patterned(300), 110, 300));
  assert.deepEqual(into.offsets, []);
});

test('a range and an account keep what their sink demands', () => {
  for (const ordered of [true, false]) {
    for (const zerosForLost of [true, false]) {
      const sink = collectingSink(0, { ordered, zerosForLost });
      for (const wrapped of [rangeSink({ start: 0, end: 1 }, sink), recordingSink(sink, [])]) {
        assert.deepEqual([wrapped.ordered, wrapped.zerosForLost], [ordered, zerosForLost]);
      }
    }
  }
});

test('an account holds offset, length and CRC-32 of each piece that was put', async () => {
  const whole = patterned(1000);
  const records: PutRecord[] = [];
  const into = collectingSink(1000);
  const sink = recordingSink(into, records);
  await sink.put(pieceOf(whole, 600, 1000));
  await sink.put(pieceOf(whole, 0, 600));
  assert.ok(into.bytes.equals(whole));
  assert.deepEqual(records, [
    { offset: 600, length: 400, crc: crc32(whole.subarray(600)) },
    { offset: 0, length: 600, crc: crc32(whole.subarray(0, 600)) },
  ]);
});

test('an account of a range counts in bytes of the target', async () => {
  const records: PutRecord[] = [];
  const sink = rangeSink({ start: 100, end: 200 }, recordingSink(nowhere, records));
  await sink.put(pieceOf(patterned(300), 0, 300));
  assert.deepEqual(
    records.map(({ offset, length }) => [offset, length]),
    [[0, 100]],
  );
});
