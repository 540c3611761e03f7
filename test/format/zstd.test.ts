import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codecByName } from '../../src/codec/index.js';
import type { FrameTable } from '../../src/format/frame-table.js';
import { skippableFrame } from '../../src/format/skippable.js';
import { readForeignSeekTable, zstdContainer } from '../../src/format/zstd.js';
import { encode, sample } from '../codec/samples.js';
import { assembleImage, CHUNK_BYTES, memoryFile, syntheticFile, THREE_CHUNKS } from './assemble.js';
import { cursorsOver, entries, testContainer } from './container-rules.js';

testContainer('zstd');

/**
 * Reads a seek table with nothing but zstd_seekable_compression_format.md 0.1.0 in hand: a skippable frame 0x184D2A5E, its
 * length, entries of 8 bytes (12 with checksums), and a footer of the number of frames, the descriptor, and the magic.
 */
function readSeekTable(file: Buffer): { compressedBytes: number; decompressedBytes: number }[] {
  assert.equal(file.readUInt32LE(file.length - 4), 0x8f92eab1);
  const descriptor = file.readUInt8(file.length - 5);
  assert.equal(descriptor & 0x7c, 0, 'reserved bits');
  const frames = file.readUInt32LE(file.length - 9);
  const entryBytes = (descriptor & 0x80) === 0 ? 8 : 12;
  const contentBytes = frames * entryBytes + 9;
  const at = file.length - contentBytes - 8;
  assert.equal(file.readUInt32LE(at), 0x184d2a5e);
  assert.equal(file.readUInt32LE(at + 4), contentBytes);
  return Array.from({ length: frames }, (_, frame) => ({
    compressedBytes: file.readUInt32LE(at + 8 + frame * entryBytes),
    decompressedBytes: file.readUInt32LE(at + 12 + frame * entryBytes),
  }));
}

/** A seek table as the reference writer makes it. */
function foreignSeekTable(frames: [stored: number, plain: number][], withChecksums = false): Buffer {
  const entryBytes = withChecksums ? 12 : 8;
  const payload = Buffer.alloc(frames.length * entryBytes + 9);
  frames.forEach(([stored, plain], frame) => {
    payload.writeUInt32LE(stored, frame * entryBytes);
    payload.writeUInt32LE(plain, frame * entryBytes + 4);
  });
  payload.writeUInt32LE(frames.length, payload.length - 9);
  payload.writeUInt8(withChecksums ? 0x80 : 0, payload.length - 5);
  payload.writeUInt32LE(0x8f92eab1, payload.length - 4);
  return skippableFrame(0x184d2a5e, payload);
}

const zstd = codecByName('zstd');
const frameOf = (text: string) => encode(zstd, 'native', sample('text', text.length));

test('zstd: the seek table lists every frame of the file, marker and index among them', async () => {
  const { file, frames } = await assembleImage('zstd', THREE_CHUNKS, CHUNK_BYTES);
  const listed = readSeekTable(file);
  const tableBytes = 8 + listed.length * 8 + 9;
  assert.deepEqual(
    listed.map(({ decompressedBytes }) => decompressedBytes),
    [0, 4096, 4096, 1000, 0],
  );
  assert.deepEqual(
    listed.slice(1, 4).map(({ compressedBytes }) => compressedBytes),
    frames.map(({ length }) => length),
  );
  let offset = 0;
  for (const { compressedBytes, decompressedBytes } of listed) {
    assert.equal(file.readUInt32LE(offset), decompressedBytes === 0 ? 0x184d2a5b : 0xfd2fb528);
    offset += compressedBytes;
  }
  assert.equal(offset, file.length - tableBytes);
});

test('zstd: the seek table of no frames lists marker and index', () => {
  const { file } = syntheticFile(zstdContainer, 4096, 0);
  assert.deepEqual(readSeekTable(file), [
    { compressedBytes: 28, decompressedBytes: 0 },
    { compressedBytes: 72, decompressedBytes: 0 },
  ]);
});

test("zstd: another tool's seek table is read, with checksums and without", async () => {
  const frames = [await frameOf('a'.repeat(500)), await frameOf('b'.repeat(300))];
  const lengths = frames.map(({ length }, number): [number, number] => [length, number === 0 ? 500 : 300]);
  for (const withChecksums of [false, true]) {
    const file = Buffer.concat([...frames, foreignSeekTable(lengths, withChecksums)]);
    const table = await readForeignSeekTable(memoryFile(file));
    assert.deepEqual(table && entries(table), [
      [0, lengths[0]?.[0], 0, 500],
      [lengths[0]?.[0], lengths[1]?.[0], 500, 300],
    ]);
    assert.equal(table?.hasCrc, false);
    assert.equal(await zstdContainer.readIndex(memoryFile(file)), undefined);
  }
});

