import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { gpuFrameBound } from '../../src/gpu/frame.js';
import { createGpuMember, type GpuMember, type GpuMemberEvents } from '../../src/stream/gpu-member.js';
import { createGpuJobPool, type GoesOn } from '../../src/stream/gpu-pool.js';
import type { Job } from '../../src/stream/job.js';
import { allocateSlotMemory, type Slot, slotLayout, viewSlot } from '../../src/stream/slots.js';
import type { WaitingJob } from '../../src/stream/waiting-job.js';
import type { JobPool } from '../../src/stream/worker-pool.js';
import { testDevice } from '../gpu/adapter.js';
import { realFile, sample } from '../gpu/samples.js';
import { eventually, KIB } from './machine.js';

const { open, skip } = await testDevice();
open?.close();

const CHUNK = 192 * KIB;
const PLAINS = [realFile('program', CHUNK), sample('random', CHUNK), sample('text', 70_000), Buffer.from('abc')];

interface Bench {
  pool: JobPool;
  slots: Slot[];
  events: string[];
}

interface Extras {
  createMember?: typeof createGpuMember;
  /** Beside keeping it as an event. */
  onUnusable?: () => void;
}

function bench(t: TestContext, wanted: string | string[], isHybrid = false, extras: Extras = {}): Bench {
  const layout = slotLayout(8, CHUNK, gpuFrameBound(CHUNK));
  const memory = allocateSlotMemory(layout);
  const events: string[] = [];
  const setup = {
    memory,
    layout,
    codec: 'lz4',
    engine: 'native',
    level: 1,
    chunkBytes: CHUNK,
    xzCheck: undefined,
  } as const;
  const options = {
    wanted: [wanted].flat(),
    isHybrid,
    onReady: ({ isSoftware }: { isSoftware: boolean }) => events.push(`ready, ${isSoftware ? 'software' : 'hardware'}`),
    onUnusable: (reason: string, goesOn: GoesOn) => {
      events.push(`${reason}: ${goesOn} go on`);
      extras.onUnusable?.();
    },
  };
  const pool = createGpuJobPool(setup, 2, options, extras.createMember);
  t.after(() => pool.close());
  return { pool, events, slots: Array.from({ length: layout.count }, (_, number) => viewSlot(memory, layout, number)) };
}

const encode = (slot: number, plainLength: number): Job => ({ kind: 'encode', slot, plainLength, zerosToo: true });

/** Each frame must be what lz4 restores, and what the pool decodes again. */
async function thereAndBack({ pool, slots }: Bench, plains: Buffer[]): Promise<Buffer[]> {
  return Promise.all(
    plains.map(async (plain, slot) => {
      const { plain: room, frame } = slots[slot] as Slot;
      plain.copy(room);
      const encoded = await pool.run(encode(slot, plain.length));
      assert.ok(encoded.kind === 'encoded');
      const made = Buffer.from(frame.subarray(0, encoded.frameLength));
      assert.equal(encoded.crc, crc32(made));
      assert.ok(execFileSync('lz4', ['-dc'], { input: made, maxBuffer: 1e8 }).equals(plain));
      room.fill(0xee);
      const frameLength = encoded.frameLength;
      const back = {
        kind: 'decode',
        slot,
        shift: 0,
        frameLength,
        plainLength: plain.length,
        crc: encoded.crc,
      } as const;
      const decoded = await pool.run(back);
      assert.ok(decoded.kind === 'plain' && decoded.plainLength === plain.length);
      assert.ok(room.subarray(0, plain.length).equals(plain));
      return made;
    }),
  );
}

/** What the header says of the blocks: 4 is 64 KiB, as the device makes them. */
function blockSizeNumber(frame: Buffer | undefined): number {
  return (frame?.readUInt8(5) ?? 0) >> 4;
}

test('frames come from the device, and are decoded by it', { skip }, async (t) => {
  const made = bench(t, '0');
  const frames = await thereAndBack(made, PLAINS);
  assert.deepEqual(frames.map(blockSizeNumber), [4, 4, 4, 4]);
  assert.equal(made.events.length, 1);
  assert.match(made.events[0] ?? '', /^ready/);
});

