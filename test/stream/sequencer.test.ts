import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSequencer } from '../../src/stream/sequencer.js';
import { createTaskSet } from '../../src/stream/task-set.js';

function unexpected(error: unknown): void {
  assert.fail(String(error));
}

/** Lets so many microtasks pass, or none. */
async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

test('items are handled once each, in order, never two at once, whatever order and moment they come in', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat({ max: 30 }), { maxLength: 31 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 8 }),
      async (anyOrder, mostAtOnce, waits) => {
        // The numbers from 0, in the order of what was drawn.
        const order = [...anyOrder.keys()].sort((a, b) => (anyOrder[a] ?? 0) - (anyOrder[b] ?? 0));
        const handled: number[] = [];
        let active = 0;
        let turn = 0;
        const tasks = createTaskSet(unexpected);
        const sequencer = createSequencer<number>(mostAtOnce, tasks, async (items) => {
          assert.equal(++active, 1);
          assert.ok(items.length >= 1 && items.length <= mostAtOnce);
          handled.push(...items);
          await ticks(waits[turn++ % waits.length] ?? 0);
          active -= 1;
        });
        for (const number of order) {
          sequencer.deliver(number, number);
          await ticks(waits[turn++ % waits.length] ?? 0);
        }
        await tasks.settled();
        assert.deepEqual(handled, [...order.keys()]);
      },
    ),
    { numRuns: 300 },
  );
});

test('an item that comes at any moment of the handling of the one before is not forgotten', async () => {
  for (let wait = 0; wait < 20; wait++) {
    const handled: number[] = [];
    const tasks = createTaskSet(unexpected);
    const sequencer = createSequencer<number>(1, tasks, async (items) => void handled.push(...items));
    sequencer.deliver(0, 0);
    await ticks(wait);
    sequencer.deliver(1, 1);
    await tasks.settled();
    assert.deepEqual(handled, [0, 1], `after ${wait} ticks`);
  }
});

test('a failure is told, and nothing is handled after it', async () => {
  const failures: unknown[] = [];
  const handled: number[] = [];
  const tasks = createTaskSet((error) => failures.push(error));
  const sequencer = createSequencer<number>(1, tasks, async ([item]) => {
    if (item === 1) throw new Error('no room');
    handled.push(item as number);
  });
  for (const number of [0, 1, 2, 3]) sequencer.deliver(number, number);
  await tasks.settled();
  sequencer.deliver(4, 4);
  await tasks.settled();
  assert.deepEqual(handled, [0]);
  assert.equal(failures.length, 1);
});