test('zstd: a seek table that does not cover the file is not used', async () => {
  const frame = await frameOf('a'.repeat(500));
  const tables = {
    'too short': foreignSeekTable([[frame.length - 1, 500]]),
    'too long': foreignSeekTable([[frame.length + 1, 500]]),
    'no frames': foreignSeekTable([]),
  };
  for (const [title, table] of Object.entries(tables)) {
    assert.equal(await readForeignSeekTable(memoryFile(Buffer.concat([frame, table]))), undefined, title);
  }
});

test('zstd: a seek table that calls a frame with data empty is not used', async () => {
  const frame = await frameOf('a'.repeat(500));
  const skippable = skippableFrame(0x184d2a50, Buffer.alloc(5));
  const file = (plain: number) =>
    Buffer.concat([
      frame,
      skippable,
      foreignSeekTable([
        [frame.length, plain],
        [skippable.length, 0],
      ]),
    ]);
  assert.equal((await readForeignSeekTable(memoryFile(file(500))))?.count, 2);
  assert.equal(await readForeignSeekTable(memoryFile(file(0))), undefined);
});

test('zstd: a seek table with any one bit flipped gives no other places of frames', async () => {
  const frame = await frameOf('a'.repeat(512));
  const file = Buffer.concat([
    frame,
    frame,
    foreignSeekTable([
      [frame.length, 512],
      [frame.length, 512],
    ]),
  ]);
  const whole = entries((await readForeignSeekTable(memoryFile(file))) as FrameTable);
  for (let bit = 2 * frame.length * 8; bit < file.length * 8; bit++) {
    const flipped = Buffer.from(file);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const table = await readForeignSeekTable(memoryFile(flipped));
    if (table === undefined) continue;
    assert.deepEqual(
      entries(table).map(([offset, length]) => [offset, length]),
      whole.map(([offset, length]) => [offset, length]),
      `bit ${bit}`,
    );
    assert.ok(
      entries(table).every(([, , , plainLength]) => plainLength !== 0),
      `bit ${bit}`,
    );
  }
});

test('zstd: whatever a seek table says, reading it gives frames or nothing', async () => {
  const frame = await frameOf('a'.repeat(100));
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.nat(0xffffffff), fc.nat(255), async (junk, count, flags) => {
      const footer = Buffer.alloc(9);
      footer.writeUInt32LE(count, 0);
      footer.writeUInt8(flags, 4);
      footer.writeUInt32LE(0x8f92eab1, 5);
      const file = memoryFile(Buffer.concat([frame, junk, footer]));
      await readForeignSeekTable(file);
      await zstdContainer.readIndex(file);
    }),
  );
});

test('zstd: frames of any header are walked over', async () => {
  const rawBlock = (text: string, last: boolean) => {
    const head = Buffer.alloc(3);
    head.writeUIntLE((text.length << 3) | (last ? 1 : 0), 0, 3);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const rleBlock = Buffer.from([((100 << 3) & 0xff) | 2, (100 << 3) >> 8, 0, 0x61]);
  const frame = (header: string, ...rest: Buffer[]) =>
    Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.from(header, 'hex'), ...rest]);
  const checksum = Buffer.alloc(4);
  const cases: [string, Buffer, number | undefined, boolean][] = [
    ['no size, no checksum', frame('0058', rawBlock('ab', true)), undefined, false],
    ['size of 1 byte', frame('2002', rawBlock('ab', true)), 2, false],
    ['size of 2 bytes, checksum', frame('640100', rawBlock('a'.repeat(257), true), checksum), 257, true],
    ['size of 4 bytes', frame('a066000000', rleBlock, rawBlock('ab', true)), 102, false],
    ['size of 8 bytes', frame('e00200000000000000', rawBlock('ab', true)), 2, false],
    ['a dictionary', frame('2311223344' + '02', rawBlock('ab', true)), 2, false],
    ['no plaintext', frame('2000', rawBlock('', true)), 0, false],
    ['data, but a size of 0', frame('2000', rawBlock('ab', true)), undefined, false],
  ];
  for (const [title, bytes, plainLength, checked] of cases) {
    for (const [over, cursor] of cursorsOver(bytes)) {
      assert.deepEqual(
        await zstdContainer.walkFrame(cursor, Buffer.alloc(1000)),
        { length: bytes.length, plainLength, checked },
        `${title}, ${over}`,
      );
    }
  }
});

test('zstd: reserved bits and block types are damage', async () => {
  for (const hex of ['28b52ffd2802110000', '28b52ffd2002170000', '28b52ffe2002110000']) {
    for (const [title, cursor] of cursorsOver(Buffer.from(`${hex}${'00'.repeat(40)}`, 'hex'))) {
      await assert.rejects(() => zstdContainer.walkFrame(cursor), { code: 'DAMAGE' }, `${hex}, ${title}`);
    }
  }
});