test('a chunk of zeros is told, not compressed', { skip }, async (t) => {
  const { pool } = bench(t, '0');
  assert.equal((await pool.run({ kind: 'encode', slot: 0, plainLength: CHUNK, zerosToo: false })).kind, 'zeros');
});

test('without a usable device the processors do it all, and it is said once', async (t) => {
  const made = bench(t, 'no such device');
  const frames = await thereAndBack(made, PLAINS);
  assert.equal(blockSizeNumber(frames[0]), 5);
  assert.equal(made.events.length, 1);
});

test('with processors from the same queue every frame is valid, whoever made it', { skip }, async (t) => {
  await thereAndBack(bench(t, '0', true), [...PLAINS, ...PLAINS]);
});

test('two threads that feed one device share the work, and make the bytes that one makes', { skip }, async (t) => {
  const alone = await thereAndBack(bench(t, '0'), PLAINS);
  const taken = [0, 0];
  let members = 0;
  const createMember: typeof createGpuMember = (start, events) => {
    const number = members++;
    const member = createGpuMember(start, events);
    const take = (waiting: WaitingJob) => {
      taken[number] = (taken[number] ?? 0) + 1;
      member.take(waiting);
    };
    return Object.create(member, { take: { value: take } }) as GpuMember;
  };
  const made = bench(t, ['0', '0'], false, { createMember });
  assert.ok(await eventually(() => made.events.length === 2, 30_000));
  assert.deepEqual(await thereAndBack(made, PLAINS), alone);
  assert.equal((taken[0] ?? 0) + (taken[1] ?? 0), 2 * PLAINS.length);
  assert.ok(
    taken.every((jobs) => jobs > 0),
    `jobs of each: ${taken}`,
  );
  assert.equal(made.pool.threads, 2);
});

/** Takes jobs and does none, until it is lost. */
function deadMember({ onReady, onUnusable }: GpuMemberEvents): GpuMember & { readonly isFull: boolean; lose(): void } {
  const inHand: WaitingJob[] = [];
  let isUnusable = false;
  let most = 0;
  setImmediate(() => {
    most = 2;
    onReady({ name: 'a card', isSoftware: false });
  });
  return {
    get room() {
      return isUnusable ? 0 : most - inHand.length;
    },
    get isUnusable() {
      return isUnusable;
    },
    get isFull() {
      return inHand.length === 2;
    },
    take: (waiting) => inHand.push(waiting),
    close: () => [],
    lose() {
      isUnusable = true;
      onUnusable('it was lost', inHand.splice(0));
    },
  };
}

for (const [wanted, goesOn] of [
  [['a card', '0'], 'others'],
  [['0', '0'], 'same'],
] as const)
  test(`of ${wanted.join(' and ')} one is lost: the other does what it had in hand`, { skip }, async (t) => {
    let dead: ReturnType<typeof deadMember> | undefined;
    const createMember: typeof createGpuMember = (start, events) => {
      if (dead !== undefined) return createGpuMember(start, events);
      dead = deadMember(events);
      return dead;
    };
    const made = bench(t, [...wanted], false, { createMember });
    assert.ok(await eventually(() => made.events.length === 2, 30_000));
    const frames = thereAndBack(made, PLAINS);
    assert.ok(await eventually(() => dead?.isFull === true, 30_000));
    dead?.lose();
    assert.deepEqual((await frames).map(blockSizeNumber), [4, 4, 4, 4]);
    assert.equal(made.events.at(-1), `it was lost: ${goesOn} go on`);
  });

test('a device that cannot be used leaves its share to the one that can', { skip }, async (t) => {
  const made = bench(t, ['no such device', '0']);
  const frames = await thereAndBack(made, PLAINS);
  assert.deepEqual(frames.map(blockSizeNumber), [4, 4, 4, 4]);
  assert.equal(made.events.length, 2);
});

