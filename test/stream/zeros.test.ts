import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findDataRuns, isAllZeros } from '../../src/stream/zeros.js';

const RUN = 64 * 1024;

/** Where there is something else than zeros: a few places in a buffer of odd size, also in shared memory. */
const sparse = (maxBytes: number) =>
  fc
    .record({
      bytes: fc.integer({ min: 0, max: maxBytes }),
      places: fc.array(fc.nat(), { maxLength: 6 }),
      lead: fc.integer({ min: 0, max: 9 }),
      isShared: fc.boolean(),
    })
    .map(({ bytes, places, lead, isShared }) => {
      const memory = isShared ? new SharedArrayBuffer(bytes + lead) : new ArrayBuffer(bytes + lead);
      // What stands before must not count.
      Buffer.from(memory).fill(7, 0, lead);
      const buffer = Buffer.from(memory, lead, bytes);
      for (const place of places) if (bytes > 0) buffer[place % bytes] = 1 + (place % 255);
      return buffer;
    });

test('isAllZeros says what looking at every byte says', () => {
  fc.assert(
    fc.property(sparse(400), (bytes) => {
      assert.equal(
        isAllZeros(bytes),
        bytes.every((byte) => byte === 0),
      );
    }),
    { numRuns: 500 },
  );
});

test('isAllZeros finds a single byte at every place of a small buffer', () => {
  for (let size = 1; size <= 200; size++) {
    const bytes = Buffer.alloc(size);
    assert.equal(isAllZeros(bytes), true);
    for (let at = 0; at < size; at++) {
      bytes[at] = 1;
      assert.equal(isAllZeros(bytes), false, `size ${size}, byte ${at}`);
      bytes[at] = 0;
    }
  }
});

test('nothing at all is all zeros and has no runs', () => {
  assert.equal(isAllZeros(Buffer.alloc(0)), true);
  assert.deepEqual(findDataRuns(Buffer.alloc(0)), []);
});

test('findDataRuns says what looking at every 64 KiB says', () => {
  fc.assert(
    fc.property(sparse(7 * RUN + 5), (bytes) => {
      const expected: { start: number; end: number }[] = [];
      for (let start = 0; start < bytes.length; start += RUN) {
        const end = Math.min(start + RUN, bytes.length);
        if (Buffer.alloc(end - start).equals(bytes.subarray(start, end))) continue;
        const last = expected.at(-1);
        if (last?.end === start) last.end = end;
        else expected.push({ start, end });
      }
      assert.deepEqual(findDataRuns(bytes), expected);
    }),
    { numRuns: 150 },
  );
});

test('a byte at the very end makes the last stretch data, however short it is', () => {
  const bytes = Buffer.alloc(2 * RUN + 3);
  bytes[bytes.length - 1] = 1;
  assert.deepEqual(findDataRuns(bytes), [{ start: 2 * RUN, end: 2 * RUN + 3 }]);
});
