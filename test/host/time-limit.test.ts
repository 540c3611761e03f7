import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { withTimeLimit } from '../../src/host/time-limit.js';

const never = new AbortController().signal;

test('what is done in time is passed on, failures too', async () => {
  assert.equal(await withTimeLimit(10_000, never, async () => 7), 7);
  await assert.rejects(
    withTimeLimit(10_000, never, async () => {
      throw new Error('broken');
    }),
    /broken/,
  );
});

test('work that is too slow is told so, and why', async () => {
  const slow = withTimeLimit(20, never, (signal) => setTimeout(10_000, undefined, { signal }));
  await assert.rejects(slow, { message: 'it took longer than 1 s' });
});

test('the outer signal reaches the work with its reason', async () => {
  const outer = new AbortController();
  const reasons: unknown[] = [];
  const work = withTimeLimit(10_000, outer.signal, async (signal) => {
    outer.abort('enough');
    reasons.push(signal.reason);
    signal.throwIfAborted();
  });
  await assert.rejects(work, (reason) => reason === 'enough');
  assert.deepEqual(reasons, ['enough']);
  await assert.rejects(
    withTimeLimit(10_000, outer.signal, async () => reasons.push('ran')),
    (r) => r === 'enough',
  );
  assert.deepEqual(reasons, ['enough']);
});

test('work that does not stop is left behind', { timeout: 20_000 }, async () => {
  const deaf = withTimeLimit(20, never, () => setTimeout(15_000, undefined, { ref: false }));
  await assert.rejects(deaf, { message: /it took longer than/ });
});
