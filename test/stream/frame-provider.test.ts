import assert from 'node:assert/strict';
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CodecName } from '../../src/codec/codec.js';
import { codecByName } from '../../src/codec/index.js';
import { LifeboatError } from '../../src/error.js';
import { containerOf } from '../../src/format/containers.js';
import { locateFrames } from '../../src/format/frame-table.js';
import { streamCursor } from '../../src/stream/cursors.js';
import {
  type Fetched,
  FRAME_SLACK_BYTES,
  locatedFrames,
  sequentialFrames,
  splitFrames,
} from '../../src/stream/frame-provider.js';
import { allocateSlotMemory, type Slot, slotLayout, viewSlot } from '../../src/stream/slots.js';
import { frameBound, imageFile, KIB, openReadable, patterned, reading, scratch } from './machine.js';

const CHUNK = 16 * KIB;
const PIECE_BYTES = 5000;

function oneSlot(codec: CodecName): Slot {
  const layout = slotLayout(2, CHUNK, frameBound(codec, CHUNK) + FRAME_SLACK_BYTES);
  return viewSlot(allocateSlotMemory(layout), layout, 0);
}

async function* all(fetch: () => Promise<Fetched | undefined>): AsyncGenerator<Fetched> {
  for (let fetched = await fetch(); fetched !== undefined; fetched = await fetch()) yield fetched;
}

async function decodeIn(slot: Slot, fetched: Fetched, codec: CodecName): Promise<Buffer> {
  assert.ok(fetched.kind === 'frame');
  const decoder = await codecByName(codec).createDecoder('native');
  const frame = slot.frame.subarray(fetched.shift, fetched.shift + fetched.length);
  const length = await decoder.decode(frame, slot.plain);
  decoder.close();
  return Buffer.from(slot.plain.subarray(0, length));
}

test('located frames are what the table says, read from any offset', async (t) => {
  const image = await imageFile(t, patterned(100_001), 'zstd');
  const slot = oneSlot('zstd');
  const provider = locatedFrames(openReadable(t, image.path), image.path, locateFrames(image.table));
  let at = 0;
  for await (const fetched of all(() => provider.fetch(slot))) {
    assert.ok(fetched.kind === 'frame');
    assert.equal(fetched.plainOffset, at);
    assert.equal(fetched.shift, fetched.offset % 4096);
    const plain = await decodeIn(slot, fetched, 'zstd');
    assert.ok(plain.equals(image.plain.subarray(at, at + plain.length)));
    at += plain.length;
  }
  assert.equal(at, image.plain.length);
  assert.equal(await provider.fetch(slot), undefined);
});

test('a frame that the file does not hold any more is lost, not an error', async (t) => {
  const image = await imageFile(t, patterned(100_001), 'gzip');
  const [, , third] = [...locateFrames(image.table)];
  truncateSync(image.path, (third?.offset ?? 0) + 10);
  const provider = locatedFrames(openReadable(t, image.path), image.path, locateFrames(image.table));
  const kinds: string[] = [];
  const slot = oneSlot('gzip');
  for await (const fetched of all(() => provider.fetch(slot))) {
    kinds.push(fetched.kind);
    if (fetched.kind === 'unreadable') assert.match(fetched.reason, /ends before it/);
  }
  assert.deepEqual(kinds, ['frame', 'frame', ...kinds.slice(2).fill('unreadable')]);
  assert.equal(kinds.length, image.table.count);
});

test('a length that no slot can hold is a damaged table, not an overrun', async (t) => {
  const image = await imageFile(t, patterned(1000), 'gzip');
  const lie = [{ number: 0, offset: 0, length: 2 ** 31, plainOffset: 0, plainLength: 1000, crc: undefined }];
  const provider = locatedFrames(openReadable(t, image.path), image.path, lie[Symbol.iterator]());
  const fetched = await provider.fetch(oneSlot('gzip'));
  assert.ok(fetched?.kind === 'unreadable');
  assert.match(fetched.reason, /2147483648 bytes cannot be/);
});

test('frames of an image on a disk that fails are lost with the words of the system', async (t) => {
  const fd = openSync(scratch(t), 'r');
  t.after(() => closeSync(fd));
  const image = await imageFile(t, patterned(1000), 'gzip');
  const provider = locatedFrames({ fd, directFd: undefined }, '/image', locateFrames(image.table));
  const fetched = await provider.fetch(oneSlot('gzip'));
  assert.ok(fetched?.kind === 'unreadable');
  assert.match(fetched.reason, /Cannot read "\/image" at offset 0: EISDIR/);
});

