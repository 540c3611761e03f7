import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addContentChecksum, checkContentChecksum, hasOnlyContentChecksum } from '../../src/codec/lz4-frame.js';
import { createLz4Compressor, createLz4Decompressor } from '../../src/native/liblz4.js';
import { createXxh32, libxxhash } from '../../src/native/libxxhash.js';
import { sample } from './samples.js';

const skip = libxxhash.missing() ?? false;

test("a checksum of ours makes the very frame that liblz4's own makes", { skip }, () => {
  const xxh32 = createXxh32() as (bytes: Buffer) => number;
  for (const bytes of [0, 1, 3, 64, 65_536, 5_000_000]) {
    const plain = sample('text', bytes);
    const theirs = Buffer.alloc(bytes + 1000);
    const ours = Buffer.alloc(bytes + 1000);
    const theirBytes = createLz4Compressor(1, { contentChecksum: true }).compress(plain, theirs);
    const bare = createLz4Compressor(1, { contentChecksum: false }).compress(plain, ours);
    assert.equal(hasOnlyContentChecksum(ours.subarray(0, bare)), false);
    const ourBytes = addContentChecksum(ours, bare, plain, xxh32);
    assert.ok(ours.subarray(0, ourBytes).equals(theirs.subarray(0, theirBytes)), `${bytes} bytes`);
    assert.equal(hasOnlyContentChecksum(ours.subarray(0, ourBytes)), true);
  }
});

test('liblz4 leaves the checksum to us, and we find what does not fit', { skip }, () => {
  const xxh32 = createXxh32() as (bytes: Buffer) => number;
  const plain = sample('text', 10_000);
  const frame = Buffer.alloc(20_000);
  const whole = frame.subarray(0, createLz4Compressor(1, { contentChecksum: true }).compress(plain, frame));
  whole.writeUInt8(whole.readUInt8(whole.length - 1) ^ 1, whole.length - 1);
  const decompressor = createLz4Decompressor();
  const out = Buffer.alloc(10_000);
  assert.throws(() => decompressor.decompress(whole, out, { skipChecksums: false }), { code: 'DAMAGE' });
  assert.equal(decompressor.decompress(whole, out, { skipChecksums: true }), plain.length);
  assert.ok(out.equals(plain));
  assert.throws(() => checkContentChecksum(whole, out, xxh32), { code: 'DAMAGE' });
  decompressor.close();
});
