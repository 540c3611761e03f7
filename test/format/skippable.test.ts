import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSkippableMagic, skippableFrame } from '../../src/format/skippable.js';

test('a skippable frame is magic, length and payload', () => {
  assert.equal(skippableFrame(0x184d2a5b, Buffer.from('abc')).toString('hex'), '5b2a4d1803000000616263');
  assert.equal(skippableFrame(0x184d2a50, Buffer.alloc(0)).toString('hex'), '502a4d1800000000');
});

test('sixteen magics are skippable', () => {
  for (let low = 0; low < 16; low++) assert.ok(isSkippableMagic(0x184d2a50 + low));
  for (const other of [0, 0x184d2a4f, 0x184d2a60, 0xfd2fb528, 0x184d2204, 0xffffffff]) {
    assert.ok(!isSkippableMagic(other));
  }
});
