import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type Hasher, inlineHasher, threadHasher } from '../../src/stream/hasher.js';
import { patterned, settled } from './machine.js';

const KINDS: [string, () => Hasher][] = [
  ['inline', inlineHasher],
  ['in a thread', threadHasher],
];

for (const [title, create] of KINDS) {
  test(`hashing ${title} gives what node:crypto gives, whatever the pieces`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ bytes: fc.uint8Array({ maxLength: 300 }), isShared: fc.boolean() }), { maxLength: 12 }),
        async (pieces) => {
          const hasher = create();
          try {
            const whole = createHash('sha256');
            const updates = pieces.map(({ bytes, isShared }) => {
              whole.update(bytes);
              // A view inside of something larger, as frames and pooled buffers are.
              const memory = isShared ? new SharedArrayBuffer(bytes.length + 7) : new ArrayBuffer(bytes.length + 7);
              const view = Buffer.from(memory, 5, bytes.length);
              view.set(bytes);
              return hasher.update(view);
            });
            await Promise.all(updates);
            assert.equal(await hasher.digest(), whole.digest('hex'));
          } finally {
            hasher.close();
          }
        },
      ),
      { numRuns: 8 },
    );
  });

  test(`hashing ${title}: bytes may change as soon as the update is over`, async () => {
    const hasher = create();
    try {
      const bytes = Buffer.from(new SharedArrayBuffer(2_000_000));
      patterned(bytes.length).copy(bytes);
      const expected = createHash('sha256').update(bytes).update(Buffer.alloc(bytes.length, 3)).digest('hex');
      await hasher.update(bytes);
      bytes.fill(3);
      await hasher.update(bytes);
      assert.equal(await hasher.digest(), expected);
    } finally {
      hasher.close();
    }
  });

  test(`hashing ${title}: nothing has a digest too`, async () => {
    const hasher = create();
    assert.equal(await hasher.digest(), createHash('sha256').digest('hex'));
    hasher.close();
    hasher.close();
  });
}

test('a hashing thread that dies rejects what was asked, and whatever is asked later', async (t) => {
  const workers = catchWorkers(t);
  const hasher = threadHasher();
  await hasher.update(Buffer.from('abc'));
  const worker = workers[0] as Worker;
  t.mock.method(worker, 'postMessage', () => void worker.terminate());
  const lost = hasher.update(Buffer.from('def'));
  const [first] = await Promise.all([settled(lost, 5000)]);
  assert.equal(first.state, 'rejected');
  await assert.rejects(hasher.digest(), /hashing thread ended/);
  hasher.close();
});

test('closing rejects what is still asked', async () => {
  const hasher = threadHasher();
  const lost = hasher.update(Buffer.from(new SharedArrayBuffer(50_000_000)));
  hasher.close();
  assert.equal((await settled(lost, 1000)).state, 'rejected');
});

/** Every worker that is made while the test runs, in order. */
function catchWorkers(t: import('node:test').TestContext): Worker[] {
  const workers: Worker[] = [];
  const on = Worker.prototype.on;
  t.mock.method(Worker.prototype, 'on', function (this: Worker, ...args: Parameters<Worker['on']>) {
    if (!workers.includes(this)) workers.push(this);
    return on.apply(this, args);
  });
  return workers;
}
