import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateInWords, timeInWords } from '../../src/image/summary.js';

test('times have the units that a person would choose, and never 60 of one', () => {
  const times: [number, string][] = [
    [0, '0.0 s'],
    [4249, '4.2 s'],
    [59_949, '59.9 s'],
    [59_999, '1 min 0 s'],
    [60_000, '1 min 0 s'],
    [239_700, '4 min 0 s'],
    [187_000, '3 min 7 s'],
    [3_599_900, '1 h 0 min'],
    [7_500_000, '2 h 5 min'],
  ];
  for (const [ms, words] of times) assert.equal(timeInWords(ms), words, String(ms));
});

test('rates are whole MiB a second, but where that would be next to nothing', () => {
  assert.equal(rateInWords(812 * 1024 ** 2, 1000), '812 MiB/s');
  assert.equal(rateInWords(1024 ** 2, 2000), '0.5 MiB/s');
  assert.equal(rateInWords(1024 ** 2, 0), '0.0 MiB/s');
});
