import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LifeboatError } from '../../src/error.js';
import type { Cursor, RandomReader } from '../../src/format/cursor.js';
import { fileCursor, type StreamRead, streamCursor } from '../../src/stream/cursors.js';
import { patterned } from './machine.js';

/** A pipe that gives its bytes in pieces of the given sizes, again and again. */
function piecewise(contents: Buffer, sizes: readonly number[]): StreamRead {
  let at = 0;
  let turn = 0;
  return async (into, length) => {
    const piece = Math.min(length, sizes[turn++ % sizes.length] as number, contents.length - at);
    contents.copy(into, 0, at, at + piece);
    at += piece;
    return piece;
  };
}

function readerOf(contents: Buffer): RandomReader & { readBytes: number } {
  const reader = {
    sizeBytes: contents.length,
    readBytes: 0,
    async read(offset: number, bytes: number) {
      reader.readBytes += bytes;
      return Buffer.from(contents.subarray(offset, offset + bytes));
    },
  };
  return reader;
}

type Step = { kind: 'peek' | 'take' | 'pass'; bytes: number };
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('peek' as const, 'take' as const, 'pass' as const),
    bytes: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 65_536 })),
  }),
  { maxLength: 25 },
);

/** Does the steps, and compares each with the bytes that must be there. */
async function walk(cursor: Cursor, contents: Buffer, todo: readonly Step[]): Promise<void> {
  let at = 0;
  for (const { kind, bytes } of todo) {
    assert.equal(cursor.position, at);
    const expected = contents.subarray(at, at + bytes);
    if (kind === 'peek') {
      assert.ok((await cursor.peek(bytes)).equals(expected));
      continue;
    }
    const into = kind === 'take' ? Buffer.alloc(bytes) : undefined;
    if (expected.length < bytes) {
      await assert.rejects(cursor.advance(bytes, into), (error) => {
        assert.ok(error instanceof LifeboatError);
        assert.deepEqual([error.code, error.offset], ['DAMAGE', contents.length]);
        return true;
      });
      return;
    }
    await cursor.advance(bytes, into);
    if (into !== undefined) assert.ok(into.equals(expected));
    at += bytes;
  }
}

test('a stream gives the same bytes whatever the sizes of the pieces in which it comes', async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.array(fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 300_000 })), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.nat({ max: 400_000 }),
      async (todo, sizes, sizeBytes) => {
        const contents = patterned(sizeBytes);
        // Tiny pieces only, of a large stream, take long and show nothing more.
        const quick = Math.max(...sizes) < 64 ? [...sizes, 4096] : sizes;
        await walk(streamCursor(piecewise(contents, quick)), contents, todo);
      },
    ),
    { numRuns: 80 },
  );
});

test('a file gives the same bytes as a stream', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat({ max: 400_000 }), async (todo, sizeBytes) => {
      const contents = patterned(sizeBytes);
      await walk(fileCursor(readerOf(contents)), contents, todo);
    }),
    { numRuns: 80 },
  );
});

test('what is passed over in a file is not read', async () => {
  const reader = readerOf(patterned(1_000_000));
  const cursor = fileCursor(reader, 100);
  await cursor.peek(10);
  await cursor.advance(900_000);
  assert.equal(cursor.position, 900_100);
  assert.ok(reader.readBytes <= 65_536);
});

test('readAny gives first what was peeked, then what the stream has, then 0', async () => {
  const contents = patterned(100_000);
  const cursor = streamCursor(piecewise(contents, [70_000, 1, 29_999]));
  await cursor.peek(10);
  const got: Buffer[] = [];
  const into = Buffer.alloc(65_536);
  for (let bytes = -1; bytes !== 0; ) {
    bytes = await cursor.readAny(into, into.length);
    got.push(Buffer.from(into.subarray(0, bytes)));
  }
  assert.ok(Buffer.concat(got).equals(contents));
  assert.equal(cursor.position, contents.length);
});

test('a peek at the end gives what is left, and nothing behind it', async () => {
  const cursor = streamCursor(piecewise(patterned(100), [7]));
  await cursor.advance(95);
  assert.equal((await cursor.peek(50)).length, 5);
  await cursor.advance(5);
  assert.equal((await cursor.peek(50)).length, 0);
  assert.equal((await cursor.peek(1)).length, 0);
});

test('a peek of more than 64 KiB is a mistake', async () => {
  await assert.rejects(streamCursor(piecewise(patterned(10), [10])).peek(65_537), RangeError);
});

test('large frames are read straight into their place, in few reads', async () => {
  const contents = patterned(4_000_000);
  let reads = 0;
  const read = piecewise(contents, [1_000_000]);
  const cursor = streamCursor((into, length) => {
    reads += 1;
    return read(into, length);
  });
  await cursor.peek(18);
  const into = Buffer.alloc(4_000_000);
  await cursor.advance(4_000_000, into);
  assert.ok(into.equals(contents));
  assert.ok(reads <= 6, `${reads} reads`);
});
