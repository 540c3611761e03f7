import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/device/crc32c.js';

test('the vectors of RFC 3720, and lengths around a step', () => {
  const bytes = (length: number, at: (i: number) => number) => Buffer.from(Array.from({ length }, (_, i) => at(i)));
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(bytes(32, (i) => i)), 0x46dd794e);
  assert.equal(crc32c(bytes(32, (i) => 31 - i)), 0x113fdb5c);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(0)), 0);
  assert.equal(crc32c(Buffer.from('a')), 0xc1d04330);
});
