import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { LifeboatError } from '../../src/error.js';
import {
  alignUp,
  allocateSlotMemory,
  createSlotPool,
  DIRECT_ALIGNMENT,
  MAX_SLOT_MEMORY_BYTES,
  type SlotLayout,
  slotLayout,
  slotsFor,
  slotsForGpus,
  viewSlot,
} from '../../src/stream/slots.js';
import { settled } from './machine.js';

const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');

const small = () => {
  const layout = slotLayout(3, 5000, 6000);
  return { layout, memory: allocateSlotMemory(layout) };
};

test('a device has slots for three submits of 64 MiB, beside those of the threads', () => {
  const MIB = 1024 ** 2;
  assert.equal(slotsForGpus(0, 2, 4 * MIB), slotsFor(2, 4 * MIB));
  assert.equal(slotsForGpus(1, 2, 4 * MIB), slotsFor(2, 4 * MIB) + 48);
  assert.equal(slotsForGpus(2, 2, 256 * MIB), slotsFor(2, 256 * MIB) + 6);
});

test('every view of every slot begins at an address that O_DIRECT takes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 20 }),
      fc.integer({ min: 0, max: 100_000 }),
      fc.integer({ min: 0, max: 100_000 }),
      (count, plainBytes, frameBytes) => {
        const layout = slotLayout(count, plainBytes, frameBytes);
        const memory = allocateSlotMemory(layout);
        for (let number = 0; number < layout.count; number++) {
          const { plain, frame } = viewSlot(memory, layout, number);
          for (const view of [plain, frame]) {
            assert.equal(Number(koffi.address(view) % BigInt(DIRECT_ALIGNMENT)), 0);
            assert.equal(view.byteOffset % DIRECT_ALIGNMENT, 0);
            assert.equal(view.length % DIRECT_ALIGNMENT, 0);
          }
          assert.ok(plain.length >= plainBytes && frame.length >= frameBytes);
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('slots do not overlap', () => {
  const { layout, memory } = small();
  const views = [0, 1, 2].flatMap((number) => {
    const { plain, frame } = viewSlot(memory, layout, number);
    return [plain, frame];
  });
  views.forEach((view, i) => {
    view.fill(i + 1);
  });
  views.forEach((view, i) => {
    assert.ok(view.every((byte) => byte === i + 1));
  });
});

test('fewer slots are made than wished where more do not fit into 4 GiB', () => {
  const layout = slotLayout(1000, 64 * 1024 * 1024, 65 * 1024 * 1024);
  const bytes = (layout: SlotLayout, count: number) => count * (layout.plainBytes + layout.frameBytes);
  assert.ok(layout.count < 1000);
  assert.ok(bytes(layout, layout.count) <= MAX_SLOT_MEMORY_BYTES);
  assert.ok(bytes(layout, layout.count + 1) > MAX_SLOT_MEMORY_BYTES);
});

test('there are two slots at least, whatever is wished', () => {
  assert.equal(slotLayout(0, 1, 1).count, 2);
  assert.equal(slotLayout(1, 4096, 4096).count, 2);
});

test('chunks of which not two fit into 4 GiB are wrong usage', () => {
  assert.throws(
    () => slotLayout(2, 2 ** 30, 2 ** 30),
    (error) => error instanceof LifeboatError && error.code === 'USAGE',
  );
});

test('the largest memory there can be is really given', () => {
  const layout = slotLayout(1000, 512 * 1024 * 1024, 512 * 1024 * 1024);
  assert.equal(allocateSlotMemory(layout).byteLength, layout.count * (layout.plainBytes + layout.frameBytes));
});

test('lengths are rounded up to 4096', () => {
  assert.deepEqual([0, 1, 4096, 4097].map(alignUp), [0, 4096, 4096, 8192]);
});

test('acquiring hands out each slot once, then waits for a release', async () => {
  const { layout, memory } = small();
  const pool = createSlotPool(memory, layout, new AbortController().signal);
  const slots = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  assert.deepEqual(slots.map((slot) => slot.number).sort(), [0, 1, 2]);
  const waiting = pool.acquire();
  assert.equal((await settled(waiting, 20)).state, 'pending');
  pool.release(slots[1] as (typeof slots)[number]);
  assert.equal(await waiting, slots[1]);
});

test('those who wait get slots in the order in which they came', async () => {
  const { layout, memory } = small();
  const pool = createSlotPool(memory, layout, new AbortController().signal);
  const slots = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  const order: number[] = [];
  const waiting = [0, 1, 2].map((who) => pool.acquire().then(() => order.push(who)));
  for (const slot of slots) pool.release(slot);
  await Promise.all(waiting);
  assert.deepEqual(order, [0, 1, 2]);
});

test('an abort rejects everyone who waits and everyone who comes later, with its reason', async () => {
  const { layout, memory } = small();
  const stop = new AbortController();
  const pool = createSlotPool(memory, layout, stop.signal);
  for (let i = 0; i < 3; i++) await pool.acquire();
  const waiting = [pool.acquire(), pool.acquire()];
  const reason = new Error('enough');
  stop.abort(reason);
  for (const waiter of [...waiting, pool.acquire()]) await assert.rejects(waiter, (error) => error === reason);
});

test('a pool made for a run that is stopped already gives nothing', async () => {
  const { layout, memory } = small();
  const reason = new Error('before the start');
  await assert.rejects(createSlotPool(memory, layout, AbortSignal.abort(reason)).acquire(), (e) => e === reason);
});
