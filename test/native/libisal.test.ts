import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { deflateRawSync, gunzipSync, gzipSync, inflateRawSync, crc32 as nodeCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { crc32 } from '../../src/native/crc32.js';
import { createIsalDeflater, createIsalMemberCoder, libisal } from '../../src/native/libisal.js';

const HEADER_BYTES = 10;
const skip = libisal.missing() ?? false;

/** Text with repeats near and far, noise, and long runs. */
function mixed(bytes: number): Buffer {
  const words = Array.from({ length: 500 }, () => randomBytes(6).toString('hex'));
  const parts: Buffer[] = [];
  for (let length = 0; length < bytes; ) {
    const kind = Math.random();
    const part =
      kind < 0.6
        ? Buffer.from(words[Math.floor(Math.random() * words.length)] as string)
        : kind < 0.8
          ? randomBytes(100)
          : Buffer.alloc(900, 7);
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

test('what ISA-L deflates, zlib inflates', { skip }, () => {
  const deflater = createIsalDeflater();
  for (const bytes of [0, 1, 2, 3, 100, 65_535, 65_536, 1_048_576, 3_000_001]) {
    for (const plain of [mixed(bytes), randomBytes(bytes), Buffer.alloc(bytes), Buffer.alloc(bytes, 'abc')]) {
      const out = Buffer.alloc(bytes + 5 * Math.ceil(bytes / 5000) + 64);
      const deflated = deflater.deflate(plain, out);
      assert.ok(deflated > 0);
      assert.ok(inflateRawSync(out.subarray(0, deflated)).equals(plain), `${bytes} bytes`);
    }
  }
});

test('too little room is told, and nothing is written behind it', { skip }, () => {
  const deflater = createIsalDeflater();
  const plain = randomBytes(100_000);
  for (const room of [0, 1, 10, 1000, 50_000, 99_999]) {
    const memory = Buffer.alloc(room + 100, 0xa5);
    assert.equal(deflater.deflate(plain, memory.subarray(0, room)), 0);
    assert.ok(memory.subarray(room).every((byte) => byte === 0xa5));
  }
});

test('members are decoded whatever the pieces, and their end is found to the byte', { skip }, () => {
  const coder = createIsalMemberCoder();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 5000 }),
      fc.integer({ min: 0, max: 9 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 900 }),
      fc.uint8Array({ maxLength: 20 }),
      (noise, level, cuts, room, behind) => {
        const plain = Buffer.concat([Buffer.from(noise), Buffer.from(noise.slice(0, 900)), mixed(2000)]);
        const body = gzipSync(plain, { level }).subarray(HEADER_BYTES);
        const input = Buffer.concat([body, behind]);
        coder.restart();
        const parts: Buffer[] = [];
        let at = 0;
        let end = 0;
        let ended = false;
        for (let turn = 0; !ended; turn++) {
          assert.ok(turn < 100_000, 'it gets on');
          if (at === end) end = Math.min(input.length, end + (cuts[turn % cuts.length] as number));
          const out = Buffer.alloc(room);
          const step = coder.run(input.subarray(at, end), out);
          at += step.consumedBytes;
          parts.push(out.subarray(0, step.producedBytes));
          ended = step.ended;
        }
        assert.equal(at, body.length);
        assert.ok(Buffer.concat(parts).equals(plain));
      },
    ),
    { numRuns: 150 },
  );
});

test('no flip of a bit in a member gives wrong plaintext', { skip }, () => {
  const plain = mixed(3000);
  const body = gzipSync(plain).subarray(HEADER_BYTES);
  const coder = createIsalMemberCoder();
  for (let bit = 0; bit < body.length * 8; bit++) {
    const flipped = Buffer.from(body);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    coder.restart();
    const out = Buffer.alloc(100_000);
    try {
      const step = coder.run(flipped, out);
      // A code that no symbol uses may be another.
      if (step.ended) assert.ok(out.subarray(0, step.producedBytes).equals(plain), `bit ${bit}`);
    } catch (error) {
      assert.equal((error as { code: string }).code, 'DAMAGE', `bit ${bit}`);
    }
  }
});

test('deflate data of every kind of block is decoded', { skip }, () => {
  const coder = createIsalMemberCoder();
  for (const options of [{ level: 0 }, { strategy: 4 }, { level: 9, memLevel: 1 }, { windowBits: 9 }]) {
    const plain = mixed(300_000);
    const body = Buffer.concat([deflateRawSync(plain, options), gzipSync(plain).subarray(-8)]);
    coder.restart();
    const out = Buffer.alloc(plain.length + 10);
    const step = coder.run(body, out);
    assert.ok(step.ended);
    assert.ok(out.subarray(0, step.producedBytes).equals(plain));
    assert.ok(gunzipSync(Buffer.concat([gzipSync('').subarray(0, HEADER_BYTES), body])).equals(plain));
  }
});

test('the quick CRC-32 is the one of zlib', () => {
  for (const bytes of [0, 1, 65_535, 65_536, 65_537, 1_000_003]) {
    const noise = randomBytes(bytes + 3);
    for (const shift of [0, 1, 3]) {
      const piece = noise.subarray(shift, shift + bytes);
      assert.equal(crc32(piece), nodeCrc32(piece));
    }
  }
});
