import assert from 'node:assert/strict';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { execa } from 'execa';
import type { ByteSink } from '../../src/stream/byte-sink.js';
import { streamSink } from '../../src/stream/byte-sink.js';
import { streamSource } from '../../src/stream/chunk-source.js';
import type { PlainSink } from '../../src/stream/plain-sink.js';
import {
  collectingSink,
  eventually,
  imageFile,
  KIB,
  loadFile,
  madeSource,
  memorySink,
  openDescriptors,
  patterned,
  save,
  scratch,
  settled,
  within,
} from '../stream/machine.js';

/** Faults at every place of a run: the error that was thrown comes out, nothing hangs, nothing stays behind. */

const CHUNK = 16 * KIB;
const CHUNKS = 24;
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
after(async () => {
  await sleep(50);
  assert.deepEqual(unhandled, []);
});

/** Slots of a run that failed are not given back, and the loop waits for one of them. */

const source = () =>
  madeSource(Array<number>(CHUNKS).fill(CHUNK), (number, into) => void patterned(CHUNK, number + 1).copy(into));

/** A sink that fails at its k-th write, and tells whether anything came after the run was over. */
function failingSink(k: number): ByteSink & { endRun(): void; readonly late: number } {
  let writes = 0;
  let isOver = false;
  let late = 0;
  return {
    async write() {
      if (isOver) late += 1;
      await sleep(0);
      if (writes++ >= k) throw new Error(`write ${k} fails`);
    },
    skip: undefined,
    endRun() {
      isOver = true;
    },
    get late() {
      return late;
    },
  };
}

for (const threads of [1, 2]) {
  test(`saving, ${threads} threads: a sink that fails at any write ends the run with its error`, async () => {
    const before = openDescriptors();
    let failures = 0;
    for (let k = 0; ; k++) {
      const sink = failingSink(k);
      const outcome = await settled(save({ source: source(), sink, threads, sha256: k % 2 === 0 }), 10_000);
      sink.endRun();
      if (outcome.state === 'fulfilled') break;
      assert.ok(outcome.state === 'rejected', `write ${k} hangs`);
      assert.equal((outcome.reason as Error).message, `write ${k} fails`);
      await sleep(5);
      assert.equal(sink.late, 0);
      failures += 1;
    }
    assert.ok(failures >= 3, 'prologue, frames and epilogue at least');
    assert.ok(await eventually(() => openDescriptors() <= before));
  });

  test(`saving, ${threads} threads: a source that fails at any chunk ends the run with its error`, async () => {
    const before = openDescriptors();
    for (let k = 0; k < CHUNKS; k++) {
      const failing = madeSource(Array<number>(CHUNKS).fill(CHUNK), async (number, into) => {
        if (number % 3 === 0) await sleep(1);
        if (number === k) throw new Error(`chunk ${k} fails`);
        patterned(CHUNK, number + 1).copy(into);
      });
      const outcome = await settled(save({ source: failing, sink: memorySink(), threads, sha256: true }), 10_000);
      assert.ok(outcome.state === 'rejected', `chunk ${k}`);
      assert.equal((outcome.reason as Error).message, `chunk ${k} fails`);
    }
    assert.ok(await eventually(() => openDescriptors() <= before));
  });

  test(`saving, ${threads} threads: extents that cannot be listed end the run with their error`, async () => {
    for (const k of [0, 1, 10, CHUNKS]) {
      const listed = {
        ...source(),
        *chunks(chunkBytes: number) {
          let number = 0;
          for (const chunk of { [Symbol.iterator]: () => source().chunks(chunkBytes) }) {
            if (number++ === k) throw new Error('the source became shorter');
            yield chunk;
          }
          throw new Error('the source became shorter');
        },
      };
      await assert.rejects(save({ source: listed, sink: memorySink(), threads }), /became shorter/);
    }
  });

  test(`loading, ${threads} threads: a sink that fails at any piece ends the run with its error`, async (t) => {
    const image = await imageFile(t, patterned(CHUNKS * CHUNK), 'gzip');
    for (const ordered of [false, true]) {
      for (let k = 0; k < CHUNKS; k++) {
        let puts = 0;
        let active = 0;
        let activeAtEnd = -1;
        const sink: PlainSink = {
          ordered,
          zerosForLost: false,
          async put() {
            const turn = puts++;
            active += 1;
            await sleep(turn % 3);
            active -= 1;
            if (turn === k) throw new Error(`piece ${k} fails`);
          },
        };
        const outcome = await within(1500, (signal) =>
          loadFile(t, image, { sink, threads, signal }).finally(() => {
            activeAtEnd = active;
          }),
        );
        assert.ok(
          outcome.state === 'rejected',
          `piece ${k}, ${ordered ? 'in order' : 'in any order'}: ${outcome.state}`,
        );
        assert.equal((outcome.reason as Error).message, `piece ${k} fails`);
        assert.equal(activeAtEnd, 0, `piece ${k}: a write was still under way`);
      }
    }
  });
}

