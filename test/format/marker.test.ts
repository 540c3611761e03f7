import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CODEC_NAMES } from '../../src/codec/index.js';
import { decodeMarker, encodeMarker, MARKER_BYTES } from '../../src/format/marker.js';

test('the marker of a zstd image in chunks of 4 MiB is these 20 bytes', () => {
  assert.equal(encodeMarker('zstd', 4 * 1024 * 1024).toString('hex'), '4c494645424f415401020000000040009a7ad5ac');
});

test('a marker comes back for its own codec only', () => {
  fc.assert(
    fc.property(fc.constantFrom(...CODEC_NAMES), fc.nat(0xffffffff), (codec, chunkBytes) => {
      const marker = encodeMarker(codec, chunkBytes);
      assert.equal(marker.length, MARKER_BYTES);
      for (const other of CODEC_NAMES) {
        assert.equal(decodeMarker(other, marker), other === codec ? chunkBytes : undefined);
      }
    }),
  );
});

test('a marker with any one bit flipped, or of another length, is none', () => {
  const marker = encodeMarker('gzip', 1024 * 1024);
  for (let bit = 0; bit < marker.length * 8; bit++) {
    const flipped = Buffer.from(marker);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(decodeMarker('gzip', flipped), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < marker.length; length++) {
    assert.equal(decodeMarker('gzip', marker.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(decodeMarker('gzip', Buffer.concat([marker, Buffer.alloc(1)])), undefined);
});
