import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineName } from '../../src/codec/codec.js';
import { zstd } from '../../src/codec/zstd.js';
import { containerOf } from '../../src/format/containers.js';
import { threadCpuMs } from '../../src/native/libc.js';
import type { Job, JobResult } from '../../src/stream/job.js';
import { restAfter } from '../../src/stream/rest.js';
import { type SavePilot, saveImage } from '../../src/stream/save.js';
import { allocateSlotMemory, slotLayout, viewSlot } from '../../src/stream/slots.js';
import { createJobPool } from '../../src/stream/worker-pool.js';
import { frameBound, KIB, madeSource, memorySink, noSaveProgress, patterned } from './machine.js';

const CHUNK = 256 * KIB;
const never = new AbortController().signal;

test('an encoder whose level was changed makes the same frames as one that was made with it', async () => {
  const plain = patterned(CHUNK);
  for (const engine of ['native', 'portable'] as EngineName[]) {
    const frame = async (encoder: { encode(plain: Buffer, out: Buffer): number | Promise<number> }) => {
      const out = Buffer.alloc(zstd.frameBound(CHUNK));
      return out.subarray(0, await encoder.encode(plain, out));
    };
    const changing = await zstd.createEncoder(engine, { level: 3, chunkBytes: CHUNK });
    for (const level of [-7, 3, 9, 19, 3, 1]) {
      changing.setLevel?.(level);
      const fresh = await zstd.createEncoder(engine, { level, chunkBytes: CHUNK });
      assert.ok((await frame(changing)).equals(await frame(fresh)), `${engine}, level ${level}`);
      fresh.close();
    }
    changing.close();
  }
});

test('an image whose level and workers change from frame to frame is one that stock zstd decodes', async () => {
  const lengths = Array<number>(120).fill(CHUNK);
  const contents = (number: number) => patterned(CHUNK, number + 1);
  const steps = [
    { level: 9, workers: 1 },
    { level: -7, workers: 0.3 },
    { level: 12, workers: 2 },
    { level: 3, workers: 0.6 },
  ];
  for (const threads of [1, 2]) {
    let asked = 0;
    const seen: number[] = [];
    const pilot: SavePilot = {
      periodMs: 10,
      steer(counts) {
        seen.push(counts.encodedBytes);
        assert.ok(counts.encodeMs >= 0 && counts.frameBytes <= counts.writtenBytes + 120 * CHUNK);
        return steps[asked++ % steps.length];
      },
    };
    const sink = memorySink();
    const saved = await saveImage({
      source: madeSource(lengths, async (number, into) => {
        await sleep(2);
        contents(number).copy(into);
      }),
      sink,
      container: containerOf('zstd'),
      codec: 'zstd',
      engine: 'native',
      level: 3,
      chunkBytes: CHUNK,
      threads,
      sha256: false,
      throttle: () => Promise.resolve(),
      progress: noSaveProgress(),
      pilot,
      signal: never,
    });
    assert.ok(saved.bytesAtLevel.size > 1, `${threads} threads: levels ${[...saved.bytesAtLevel.keys()]}`);
    assert.equal(
      [...saved.bytesAtLevel.values()].reduce((sum, bytes) => sum + bytes),
      120 * CHUNK,
    );
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    const plain = execFileSync('zstd', ['-dc'], { input: sink.bytes(), maxBuffer: 2 ** 28 });
    for (let number = 0; number < 120; number++)
      assert.ok(plain.subarray(number * CHUNK, (number + 1) * CHUNK).equals(contents(number)), `chunk ${number}`);
  }
});

test('a pilot that throws ends the run as any error does', async () => {
  const source = madeSource(Array<number>(500).fill(CHUNK), async (number, into) => {
    await sleep(2);
    into.fill(number);
  });
  const pilot = {
    periodMs: 5,
    steer() {
      throw new Error('lost');
    },
  };
  await assert.rejects(
    saveImage({
      source,
      sink: memorySink(),
      container: containerOf('zstd'),
      codec: 'zstd',
      engine: 'native',
      level: 3,
      chunkBytes: CHUNK,
      threads: 2,
      sha256: false,
      throttle: () => Promise.resolve(),
      progress: noSaveProgress(),
      pilot,
      signal: never,
    }),
    /lost/,
  );
});

test('of three workers that are limited to one, one is at work, and all are again when they may be', async (t) => {
  const layout = slotLayout(12, CHUNK, frameBound('zstd', CHUNK));
  const memory = allocateSlotMemory(layout);
  const pool = createJobPool(
    { memory, layout, codec: 'zstd', engine: 'native', level: 9, chunkBytes: CHUNK, xzCheck: undefined, niceness: 5 },
    3,
  );
  t.after(() => pool.close());
  for (let slot = 0; slot < 12; slot++) patterned(CHUNK, slot).copy(viewSlot(memory, layout, slot).plain);
  const work = async (share?: number) => {
    const start = performance.now();
    const jobs = Array.from(
      { length: 12 },
      (_, slot): Job => ({
        kind: 'encode',
        slot,
        plainLength: CHUNK,
        zerosToo: true,
        ...(share === undefined ? {} : { share }),
      }),
    );
    const results: JobResult[] = await Promise.all(jobs.map((job) => pool.run(job)));
    const busyMs = results.reduce((sum, result) => sum + result.busyMs, 0);
    const restMs = results.slice(0, -1).reduce((sum, result) => sum + (result.restMs ?? 0), 0);
    return { wallMs: performance.now() - start, busyMs, restMs };
  };
  await work();
  pool.limit(1);
  const one = await work();
  assert.ok(one.busyMs <= one.wallMs, `${one.busyMs} ms of work in ${one.wallMs}`);
  pool.limit(0.3);
  const part = await work(0.3);
  assert.ok(part.restMs > 0 && part.busyMs + part.restMs <= part.wallMs + 20, JSON.stringify(part));
  pool.limit(3);
  // One worker is never busy for longer than the clock ran; three are, as soon as this machine has a processor to spare.
  let [all, tries] = [await work(), 1];
  for (; all.busyMs <= 1.3 * all.wallMs && tries < 100; tries++) all = await work();
  assert.ok(all.busyMs > 1.3 * all.wallMs, `${all.busyMs} ms of work in ${all.wallMs}, the last of ${tries} tries`);
  // Only the workers: whoever has signals to answer does so at once.
  assert.equal(getPriority() < 5, true);
});

test('a thread rests so long that it had its share, and not where others kept it waiting', () => {
  assert.equal(restAfter(30, 30, 0.3), 70);
  assert.equal(restAfter(30, 80, 0.3), 20);
  assert.equal(restAfter(30, 300, 0.3), 0);
  assert.equal(restAfter(30_000, 30_000, 0.3), 10_000);
  for (const share of [0, Number.NaN]) assert.equal(restAfter(0, 0, share), 0);
});

test("a thread's processor time grows while it works and not while it sleeps", async () => {
  const before = threadCpuMs();
  await sleep(200);
  const slept = threadCpuMs();
  while (threadCpuMs() - slept < 50);
  assert.ok(slept - before < 100, `${slept - before} ms while asleep`);
});
