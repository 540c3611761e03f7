import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CodecName } from '../../src/codec/codec.js';
import { LifeboatError } from '../../src/error.js';
import type { WalkedFrame } from '../../src/format/container.js';
import { containerOf, HEAD_BYTES } from '../../src/format/containers.js';
import type { Cursor } from '../../src/format/cursor.js';
import { type FrameTable, locateFrames } from '../../src/format/frame-table.js';
import { fileCursor, streamCursor } from '../../src/stream/cursors.js';
import { type Assembled, assembleImage, CHUNK_BYTES, memoryFile, syntheticFile, THREE_CHUNKS } from './assemble.js';

/** 1329 and 2662 frames fill one and two pieces of gzip's index exactly. */
const FRAME_COUNTS = [0, 1, 2, 1329, 1330, 1333, 1334, 2662, 2663, 5000];

/** A cursor over bytes that come in small pieces, as through a pipe. */
export function pipeCursor(bytes: Buffer, pieceBytes = 7): Cursor {
  let at = 0;
  return streamCursor(async (into, length) => {
    const copied = bytes.copy(into, 0, at, at + Math.min(length, pieceBytes));
    at += copied;
    return copied;
  });
}

export function cursorsOver(bytes: Buffer): [string, Cursor][] {
  return [
    ['a file', fileCursor(memoryFile(bytes))],
    ['a pipe', pipeCursor(bytes)],
  ];
}

export function entries(table: FrameTable): number[][] {
  return [...locateFrames(table)].map(({ offset, length, plainOffset, plainLength }) => [
    offset,
    length,
    plainOffset,
    plainLength,
  ]);
}

/** The answer, or that it is damage; any other error is a defect. */
export async function answerOrDamage<T>(ask: () => T | Promise<T>): Promise<T | 'damage'> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof LifeboatError && error.code === 'DAMAGE') return 'damage';
    throw error;
  }
}

/** Real frames, and the place of the second. */
async function realImage(codec: CodecName): Promise<Assembled & { from: number; to: number }> {
  const image = await assembleImage(codec, THREE_CHUNKS, CHUNK_BYTES);
  const from = containerOf(codec).prologueBytes;
  return { ...image, from, to: from + image.table.storedBytes };
}

