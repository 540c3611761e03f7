import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownShare } from '../../src/policy/busy-share.js';

test('what was measured counts, whatever the load average remembers', () => {
  const measured = {
    cores: 4,
    othersBusy: 1,
    idle: 3,
    stolenShare: 0,
    waitShare: undefined,
    guestWaitShare: undefined,
  };
  assert.equal(knownShare({ cores: 4, loadAverage: 40, runnable: 40 }, measured), 0.25);
});

test('a load average that is over, and tasks that wait for a disk, are no load', () => {
  assert.equal(knownShare({ cores: 2, loadAverage: 8, runnable: 1 }, undefined), 0);
  assert.equal(knownShare({ cores: 2, loadAverage: 0.4, runnable: 9 }, undefined), 0.2);
  assert.equal(knownShare({ cores: 2, loadAverage: 8, runnable: 9 }, undefined), 1);
});

test('a host without processors, and numbers that are none, are not known', () => {
  for (const cores of [0, Number.NaN])
    assert.equal(knownShare({ cores, loadAverage: 1, runnable: 1 }, undefined), undefined);
  assert.equal(knownShare({ cores: 2, loadAverage: Number.NaN, runnable: 1 }, undefined), undefined);
});