/** Lets the n-th request to any worker do something else. */
function instead(t: TestContext, n: number, act: (worker: Worker, post: Worker['postMessage']) => void): void {
  const post = Worker.prototype.postMessage;
  let count = 0;
  t.mock.method(Worker.prototype, 'postMessage', function (this: Worker, message: unknown) {
    if (++count === n) act(this, post.bind(this));
    else post.call(this, message);
  });
}

for (const [title, act] of [
  ['throws', (_worker: Worker, post: Worker['postMessage']) => post(null)],
  ['ends by itself', (worker: Worker) => void worker.terminate()],
] as const) {
  test(`a worker that ${title} in the middle of a save ends the run`, async (t) => {
    for (const n of [1, 5, 20]) {
      instead(t, n, act);
      const outcome = await settled(save({ source: source(), sink: memorySink(), threads: 2 }), 10_000);
      t.mock.restoreAll();
      assert.ok(outcome.state === 'rejected', `request ${n}`);
      assert.match(String(outcome.reason), /TypeError|ended by itself/);
    }
  });

  test(`a worker that ${title} in the middle of a load ends the run`, async (t) => {
    const image = await imageFile(t, patterned(CHUNKS * CHUNK), 'gzip');
    for (const n of [1, 5, 20]) {
      instead(t, n, act);
      const sink = collectingSink(CHUNKS * CHUNK);
      const outcome = await within(2000, (signal) => loadFile(t, image, { sink, threads: 2, signal }));
      t.mock.restoreAll();
      assert.ok(outcome.state === 'rejected', `request ${n}`);
      assert.match(String(outcome.reason), /TypeError|ended by itself/);
    }
  });
}

test('a hashing thread that dies ends the run: an image without its checksum is not whole', async (t) => {
  const post = Worker.prototype.postMessage;
  for (const n of [1, 4, 20]) {
    let updates = 0;
    t.mock.method(Worker.prototype, 'postMessage', function (this: Worker, message: { kind?: string }) {
      if (message.kind === 'update' && ++updates === n) void this.terminate();
      else post.call(this, message);
    });
    const outcome = await settled(save({ source: source(), sink: memorySink(), threads: 2, sha256: true }), 10_000);
    t.mock.restoreAll();
    assert.ok(outcome.state === 'rejected', `update ${n}: ${outcome.state}`);
    assert.match(String(outcome.reason), /hashing thread ended/);
  }
});

test('a codec that cannot work on this host ends the run with its words', async () => {
  for (const threads of [1, 2]) {
    await assert.rejects(save({ source: source(), sink: memorySink(), threads, level: 99 }), { code: 'USAGE' });
  }
});

async function fifo(t: TestContext): Promise<string> {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  return path;
}

test('a failed write ends the run though stdin has nothing to say', async (t) => {
  const path = await fifo(t);
  // Both ends are ours, so that opening does not wait; nobody writes.
  const writer = openSync(path, constants.O_RDWR);
  const reader = openSync(path, constants.O_RDONLY);
  const never = new AbortController().signal;
  let writes = 0;
  const sink: ByteSink = {
    async write() {
      if (writes++ === 1) throw new Error('no room');
    },
    skip: undefined,
  };
  const stream = streamSource(reader, 'stdin', never);
  const saving = save({ source: stream, sink, threads: 1, chunkBytes: 4096 });
  saving.catch(() => undefined);
  await execa('sh', ['-c', 'head -c 5000 /dev/urandom > "$1"', 'sh', path]);
  const outcome = await settled(saving, 1500);
  // The other end lets the read go, whatever came out.
  await execa('sh', ['-c', 'head -c 8192 /dev/zero > "$1"', 'sh', path], { timeout: 2000, reject: false });
  closeSync(writer);
  await settled(saving, 2000);
  closeSync(reader);
  assert.equal(outcome.state, 'rejected');
});

test('an abort ends the run though nobody reads stdout', async (t) => {
  const path = await fifo(t);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const stop = new AbortController();
  const sink = streamSink(writer, 'stdout', stop.signal);
  const saving = save({ source: source(), sink, codec: 'none', threads: 1, signal: stop.signal });
  saving.catch(() => undefined);
  setTimeout(() => stop.abort(new Error('enough')), 50);
  const outcome = await settled(saving, 1500);
  closeSync(reader);
  await settled(saving, 2000);
  closeSync(writer);
  assert.equal(outcome.state, 'rejected');
});
