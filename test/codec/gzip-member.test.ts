import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { GZIP_HEADER_BYTES, gzipMemberBytes, writeGzipHeader } from '../../src/codec/gzip-member.js';
import { codecByName } from '../../src/codec/index.js';
import { decode, ENGINES, encode, sample, unpack } from './samples.js';

const gzip = codecByName('gzip');

/** A member with every optional field of RFC 1952. */
function fullMember(plain: Buffer): Buffer {
  const extra = Buffer.from([6, 0, 0x58, 0x58, 2, 0, 7, 8]);
  const fields = [Buffer.from([0x1f, 0x8b, 8, 1 | 2 | 4 | 8 | 16, 1, 2, 3, 4, 2, 3]), extra];
  const header = Buffer.concat([...fields, Buffer.from('disk.img\0'), Buffer.from('a comment\0')]);
  const tail = Buffer.alloc(2);
  tail.writeUInt16LE(crc32(header) & 0xffff);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(plain), 0);
  trailer.writeUInt32LE(plain.length, 4);
  return Buffer.concat([header, tail, deflateRawSync(plain), trailer]);
}

test('a member of ours says how long it is', async () => {
  for (const engine of ENGINES) {
    for (const bytes of [0, 1, 100_000]) {
      const member = await encode(gzip, engine, sample('text', bytes));
      assert.equal(gzipMemberBytes(member), member.length);
      assert.equal(gzipMemberBytes(member.subarray(0, GZIP_HEADER_BYTES)), member.length);
      assert.equal(gzipMemberBytes(member.subarray(0, GZIP_HEADER_BYTES - 1)), undefined);
      assert.deepEqual([...member.subarray(0, 12)], [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 8, 0]);
    }
  }
});

test('the header is these 20 bytes', () => {
  const header = Buffer.alloc(GZIP_HEADER_BYTES);
  writeGzipHeader(header, 0x01020304);
  assert.equal(header.toString('hex'), '1f8b080400000000000308004c42040004030201');
});

test("somebody else's member says nothing of its length", () => {
  assert.equal(gzipMemberBytes(fullMember(sample('text', 1000))), undefined);
});

test('gzip decoders take a header with all fields, and refuse it cut or with a wrong CRC', async () => {
  const plain = sample('text', 1000);
  const member = fullMember(plain);
  const headerBytes = 10 + 8 + 9 + 10 + 2;
  for (const engine of ENGINES) {
    assert.ok((await decode(gzip, engine, member, 1000)).equals(plain));
    const streamed = await unpack(gzip, engine, Buffer.concat([member, member]), 1, 100);
    assert.ok(streamed.plain.equals(Buffer.concat([plain, plain])));
    assert.ok(streamed.atEnd);
    for (let bytes = 0; bytes < headerBytes; bytes++) {
      await assert.rejects(decode(gzip, engine, member.subarray(0, bytes), 1000), { code: 'DAMAGE' });
      const flipped = Buffer.from(member);
      flipped.writeUInt8(flipped.readUInt8(bytes) ^ 0x10, bytes);
      await assert.rejects(decode(gzip, engine, flipped, 1000), { code: 'DAMAGE' }, `byte ${bytes}`);
      const streamed = unpack(gzip, engine, flipped).then(({ atEnd }) => assert.ok(!atEnd, `byte ${bytes}`));
      await streamed.catch((error) => assert.equal(error.code, 'DAMAGE'));
    }
  }
});