test('damage is told by the processors, with the reason', { skip }, async (t) => {
  const { pool, slots } = bench(t, '0');
  const { plain, frame } = slots[0] as Slot;
  realFile('program', 70_000).copy(plain);
  const encoded = await pool.run(encode(0, 70_000));
  assert.ok(encoded.kind === 'encoded');
  frame.writeUInt8(frame.readUInt8(5000) ^ 0x10, 5000);
  const job = { kind: 'decode', slot: 0, shift: 0, frameLength: encoded.frameLength, plainLength: 70_000 } as const;
  const damaged = await pool.run({ ...job, crc: undefined });
  assert.equal(damaged.kind, 'damaged');
  const known = await pool.run({ ...job, crc: encoded.crc });
  assert.ok(known.kind === 'damaged' && /CRC/.test(known.reason), JSON.stringify(known));
});

/** A pool with a device that takes two jobs and does none. */
function deadBench(t: TestContext, onUnusable?: () => void) {
  let dead: ReturnType<typeof deadMember> | undefined;
  const createMember: typeof createGpuMember = (_, events) => {
    dead = deadMember(events);
    return dead;
  };
  const made = bench(t, '0', false, { createMember, ...(onUnusable === undefined ? {} : { onUnusable }) });
  const lose = async () => {
    assert.ok(await eventually(() => dead?.isFull === true, 30_000));
    dead?.lose();
  };
  return { ...made, lose };
}

test('what a device had in hand when it was lost is done by the processors, and so is all that follows', async (t) => {
  const { pool, slots, events, lose } = deadBench(t);
  for (const { number, plain } of slots) plain.fill(number + 1, 0, 1000 + number);
  const results = slots.map(({ number }) => pool.run(encode(number, 1000 + number)));
  await lose();
  for (const [number, { frame }] of slots.entries()) {
    const result = await (results[number] as (typeof results)[number]);
    assert.ok(result.kind === 'encoded');
    const plain = execFileSync('lz4', ['-dc'], { input: frame.subarray(0, result.frameLength) });
    assert.ok(plain.equals(Buffer.alloc(1000 + number, number + 1)));
  }
  assert.deepEqual(events, ['ready, hardware', 'it was lost: processors go on']);
});

test('frames that a device had in hand when it was lost are decoded by the processors', async (t) => {
  const { pool, slots, events, lose } = deadBench(t);
  const plains = slots.map(({ number }) => sample('text', 50_000 + number));
  const decoded = slots.map(({ number: slot, plain, frame }) => {
    const made = execFileSync('lz4', ['-c'], { input: plains[slot], stdio: ['pipe', 'pipe', 'ignore'] });
    made.copy(frame);
    // As far as the device may have come.
    plain.fill(0xee);
    const plainLength = plains[slot]?.length;
    return pool.run({ kind: 'decode', slot, shift: 0, frameLength: made.length, plainLength, crc: undefined });
  });
  await lose();
  for (const [number, { plain }] of slots.entries()) {
    const result = await (decoded[number] as (typeof decoded)[number]);
    assert.ok(result.kind === 'plain' && result.byGpu === undefined);
    assert.ok(plain.subarray(0, result.plainLength).equals(plains[number] as Buffer));
  }
  assert.deepEqual(events, ['ready, hardware', 'it was lost: processors go on']);
});

test('where a device is demanded, what is told of its loss ends every job with that error', async (t) => {
  const { pool, lose } = deadBench(t, () => {
    throw new Error('a card was demanded');
  });
  const pending = [pool.run(encode(0, 1)), pool.run(encode(1, 1)), pool.run(encode(2, 1))];
  await lose();
  for (const job of pending) await assert.rejects(job, /a card was demanded/);
  await assert.rejects(pool.run(encode(3, 1)), /a card was demanded/);
});

test('a closed pool rejects what it had in hand, and its threads end', { skip }, async (t) => {
  const { pool } = bench(t, '0');
  const pending = pool.run(encode(0, CHUNK));
  pool.close();
  await assert.rejects(pending, /closed/);
  await assert.rejects(pool.run(encode(0, 1)), /closed/);
});
