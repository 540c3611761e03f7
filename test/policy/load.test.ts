import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoadCounts, loadBetween } from '../../src/policy/load.js';

const before: LoadCounts = {
  atMs: 1000,
  cores: 4,
  busyMs: 50_000,
  idleMs: 90_000,
  stealMs: 0,
  cpuWaitMs: 100,
  guestWaitMs: 50,
  ownMs: 700,
};
const after: LoadCounts = {
  atMs: 2000,
  cores: 4,
  busyMs: 53_000,
  idleMs: 91_000,
  stealMs: 400,
  cpuWaitMs: 350,
  guestWaitMs: 60,
  ownMs: 1700,
};

test('what others use is what is busy without us', () => {
  assert.deepEqual(loadBetween(before, after), {
    cores: 4,
    othersBusy: 2,
    idle: 1,
    stolenShare: 0.1,
    waitShare: 0.25,
    guestWaitShare: 0.01,
  });
});

test('without /proc/pressure there are no shares of waiting', () => {
  const load = loadBetween({ ...before, cpuWaitMs: undefined }, { ...after, guestWaitMs: undefined });
  assert.deepEqual([load?.waitShare, load?.guestWaitShare], [undefined, undefined]);
});

test('counters that are reset, clocks that stand still, and numbers that are none tell nothing', () => {
  const changes = [{ atMs: 1000 }, { atMs: 500 }, { atMs: 1100 }, { busyMs: 1 }, { idleMs: Number.NaN }, { ownMs: -1 }];
  for (const change of changes) assert.equal(loadBetween(before, { ...after, ...change }), undefined);
});

test('a host without a processor counts as one with one', () => {
  for (const cores of [0, Number.NaN, -4]) assert.equal(loadBetween(before, { ...after, cores })?.cores, 1);
});
