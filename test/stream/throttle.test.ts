import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createThrottle } from '../../src/stream/throttle.js';

const never = new AbortController().signal;

test('without a limit nothing waits', async () => {
  const throttle = createThrottle(0);
  const start = performance.now();
  for (let i = 0; i < 1000; i++) await throttle(2 ** 30, never);
  assert.ok(performance.now() - start < 5000);
});

test('reading is held down to the rate', async () => {
  const throttle = createThrottle(1024);
  const start = performance.now();
  // The first piece goes at once: 20 of 16 KiB at 1 MiB/s are 19 waits of 15.6 ms.
  for (let i = 0; i < 20; i++) await throttle(16 * 1024, never);
  const tookMs = performance.now() - start;
  assert.ok(tookMs >= 285, `${tookMs} ms`);
  assert.ok(tookMs < 5000, `${tookMs} ms`);
});

test('a pause is not made up for by going faster afterwards', async () => {
  const throttle = createThrottle(1024);
  await throttle(1024, never);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const start = performance.now();
  for (let i = 0; i < 5; i++) await throttle(16 * 1024, never);
  assert.ok(performance.now() - start >= 55);
});

test('an abort ends the wait', async () => {
  const stop = new AbortController();
  const throttle = createThrottle(1);
  await throttle(2 ** 30, stop.signal);
  const waiting = throttle(1, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, { name: 'AbortError' });
});
