import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLimiter } from '../../src/stream/limiter.js';
import { settled } from './machine.js';

test('a limiter lets as many in as it has places, and the next one when somebody leaves', async () => {
  const limiter = createLimiter(2, new AbortController().signal);
  await limiter.enter();
  await limiter.enter();
  const third = limiter.enter();
  assert.equal((await settled(third, 20)).state, 'pending');
  limiter.leave();
  await third;
});

test('quiet waits until everybody has left', async () => {
  const limiter = createLimiter(2, new AbortController().signal);
  await limiter.quiet();
  await limiter.enter();
  await limiter.enter();
  const quiet = limiter.quiet();
  limiter.leave();
  assert.equal((await settled(quiet, 20)).state, 'pending');
  limiter.leave();
  await quiet;
});

test('one caller after another never finds more than the places taken', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 30 }),
      async (places, turns) => {
        const limiter = createLimiter(places, new AbortController().signal);
        let inside = 0;
        for (const ticks of turns) {
          await limiter.enter();
          inside += 1;
          assert.ok(inside <= places);
          void (async () => {
            for (let i = 0; i <= ticks; i++) await new Promise((resolve) => setImmediate(resolve));
            inside -= 1;
            limiter.leave();
          })();
        }
        await limiter.quiet();
        assert.equal(inside, 0);
      },
    ),
    { numRuns: 30 },
  );
});

test('callers at the same time are not let in beyond the places', async () => {
  const limiter = createLimiter(1, new AbortController().signal);
  const first = limiter.enter();
  const second = limiter.enter();
  await first;
  assert.equal((await settled(second, 20)).state, 'pending');
});

test('an abort rejects whoever waits or comes later, with its reason', async () => {
  const stop = new AbortController();
  const limiter = createLimiter(1, stop.signal);
  await limiter.enter();
  const waiting = [limiter.enter(), limiter.quiet()];
  const reason = new Error('enough');
  stop.abort(reason);
  for (const waiter of [...waiting, limiter.enter()]) await assert.rejects(waiter, (error) => error === reason);
});
