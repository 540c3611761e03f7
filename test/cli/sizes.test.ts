import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRange, parseSize } from '../../src/cli/sizes.js';

test('sizes are powers of 1024, whatever way they are written', () => {
  const sizes: Record<string, number> = {
    '0': 0,
    '4096': 4096,
    '4K': 4096,
    '4k': 4096,
    '4KiB': 4096,
    '4KB': 4096,
    '1MiB': 1024 ** 2,
    '3g': 3 * 1024 ** 3,
    '2T': 2 * 1024 ** 4,
    ' 7 ': 7,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text, 'x'), bytes, text);
});

test('what is no size is refused with what was written and how to write it', () => {
  for (const text of ['', 'K', '-1', '1.5G', '4 KiB', '0x10', '1e3', '1P', '4KiBs', '9999999T', '1,5'])
    assert.throws(
      () => parseSize(text, '--chunk'),
      { code: 'USAGE', message: `--chunk: "${text}" is no size`, hint: 'write it as 4MiB, 512K or 4096' },
      text,
    );
});

test('a range is an offset and a length, each a size', () => {
  assert.deepEqual(parseRange('1MiB:512'), { offset: 1024 ** 2, length: 512 });
  assert.deepEqual(parseRange('0:2G'), { offset: 0, length: 2 * 1024 ** 3 });
  for (const text of ['', '5', ':', '1:', ':1', '1:2:3', '1-2', '0:0'])
    assert.throws(() => parseRange(text), { code: 'USAGE' }, text);
});
