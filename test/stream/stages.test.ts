import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bottleneckOf, type StageTimes } from '../../src/stream/stages.js';

const idle: StageTimes = {
  wallMs: 1000,
  readMs: 0,
  readWaitMs: 0,
  codecMs: 0,
  threads: 4,
  codecWaitMs: 0,
  writeMs: 0,
  writeWaitMs: 0,
};

test('the bottleneck is the stage that was busy for most of the time', () => {
  assert.equal(bottleneckOf({ ...idle, codecMs: 3800, readMs: 900, writeMs: 100 }), 'codec');
  assert.equal(bottleneckOf({ ...idle, codecMs: 2000, readMs: 990, writeMs: 100 }), 'reading');
  assert.equal(bottleneckOf({ ...idle, codecMs: 2000, readMs: 300, writeMs: 990 }), 'writing');
});

test('codec time counts per thread', () => {
  assert.equal(bottleneckOf({ ...idle, codecMs: 1200, threads: 4, readMs: 400 }), 'reading');
});