/** What every self-proving container keeps. */
export function testContainer(codec: typeof import('./assemble.js').PROVING_CODECS[number]): void {
  const container = containerOf(codec);
  const chunkBytes = codec === 'xz' ? 0 : 65_536;

  test(`${codec}: the prologue tells the chunk size`, () => {
    for (const size of [1, 4096, 0xffffffff]) {
      const prologue = container.prologue(size);
      assert.equal(prologue.length, container.prologueBytes);
      assert.ok(prologue.length <= HEAD_BYTES);
      const expected = { chunkBytes: codec === 'xz' ? 0 : size };
      assert.deepEqual(container.parsePrologue(prologue), expected);
      assert.deepEqual(container.parsePrologue(Buffer.concat([prologue, Buffer.alloc(100)])), expected);
    }
  });

  test(`${codec}: a prologue with any one bit flipped is never whole, and never another tool's`, () => {
    const prologue = container.prologue(65_536);
    for (let bit = 0; bit < prologue.length * 8; bit++) {
      const flipped = Buffer.concat([prologue, Buffer.alloc(50)]);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      // The stream header of xz has a CRC of its own, which every decoder of it checks.
      if (codec === 'xz') assert.equal(container.parsePrologue(flipped), undefined);
      else assert.throws(() => container.parsePrologue(flipped), { code: 'DAMAGE' }, `bit ${bit}`);
    }
  });

  test(`${codec}: an index of any number of frames is found from the end`, async () => {
    for (const frames of FRAME_COUNTS) {
      const { file, table } = syntheticFile(container, chunkBytes, frames);
      assert.equal(container.epilogueBytes(table), file.length - container.prologueBytes - table.storedBytes);
      const found = await container.readIndex(memoryFile(file));
      assert.equal(found?.chunkBytes, chunkBytes);
      assert.equal(found?.table.count, frames);
      assert.deepEqual(entries(found?.table as FrameTable), entries(table), `${frames} frames`);
    }
  });

  test(`${codec}: a file cut at any byte of its epilogue has no index`, async () => {
    const { file, table } = syntheticFile(container, chunkBytes, 3);
    for (let length = 0; length < file.length; length++) {
      const found = await answerOrDamage(() => container.readIndex(memoryFile(file.subarray(0, length))));
      assert.ok(found === undefined || found === 'damage', `${length} bytes of ${file.length}, ${table.count} frames`);
    }
  });

  test(`${codec}: walking finds each frame as it was stored, and stops at the epilogue`, async () => {
    const { file, frames, from, to } = await realImage(codec);
    for (const [title, cursor] of cursorsOver(file)) {
      await cursor.advance(from);
      const into = Buffer.alloc(CHUNK_BYTES);
      const walked: (WalkedFrame | undefined)[] = [];
      for (const frame of frames) {
        walked.push(await container.walkFrame(cursor, into));
        assert.deepEqual(into.subarray(0, frame.length), frame, title);
      }
      assert.deepEqual(
        walked,
        frames.map(({ length }, number) => ({ length, plainLength: number === 2 ? 1000 : 4096, checked: true })),
        title,
      );
      assert.equal(await container.walkFrame(cursor, into), undefined, title);
      assert.equal(cursor.position, to, title);
    }
  });

  test(`${codec}: walking without a buffer comes to the same places`, async () => {
    const { file, frames, from, to } = await realImage(codec);
    for (const [title, cursor] of cursorsOver(file)) {
      await cursor.advance(from);
      for (const { length } of frames) assert.equal((await container.walkFrame(cursor))?.length, length, title);
      assert.equal(await container.walkFrame(cursor), undefined, title);
      assert.equal(cursor.position, to, title);
    }
  });

  test(`${codec}: a frame that is longer than the buffer is damage`, async () => {
    const { file, frames, from } = await realImage(codec);
    const [first] = frames as [Buffer];
    for (const room of [0, 1, first.length - 1]) {
      for (const [title, cursor] of cursorsOver(file)) {
        await cursor.advance(from);
        const walk = () => container.walkFrame(cursor, Buffer.alloc(room));
        await assert.rejects(walk, { code: 'DAMAGE' }, `${title}, ${room} bytes`);
      }
    }
  });

  test(`${codec}: a frame cut at any byte is damage`, async () => {
    const { frames } = await realImage(codec);
    for (const frame of frames) {
      for (let length = 1; length < frame.length; length++) {
        for (const [title, cursor] of cursorsOver(frame.subarray(0, length))) {
          const walk = () => container.walkFrame(cursor, Buffer.alloc(CHUNK_BYTES));
          await assert.rejects(walk, { code: 'DAMAGE' }, `${title}, ${length} bytes`);
        }
      }
    }
  });

  test(`${codec}: walking over nothing finds nothing`, async () => {
    for (const [title, cursor] of cursorsOver(Buffer.alloc(0))) {
      assert.equal(await container.walkFrame(cursor), undefined, title);
    }
  });

  test(`${codec}: whatever is written over a file, walking and reading the index give an answer or damage`, async () => {
    const { file, from } = await realImage(codec);
    const patches = fc.array(fc.tuple(fc.nat(file.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 })), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(patches, fc.boolean(), async (list, intoBuffer) => {
        const patched = Buffer.from(file);
        for (const [at, bytes] of list) Buffer.from(bytes).copy(patched, at);
        await answerOrDamage(() => container.readIndex(memoryFile(patched)));
        await answerOrDamage(() => container.parsePrologue(patched.subarray(0, HEAD_BYTES)));
        for (const [, cursor] of cursorsOver(patched)) {
          await cursor.advance(from);
          for (let walked: unknown = {}; walked !== undefined && walked !== 'damage'; ) {
            const into = intoBuffer ? Buffer.alloc(CHUNK_BYTES) : undefined;
            walked = await answerOrDamage(() => container.walkFrame(cursor, into));
          }
        }
      }),
      { numRuns: 150 },
    );
  });
}
