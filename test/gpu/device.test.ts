import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GpuUnusable, guardBy } from '../../src/gpu/device.js';

const LOST = new GpuUnusable('lost', 'it was lost');

test('work that is under way when a device fails is not waited for, and none is begun after it', async () => {
  let fail: (reason: unknown) => void = () => undefined;
  const unlessFailed = guardBy(
    new Promise<never>((_, reject) => {
      fail = reject;
    }),
  );
  assert.equal(await unlessFailed(Promise.resolve('done')), 'done');
  await assert.rejects(unlessFailed(Promise.reject(new Error('its own'))), /its own/);
  const pending = unlessFailed(new Promise(() => undefined));
  fail(LOST);
  await assert.rejects(pending, LOST);
  await assert.rejects(unlessFailed(Promise.resolve('too late')), LOST);
});

test('a million pieces of work leave nothing behind', async () => {
  const unlessFailed = guardBy(new Promise<never>(() => undefined));
  const heapAfter = async (pieces: number) => {
    for (let piece = 0; piece < pieces; piece++) await unlessFailed(Promise.resolve(piece));
    // Without --expose-gc the heap is compared after enough garbage that V8 has collected it.
    await sleep(10);
    return process.memoryUsage().heapUsed;
  };
  const before = await heapAfter(100_000);
  const after = await heapAfter(1_000_000);
  // Promise.race keeps 313 bytes of each.
  assert.ok(after - before < 100e6, `${after - before} bytes more`);
});