for (const codec of ['gzip', 'zstd', 'lz4'] as const) {
  test(`an image of ${codec} that comes through a pipe is cut into its frames`, async (t) => {
    const image = await imageFile(t, patterned(100_001), codec);
    for (const pieceBytes of [1, 777, 1_000_000]) {
      const container = containerOf(codec);
      const cursor = streamCursor(reading(image.image, pieceBytes));
      await cursor.advance(container.prologueBytes);
      const provider = splitFrames(cursor, container);
      const slot = oneSlot(codec);
      const plain: Buffer[] = [];
      for await (const fetched of all(() => provider.fetch(slot))) {
        assert.equal(fetched.number, plain.length);
        plain.push(await decodeIn(slot, fetched, codec));
      }
      assert.ok(Buffer.concat(plain).equals(image.plain));
      assert.equal(provider.shapes.length, image.table.count);
      assert.equal(provider.shapes[3]?.indexedLength, image.table.lengthOf(3));
      assert.ok(image.image.subarray(cursor.position).equals(container.epilogue(CHUNK, image.table)));
    }
  });

  test(`an image of ${codec} that is cut off in a pipe is damage`, async (t) => {
    const image = await imageFile(t, patterned(50_000), codec);
    const container = containerOf(codec);
    const cursor = streamCursor(reading(image.image.subarray(0, image.table.storedBytes - 1), PIECE_BYTES));
    await cursor.advance(container.prologueBytes);
    const provider = splitFrames(cursor, container);
    const slot = oneSlot(codec);
    await assert.rejects(
      async () => {
        for await (const _ of all(() => provider.fetch(slot)));
      },
      (error) => error instanceof LifeboatError && error.code === 'DAMAGE',
    );
  });
}

async function sequential(t: TestContext, codec: CodecName, bytes: Buffer, chunkBytes = CHUNK) {
  const decoder = await codecByName(codec).createStreamDecoder('native');
  t.after(() => decoder.close());
  const provider = sequentialFrames(reading(bytes, PIECE_BYTES), decoder, chunkBytes);
  const slot = oneSlot(codec);
  const plain: Buffer[] = [];
  for await (const fetched of all(() => provider.fetch(slot))) {
    assert.ok(fetched.kind === 'plain');
    assert.equal(fetched.plainOffset, Buffer.concat(plain).length);
    plain.push(Buffer.from(slot.plain.subarray(0, fetched.plainLength)));
  }
  return plain;
}

for (const codec of ['gzip', 'zstd', 'lz4', 'xz', 'bzip2', 'none'] as const) {
  test(`a file of ${codec} is decoded from front to back into pieces of the same size`, async (t) => {
    const image = await imageFile(t, patterned(100_001), codec);
    const pieces = await sequential(t, codec, image.image, 10_000);
    assert.ok(Buffer.concat(pieces).equals(image.plain));
    assert.deepEqual(
      pieces.map(({ length }) => length),
      [...Array(10).fill(10_000), 1],
    );
  });
}

for (const codec of ['gzip', 'zstd', 'lz4', 'xz', 'bzip2'] as const) {
  test(`a file of ${codec} that is cut off within a frame is damage`, async (t) => {
    const image = await imageFile(t, patterned(50_000), codec);
    const first = [...locateFrames(image.table)][0];
    const cutAt = (first?.offset ?? 0) + (first?.length ?? 0) - 9;
    await assert.rejects(
      sequential(t, codec, image.image.subarray(0, cutAt)),
      (error) => error instanceof LifeboatError && error.code === 'DAMAGE',
    );
  });
}

test('nothing at all is no file of any codec', async (t) => {
  for (const codec of ['gzip', 'zstd', 'lz4', 'bzip2'] as const) {
    await assert.rejects(sequential(t, codec, Buffer.alloc(0)), { message: /ends early, at offset 0/ });
  }
});

test('a decoder that takes nothing does not hang the run', { timeout: 5000 }, async (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, 'x');
  const stuck = { step: () => ({ consumedBytes: 0, producedBytes: 0, atEnd: false }), close: () => undefined };
  const provider = sequentialFrames(reading(Buffer.alloc(100), PIECE_BYTES), stuck, CHUNK);
  await assert.rejects(provider.fetch(oneSlot('none')), /takes nothing at offset 0/);
});
