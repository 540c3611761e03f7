import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { CODEC_NAMES } from '../../src/codec/index.js';
import { createFrameTable, type GrowingFrameTable } from '../../src/format/frame-table.js';
import {
  beginsIndex,
  decodeIndexBlock,
  encodeIndexBlock,
  INDEX_TRAILER_BYTES,
  indexBlockBytes,
  indexBytesFromTrailer,
} from '../../src/format/index-block.js';
import { syntheticTable } from './assemble.js';

const damage = { code: 'DAMAGE' };

function entriesOf(table: GrowingFrameTable): number[][] {
  return Array.from({ length: table.count }, (_, frame) => [
    table.lengthOf(frame),
    table.plainLengthOf(frame),
    table.crcOf(frame),
  ]);
}

const twoFrames = () => {
  const table = createFrameTable(28);
  table.add(0x01020304, 0x05060708, 0x090a0b0c);
  table.add(0x11121314, 0x15161718, 0x191a1b1c);
  return table;
};

/** Puts the CRC right again, so that what is refused is the contradiction and not the CRC. */
function resealed(block: Buffer): Buffer {
  const crcAt = block.length - 12;
  block.writeUInt32LE(crc32(block.subarray(0, crcAt)), crcAt);
  return block;
}

test('an index of two frames is these 88 bytes', () => {
  const block = encodeIndexBlock({ codec: 'zstd', chunkBytes: 0x400000, table: twoFrames() });
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(block.subarray(0, 76)));
  const expected = [
    '4c42494e44455831', // LBINDEX1
    '02000000',
    '00004000',
    '201e1c1a00000000', // plaintext
    '1816141200000000', // stored
    '0200000000000000',
    '04030201080706050c0b0a09',
    '14131211181716151c1b1a19',
    '5800000000000000',
    '00000000',
    crc.toString('hex'),
    '4c42494e44454e44', // LBINDEND
  ];
  assert.equal(block.toString('hex'), expected.join(''));
});

test('an index comes back as it was, for any frames and codec', () => {
  const uint32 = fc.nat(0xffffffff);
  const frames = fc.array(fc.tuple(uint32, uint32, uint32), { maxLength: 30 });
  fc.assert(
    fc.property(fc.constantFrom(...CODEC_NAMES), uint32, frames, fc.nat(1000), (codec, chunkBytes, added, first) => {
      const table = createFrameTable(first);
      for (const [length, plainLength, crc] of added) table.add(length, plainLength, crc);
      const block = encodeIndexBlock({ codec, chunkBytes, table });
      assert.equal(block.length, indexBlockBytes(added.length));
      assert.equal(indexBytesFromTrailer(block.subarray(block.length - INDEX_TRAILER_BYTES)), block.length);
      assert.ok(beginsIndex(block.subarray(0, 40), block.length));
      const facts = decodeIndexBlock(block, first);
      assert.deepEqual([facts.codec, facts.chunkBytes, facts.table.firstOffset], [codec, chunkBytes, first]);
      assert.deepEqual(entriesOf(facts.table as GrowingFrameTable), added);
    }),
  );
});

test('an index with any one bit flipped, or cut at any byte, is refused', () => {
  for (const frames of [0, 1, 5]) {
    const block = encodeIndexBlock({ codec: 'gzip', chunkBytes: 1024, table: syntheticTable(46, frames) });
    for (let bit = 0; bit < block.length * 8; bit++) {
      const flipped = Buffer.from(block);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.throws(() => decodeIndexBlock(flipped, 46), damage, `bit ${bit} of ${frames} frames`);
    }
    for (let length = 0; length < block.length; length++) {
      assert.throws(() => decodeIndexBlock(block.subarray(0, length), 46), damage, `${length} bytes`);
      assert.throws(() => decodeIndexBlock(block.subarray(block.length - length), 46), damage, `last ${length} bytes`);
    }
    assert.throws(() => decodeIndexBlock(Buffer.concat([block, Buffer.alloc(1)]), 46), damage);
  }
});

test('an index that contradicts itself is refused, though its CRC is right', () => {
  const make = () => encodeIndexBlock({ codec: 'zstd', chunkBytes: 4096, table: twoFrames() });
  const changes: [string, (block: Buffer) => void][] = [
    ['another magic', (block) => block.write('LBINDEX2', 0, 'latin1')],
    ['an unknown codec', (block) => block.writeUInt8(7, 8)],
    ['no codec', (block) => block.writeUInt8(0, 8)],
    ['a reserved byte', (block) => block.writeUInt8(1, 9)],
    ['another sum of plaintext', (block) => block.writeUInt8(0xff, 16)],
    ['another sum of stored bytes', (block) => block.writeUInt8(0xff, 24)],
    ['another count', (block) => block.writeUInt8(3, 32)],
  ];
  for (const [title, change] of changes) {
    const block = make();
    change(block);
    assert.throws(() => decodeIndexBlock(resealed(block), 28), damage, title);
  }
  assert.doesNotThrow(() => decodeIndexBlock(resealed(make()), 28));
});

test('only a possible length is taken from a trailer', () => {
  const trailer = (bytes: bigint) => {
    const buffer = Buffer.alloc(INDEX_TRAILER_BYTES);
    buffer.writeBigUInt64LE(bytes);
    buffer.write('LBINDEND', 16, 'latin1');
    return buffer;
  };
  assert.equal(indexBytesFromTrailer(trailer(64n)), 64);
  assert.equal(indexBytesFromTrailer(trailer(76n)), 76);
  for (const bytes of [0n, 63n, 65n, 52n, 2n ** 63n, 2n ** 64n - 1n]) {
    assert.equal(indexBytesFromTrailer(trailer(bytes)), undefined, `${bytes}`);
  }
  assert.equal(indexBytesFromTrailer(trailer(64n).subarray(1)), undefined);
  assert.equal(indexBytesFromTrailer(Buffer.alloc(INDEX_TRAILER_BYTES)), undefined);
});

test('the first bytes of an index tell whether it can be that long', () => {
  const block = encodeIndexBlock({ codec: 'lz4', chunkBytes: 4096, table: twoFrames() });
  assert.ok(!beginsIndex(block.subarray(0, 40), block.length + 12));
  assert.ok(!beginsIndex(block.subarray(0, 39), block.length));
  assert.ok(!beginsIndex(block.subarray(1, 41), block.length));
});
