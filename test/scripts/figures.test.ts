import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchmark, sampleResults } from './benchmark.js';

const { diskBound, efficiency, limitsOf, median, spread, summarise } = await benchmark('figures');
const { readTally } = await benchmark('measure');
const { expandList } = await benchmark('machine');
const { chooseFiles } = await benchmark('generated-disk');

test('the median is the middle one, or between the two in the middle', () => {
  assert.equal(median([3]), 3);
  assert.equal(median([9, 1, 10]), 9);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.deepEqual(spread([5, 1, 3]), { median: 3, min: 1, max: 5 });
  const values = [3, 1, 2];
  median(values);
  assert.deepEqual(values, [3, 1, 2]);
});

test('the limit is the slowest part, each in the fastest way that was tried', () => {
  const ways = (one: number, four: number) => ({ one: [one], four: [four] });
  const reading = limitsOf({ read: ways(3, 2), write: ways(1, 5), codecProcessorSeconds: [2] }, 2);
  assert.deepEqual(reading.read, { way: 'four', seconds: 2 });
  assert.deepEqual(reading.write, { way: 'one', seconds: 1 });
  assert.equal(reading.codec.seconds, 1);
  assert.deepEqual([reading.boundBy, reading.seconds], ['read', 2]);
  const computing = limitsOf({ read: ways(3, 2), write: ways(1, 5), codecProcessorSeconds: [9, 8, 40] }, 2);
  assert.deepEqual([computing.boundBy, computing.seconds], ['codec', 4.5]);
  assert.equal(efficiency(2, 4), 0.5);
});

test('a row is told by its median run', () => {
  const run = (seconds: number) => ({ seconds, processorSeconds: 4, peakBytes: 7, imageBytes: 1024 ** 3 });
  const summary = summarise([run(4), run(2), run(1)], 2 * 1024 ** 3, { seconds: 1 });
  assert.deepEqual(summary.seconds, { median: 2, min: 1, max: 4 });
  assert.equal(summary.megabytesPerSecond.median, 1024 ** 3 / 1e6);
  assert.equal(summary.megabytesPerSecond.max, (2 * 1024 ** 3) / 1e6);
  assert.deepEqual([summary.ratio, summary.processorSecondsPerGib, summary.peakBytes], [2, 2, 7]);
  assert.equal(summary.efficiency, 0.5);
});

test('a disk that is slower than every codec is told of', async () => {
  const bound = async (read: number, write: number) =>
    diskBound((await sampleResults({ read, write, codec: 4 })).comparisons);
  assert.equal(await bound(1, 0.2), undefined);
  assert.equal(await bound(5, 0.2), 'limit');
  assert.equal(await bound(80, 0.2), 'every row');
  assert.equal(await bound(0.1, 80), 'every row');
  assert.equal(diskBound([{ rows: [] }]), undefined);
});

test('the parts of a pipe are added up', () => {
  assert.deepEqual(readTally('0.25 0.50 100\n1.00 0.25 300\n0.00 0.00 0\n'), {
    processorSeconds: 2,
    peakBytes: 400 * 1024,
  });
});

test('lists of processors are read as the kernel writes them', () => {
  assert.deepEqual(expandList('0-3,8,10-11'), [0, 1, 2, 3, 8, 10, 11]);
  assert.deepEqual(expandList('5'), [5]);
});

test('files for a disk come from all over the list, and again where there are too few', () => {
  const files = Array.from({ length: 100 }, (_, index) => ({ name: `file ${index}`, bytes: 4095 }));
  const [quarter, ...none] = chooseFiles(files, 25 * 4096);
  assert.deepEqual(none, []);
  assert.ok(Math.abs(quarter.length - 25) <= 1, `${quarter.length} files`);
  assert.ok(quarter.some((name: string) => Number(name.slice(5)) > 90));
  const twice = chooseFiles(files, 150 * 4096);
  assert.deepEqual([twice.length, twice[0].length], [2, 100]);
  assert.ok(Math.abs(twice[1].length - 50) <= 1);
  assert.throws(() => chooseFiles([], 1), /no files/);
});
