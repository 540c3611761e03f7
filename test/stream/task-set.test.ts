import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTaskSet } from '../../src/stream/task-set.js';

function unexpected(error: unknown): void {
  assert.fail(String(error));
}

test('settled waits for all, also for those that were added meanwhile', async () => {
  const tasks = createTaskSet(unexpected);
  const done: string[] = [];
  tasks.add(
    sleep(10).then(() => {
      done.push('first');
      tasks.add(sleep(10).then(() => void done.push('second')));
    }),
  );
  await tasks.settled();
  assert.deepEqual(done, ['first', 'second']);
});

test('every failure is told, none rejects unseen, and the others are still waited for', async () => {
  const failures: unknown[] = [];
  const tasks = createTaskSet((error) => failures.push(error));
  let isDone = false;
  tasks.add(Promise.reject(new Error('one')));
  tasks.add(sleep(5).then(() => Promise.reject(new Error('two'))));
  tasks.add(
    sleep(20).then(() => {
      isDone = true;
    }),
  );
  await tasks.settled();
  assert.deepEqual(failures.map(String), ['Error: one', 'Error: two']);
  assert.ok(isDone);
});

test('nothing is settled at once', async () => {
  await createTaskSet(unexpected).settled();
});
