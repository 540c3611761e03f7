import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import type { CodecName } from '../../src/codec/codec.js';
import { LifeboatError } from '../../src/error.js';
import type { Job, JobResult } from '../../src/stream/job.js';
import { allocateSlotMemory, type Slot, slotLayout, viewSlot } from '../../src/stream/slots.js';
import { createJobPool, type JobPool } from '../../src/stream/worker-pool.js';
import { eventually, frameBound, KIB, openDescriptors, patterned, settled } from './machine.js';

const CHUNK = 64 * KIB;

interface Bench {
  pool: JobPool;
  slots: Slot[];
}

function bench(t: TestContext, threads: number, codec: CodecName = 'gzip', level = 1): Bench {
  const layout = slotLayout(8, CHUNK, frameBound(codec, CHUNK));
  const memory = allocateSlotMemory(layout);
  const pool = createJobPool(
    { memory, layout, codec, engine: 'native', level, chunkBytes: CHUNK, xzCheck: undefined },
    threads,
  );
  t.after(() => pool.close());
  return { pool, slots: Array.from({ length: layout.count }, (_, number) => viewSlot(memory, layout, number)) };
}

const encode = (slot: number, plainLength: number, zerosToo = false): Job => ({
  kind: 'encode',
  slot,
  plainLength,
  zerosToo,
});

/** Encodes what is in a slot, wipes the plaintext and decodes it again. */
async function thereAndBack({ pool, slots }: Bench, slot: number, plain: Buffer): Promise<JobResult> {
  const { plain: room, frame } = slots[slot] as Slot;
  plain.copy(room);
  const encoded = await pool.run(encode(slot, plain.length, true));
  assert.ok(encoded.kind === 'encoded');
  assert.equal(encoded.crc, crc32(frame.subarray(0, encoded.frameLength)));
  room.fill(0xee);
  const decoded = await pool.run({
    kind: 'decode',
    slot,
    shift: 0,
    frameLength: encoded.frameLength,
    plainLength: plain.length,
    crc: encoded.crc,
  });
  assert.ok(room.subarray(0, plain.length).equals(plain));
  return decoded;
}

for (const threads of [1, 3]) {
  const title = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;

  test(`${title}: each caller gets the result of its own job, however many there are`, async (t) => {
    const all = bench(t, threads);
    assert.equal(all.pool.threads, threads);
    await Promise.all(
      all.slots.map(async ({ number }) => {
        for (let round = 0; round < 5; round++) {
          const plain = patterned(1000 * (number + 1) + round, number + 1);
          const decoded = await thereAndBack(all, number, plain);
          assert.ok(decoded.kind === 'plain');
          assert.deepEqual([decoded.plainLength, decoded.dataRuns], [plain.length, [{ start: 0, end: plain.length }]]);
          assert.ok(decoded.busyMs >= 0);
        }
      }),
    );
  });

  test(`${title}: zeros are told apart, and made into a frame only when that is asked for`, async (t) => {
    const { pool, slots } = bench(t, threads);
    slots[0]?.plain.fill(0);
    assert.equal((await pool.run(encode(0, CHUNK))).kind, 'zeros');
    assert.equal((await pool.run(encode(0, CHUNK, true))).kind, 'encoded');
    const last = slots[0] as Slot;
    last.plain[CHUNK - 1] = 1;
    assert.equal((await pool.run(encode(0, CHUNK))).kind, 'encoded');
    // Only what belongs to the chunk counts.
    assert.equal((await pool.run(encode(0, CHUNK - 1))).kind, 'zeros');
  });

  test(`${title}: a scan tells where data is`, async (t) => {
    const { pool, slots } = bench(t, threads);
    slots[2]?.plain.fill(0).fill(1, 10, 20);
    const found = await pool.run({ kind: 'scan', slot: 2, plainLength: CHUNK });
    assert.ok(found.kind === 'plain');
    assert.deepEqual(found.dataRuns, [{ start: 0, end: CHUNK }]);
  });

  test(`${title}: damage is a result with its reason, no error, and the next job works`, async (t) => {
    const all = bench(t, threads);
    const plain = patterned(5000);
    await thereAndBack(all, 0, plain);
    const { frame } = all.slots[0] as Slot;
    const frameLength = frame.readUInt32LE(0) === 0 ? 0 : 300;
    const decode = (facts: Partial<Extract<Job, { kind: 'decode' }>>) =>
      all.pool.run({ kind: 'decode', slot: 0, shift: 0, frameLength, plainLength: 5000, crc: undefined, ...facts });
    const wrongCrc = await decode({ crc: 1 });
    assert.ok(wrongCrc.kind === 'damaged');
    assert.match(wrongCrc.reason, /CRC/);
    const cut = await decode({});
    assert.ok(cut.kind === 'damaged');
    assert.equal(cut.frameCrc, crc32(frame.subarray(0, frameLength)));
    await thereAndBack(all, 1, plain);
    const encoded = await all.pool.run(encode(1, 5000));
    assert.ok(encoded.kind === 'encoded');
    const wrongLength = await decode({ slot: 1, frameLength: encoded.frameLength, plainLength: 4999 });
    assert.ok(wrongLength.kind === 'damaged');
    assert.match(wrongLength.reason, /5000 bytes, not 4999/);
  });

  for (const codec of ['gzip', 'zstd', 'lz4', 'xz', 'bzip2'] as const) {
    test(`${title}: a frame of zeros that comes again gives zeros again, whatever the slot held (${codec})`, async (t) => {
      const all = bench(t, threads, codec, 1);
      const zeros = Buffer.alloc(CHUNK);
      for (let round = 0; round < 3 * threads; round++) {
        const decoded = await thereAndBack(all, round % all.slots.length, zeros);
        assert.ok(decoded.kind === 'plain');
        assert.deepEqual([decoded.plainLength, decoded.dataRuns], [CHUNK, []]);
      }
      await thereAndBack(all, 0, zeros.subarray(0, 4096));
      await thereAndBack(all, 0, patterned(CHUNK));
      await thereAndBack(all, 0, zeros);
    });
  }

  test(`${title}: a frame of zeros that comes again is still held to its CRC and to its length`, async (t) => {
    const all = bench(t, threads);
    for (let round = 0; round < 2 * threads; round++) await thereAndBack(all, 0, Buffer.alloc(5000));
    const encoded = await all.pool.run(encode(0, 5000, true));
    assert.ok(encoded.kind === 'encoded');
    const again = { kind: 'decode', slot: 0, shift: 0, frameLength: encoded.frameLength } as const;
    const wrongCrc = await all.pool.run({ ...again, plainLength: 5000, crc: encoded.crc ^ 1 });
    assert.equal(wrongCrc.kind, 'damaged');
    const wrongLength = await all.pool.run({ ...again, plainLength: 4999, crc: encoded.crc });
    assert.ok(wrongLength.kind === 'damaged');
    assert.match(wrongLength.reason, /5000 bytes, not 4999/);
  });

  test(`${title}: an error of ours comes through with its class`, async (t) => {
    const { pool } = bench(t, threads, 'gzip', 77);
    await assert.rejects(pool.run(encode(0, 100, true)), (error) => {
      assert.ok(error instanceof LifeboatError);
      assert.equal(error.code, 'USAGE');
      return true;
    });
    const found = await pool.run({ kind: 'scan', slot: 0, plainLength: 100 });
    assert.equal(found.kind, 'plain');
  });

  test(`${title}: a job for a slot that does not exist fails alone`, async (t) => {
    const all = bench(t, threads);
    const lost = all.pool.run(encode(99, 100));
    lost.catch(() => undefined);
    await thereAndBack(all, 0, patterned(3000));
    await assert.rejects(lost, /undefined|slot/);
  });

  test(`${title}: closing rejects what is pending and what comes later`, async (t) => {
    const { pool, slots } = bench(t, threads);
    for (const { plain } of slots) patterned(CHUNK).copy(plain);
    const pending = slots.map(({ number }) => settled(pool.run(encode(number, CHUNK)), 1000));
    pool.close();
    for (const outcome of await Promise.all(pending)) assert.equal(outcome.state, 'rejected');
    assert.equal((await settled(pool.run(encode(0, 100)), 1000)).state, 'rejected');
    pool.close();
  });
}

