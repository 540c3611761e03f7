import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median } from '../../src/policy/median.js';

test('the median is the one in the middle, the mean of the two in the middle, and nothing of nothing', () => {
  assert.equal(median([]), undefined);
  assert.equal(median([7]), 7);
  assert.equal(median([10, 1, 9]), 9);
  assert.equal(median([4, 1, 100, 3]), 3.5);
  assert.equal(median([Number.MAX_VALUE, Number.MAX_VALUE]), Number.MAX_VALUE);
  assert.equal(median([5e-324]), 5e-324);
});

test('the median leaves the order of what it was given', () => {
  const values = [3, 1, 2];
  median(values);
  assert.deepEqual(values, [3, 1, 2]);
});
