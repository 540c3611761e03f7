import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { codecByName } from '../../src/codec/index.js';
import { createXzDecoder } from '../../src/codec/xz.js';
import { encode, sample, shared } from './samples.js';

const STREAM_HEADER_BYTES = 12;
const FOOTER_BYTES = 12;

/** The only block of a file that `xz` wrote, and the check type out of the file's header. */
async function foreignBlock(check: string, plain: Buffer): Promise<{ block: Buffer; checkType: number }> {
  const { stdout } = await execa('xz', ['-6', `--check=${check}`, '-c'], {
    input: plain,
    encoding: 'buffer',
    stripFinalNewline: false,
  });
  const file = Buffer.from(stdout);
  const indexBytes = (file.readUInt32LE(file.length - FOOTER_BYTES + 4) + 1) * 4;
  return {
    block: file.subarray(STREAM_HEADER_BYTES, file.length - FOOTER_BYTES - indexBytes),
    checkType: file.readUInt8(7),
  };
}

test("xz decoder takes blocks of somebody else's file, with any check", async () => {
  const plain = sample('text', 50_000);
  const out = shared(plain.length);
  for (const check of ['none', 'crc32', 'crc64', 'sha256']) {
    const { block, checkType } = await foreignBlock(check, plain);
    const decoder = createXzDecoder(checkType);
    assert.equal(await decoder.decode(block, out), plain.length, check);
    assert.ok(out.equals(plain), check);
    await assert.rejects(async () => decoder.decode(block.subarray(0, block.length - 4), out), { code: 'DAMAGE' });
    if (check === 'none') continue;
    const flipped = Buffer.from(block);
    flipped.writeUInt8(flipped.readUInt8(block.length - 1) ^ 1, block.length - 1);
    await assert.rejects(async () => decoder.decode(flipped, out), { code: 'DAMAGE' });
  }
});

test('xz decoder refuses a check type that does not exist', () => {
  for (const check of [2, 5, 11, 15, 16, -1]) assert.throws(() => createXzDecoder(check), { code: 'DAMAGE' });
});

test("xz encoder's dictionary is no larger than the chunk", async () => {
  const block = await encode(codecByName('xz'), 'native', sample('text', 100_000), 9);
  // Header: size, flags (both sizes present), compressed size in 2 or 3 bytes, uncompressed in 3, filter 0x21, 1 byte.
  const filterAt = block.indexOf(Buffer.from([0x21, 1]));
  assert.equal(block.readUInt8(1), 0xc0);
  // xz-file-format.txt, 5.3.1: 2 or 3, shifted by 11 and half of the number.
  const bits = block.readUInt8(filterAt + 2);
  const dictionaryBytes = (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
  assert.ok(dictionaryBytes >= 100_000 && dictionaryBytes <= 2 * 100_000, `${dictionaryBytes} bytes`);
});