test('with one thread there is no worker at all', async (t) => {
  let posted = 0;
  t.mock.method(Worker.prototype, 'postMessage', () => {
    posted += 1;
  });
  const all = bench(t, 1);
  await thereAndBack(all, 0, patterned(1000));
  assert.equal(posted, 0);
});

test('with one thread timers get their turn between two chunks', async (t) => {
  const { pool, slots } = bench(t, 1);
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
  }, 1);
  for (const { plain } of slots) patterned(CHUNK).copy(plain);
  for (let round = 0; round < 10; round++)
    await Promise.all(slots.map(({ number }) => pool.run(encode(number, CHUNK))));
  clearInterval(timer);
  assert.ok(ticks >= 3, `${ticks} ticks`);
});

/** Lets one message to a worker, the n-th, do something else. */
function instead(t: TestContext, n: number, act: (worker: Worker) => void): void {
  const post = Worker.prototype.postMessage;
  let count = 0;
  t.mock.method(Worker.prototype, 'postMessage', function (this: Worker, message: unknown) {
    if (++count === n) act(this);
    else post.call(this, message);
  });
}

test('a worker that throws where nothing catches it fails every job', async (t) => {
  const { pool, slots } = bench(t, 2);
  const post = Worker.prototype.postMessage;
  // Null instead of a request cannot be taken apart: the worker ends by "error".
  instead(t, 3, (worker) => post.call(worker, null));
  const jobs = slots.map(({ number }) => settled(pool.run(encode(number, CHUNK, true)), 5000));
  const outcomes = await Promise.all(jobs);
  assert.ok(outcomes.some(({ state }) => state === 'rejected'));
  assert.ok(outcomes.every(({ state }) => state !== 'pending'));
  for (const outcome of outcomes) if (outcome.state === 'rejected') assert.match(String(outcome.reason), /TypeError/);
  await assert.rejects(pool.run(encode(0, 100)), TypeError);
});

test('a worker that ends by itself fails every job', async (t) => {
  const { pool, slots } = bench(t, 2);
  instead(t, 3, (worker) => void worker.terminate());
  const outcomes = await Promise.all(slots.map(({ number }) => settled(pool.run(encode(number, CHUNK, true)), 5000)));
  assert.ok(outcomes.some(({ state }) => state === 'rejected'));
  assert.ok(outcomes.every(({ state }) => state !== 'pending'));
  await assert.rejects(pool.run(encode(0, 100)), /ended by itself/);
});

test('a pool that is closed leaves no descriptor open', async (t) => {
  const warm = bench(t, 2);
  await thereAndBack(warm, 0, patterned(100));
  warm.pool.close();
  await eventually(() => false, 200);
  const before = openDescriptors();
  for (let round = 0; round < 3; round++) {
    const all = bench(t, 2);
    await thereAndBack(all, 0, patterned(100));
    all.pool.close();
  }
  assert.ok(await eventually(() => openDescriptors() <= before), `${before} before, ${openDescriptors()} after`);
});
