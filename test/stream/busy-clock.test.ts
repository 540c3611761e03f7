import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBusyClock } from '../../src/stream/busy-clock.js';
import { settled } from './machine.js';

test('time counts once when actions overlap, and not at all between them', async () => {
  const clock = createBusyClock();
  assert.equal(clock.busyMs, 0);
  await Promise.all([clock.during(() => sleep(300)), clock.during(() => sleep(300)), clock.during(() => sleep(300))]);
  const busyMs = clock.busyMs;
  assert.ok(busyMs >= 295 && busyMs < 800, `${busyMs} ms`);
  await sleep(30);
  assert.equal(clock.busyMs, busyMs);
});

test('the clock runs while an action is under way', async () => {
  const clock = createBusyClock();
  const action = clock.during(() => sleep(50));
  await sleep(25);
  assert.ok(clock.busyMs >= 20);
  await action;
});

test('what an action returns or throws is passed on, and counts as its end', async () => {
  const clock = createBusyClock();
  assert.equal(await clock.during(() => Promise.resolve(5)), 5);
  await assert.rejects(
    clock.during(() => Promise.reject(new Error('no'))),
    /no/,
  );
  await assert.rejects(
    clock.during(() => {
      throw new Error('at once');
    }),
    /at once/,
  );
  await clock.idle();
});

test('idle waits for the last of several actions, also when one fails', async () => {
  const clock = createBusyClock();
  let end = (): void => undefined;
  const last = clock.during(() => new Promise<void>((resolve) => (end = resolve)));
  const failing = clock.during(() => Promise.reject(new Error('no')));
  const idle = clock.idle();
  await assert.rejects(failing);
  assert.equal((await settled(idle, 20)).state, 'pending');
  end();
  await Promise.all([idle, last]);
});
