import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MOST_CHANGES_A_MINUTE } from '../../src/policy/change-limits.js';
import { createController, type Observation } from '../../src/policy/controller.js';
import { recordedStretches } from './recorded-trace.js';
import { levelsFrom, type RunSetup, type SimulatedRun, type Stretch, simulate, type World } from './simulator.js';

const MB = 1e6;
const GB = 1e9;
const FAST: Stretch = {
  forMs: 60_000,
  demand: 0,
  readBytesPerSecond: 3 * GB,
  writeBytesPerSecond: 2 * GB,
  ratioFactor: 1,
  speedFactor: 1,
};
const BALANCED = { base: 3, least: -7, most: 12 };

const world = (stretches: Stretch[], more: Partial<World> = {}): World => ({
  cores: 2,
  threads: 2,
  sharing: 'nice',
  pressure: 'host',
  sourceBytes: 60 * GB,
  stretches,
  ...more,
});
const at = (run: SimulatedRun, atMs: number) => {
  const found = run.history.find((period) => period.atMs === atMs);
  assert.ok(found, `the run was over before ${atMs} ms`);
  return found;
};

test('a quiet host with fast disks stays at level 3 with all its workers, and decides nothing', () => {
  for (const noise of [0, 0.1]) {
    const run = simulate(world([FAST], { noise }), { levels: BALANCED });
    assert.deepEqual(run.decisions, []);
  }
});

test('a slow target brings a higher level within 10 s, and the run ends sooner than at level 3', () => {
  const slow = world([{ ...FAST, writeBytesPerSecond: 30 * MB }], { sourceBytes: 20 * GB });
  const run = simulate(slow, { levels: BALANCED });
  assert.ok(at(run, 10_000).level > 3);
  assert.ok(run.tookMs < 0.95 * simulate(slow, {}).tookMs);
});

test('a slow source brings a higher level, and costs no time', () => {
  const slow = world([{ ...FAST, readBytesPerSecond: 120 * MB }], { sourceBytes: 20 * GB });
  const run = simulate(slow, { levels: BALANCED });
  assert.ok(at(run, 10_000).level > 3);
  assert.ok(run.tookMs < 1.02 * simulate(slow, {}).tookMs);
});

test('after a step of load, target or data the level has settled within 10 s', () => {
  const steps: [string, Partial<Stretch>, Partial<Stretch>][] = [
    ['the target becomes slow', {}, { writeBytesPerSecond: 40 * MB }],
    ['the target becomes fast', { writeBytesPerSecond: 40 * MB }, {}],
    ['the source becomes slow', {}, { readBytesPerSecond: 150 * MB }],
    ['the source becomes fast', { readBytesPerSecond: 150 * MB }, {}],
    [
      'the data stops compressing',
      { writeBytesPerSecond: 100 * MB },
      { writeBytesPerSecond: 100 * MB, ratioFactor: 0.3 },
    ],
    [
      'the data compresses again',
      { writeBytesPerSecond: 100 * MB, ratioFactor: 0.3 },
      { writeBytesPerSecond: 100 * MB },
    ],
    ['guests come', {}, { demand: 2 }],
    ['guests go', { demand: 2 }, {}],
  ];
  for (const [what, before, after] of steps) {
    for (const pressure of ['guests', 'host'] as const) {
      const run = simulate(
        world(
          [
            { ...FAST, ...before },
            { ...FAST, ...after },
          ],
          { pressure, sourceBytes: 80 * GB },
        ),
        {
          levels: BALANCED,
        },
      );
      const late = run.decisions.filter(({ atMs }) => atMs > 70_000 && atMs < 120_000);
      assert.deepEqual(late, [], `${what}: ${JSON.stringify(run.decisions)}`);
      assert.ok(run.tookMs > 90_000, `${what}: over after ${run.tookMs} ms`);
    }
  }
});

const stretch: fc.Arbitrary<Stretch> = fc.record({
  forMs: fc.integer({ min: 40, max: 150 }).map((seconds) => seconds * 1000),
  demand: fc.constantFrom(0, 0, 0, 0.5, 1, 2),
  readBytesPerSecond: fc.integer({ min: 80, max: 3000 }).map((mb) => mb * MB),
  writeBytesPerSecond: fc.integer({ min: 20, max: 2000 }).map((mb) => mb * MB),
  ratioFactor: fc.double({ min: 0.5, max: 2, noNaN: true }),
  speedFactor: fc.double({ min: 0.7, max: 1.4, noNaN: true }),
});
const anyWorld: fc.Arbitrary<World> = fc
  .record({
    cores: fc.constantFrom(2, 4, 16),
    threads: fc.constant(2),
    sharing: fc.constantFrom('nice' as const, 'groups' as const),
    pressure: fc.constantFrom('guests' as const, 'host' as const, 'none' as const),
    stretches: fc.array(stretch, { minLength: 1, maxLength: 5 }),
    sourceBytes: fc.constantFrom(30 * GB, 100 * GB),
    levelFactors: fc.array(fc.double({ min: 0.92, max: 1.08, noNaN: true }), { minLength: 15, maxLength: 15 }),
    noise: fc.constantFrom(0, 0.05, 0.1),
  })
  .map((made) => ({ ...made, threads: made.cores }));

const SETUPS: [string, RunSetup, number[]][] = [
  ['balanced', { priority: 'balanced', level: 3, levels: BALANCED }, levelsFrom(3, 12)],
  ['speed', { priority: 'speed', level: 3, levels: { base: -7, least: -7, most: 12 } }, levelsFrom(-7, 12)],
];

// As long as the calibration knows the host's levels to 8 %: which of two is the quicker, nothing else tells. The same worlds
// each time, for one in some hundred is unlucky: noise at the very moment of a step.
test('a run ends within 10 % of the level that afterwards is known to have been the best', () => {
  for (const [name, setup, levels] of SETUPS) {
    const lost = fc.sample(anyWorld, { numRuns: 150, seed: 20_261_121 }).map((made) => {
      const quiet = { ...made, stretches: made.stretches.map((each) => ({ ...each, demand: 0 })) };
      const best = Math.min(...levels.map((level) => simulate(quiet, { level }).tookMs));
      // The first seconds are spent on finding out.
      return Math.max(1, (simulate(quiet, setup).tookMs - 5000) / best);
    });
    const isNear = (factor: number) => lost.filter((each) => each <= factor).length / lost.length;
    assert.ok(isNear(1.1) >= 0.98, `${name}: ${isNear(1.1)} of the runs`);
    assert.ok(isNear(1.02) >= 0.5, `${name}: ${isNear(1.02)} of the runs within 2 %`);
    assert.equal(isNear(1.25), 1, `${name}: the worst took ${Math.max(...lost)} times as long`);
  }
});

/** Nothing changes more often than it may, and the run never starves. */
function assertSteady(run: SimulatedRun, leastBytesPerSecond = 3 * MB): void {
  for (const kind of ['level', 'workers']) {
    const times = run.decisions.filter(({ what }) => what.startsWith(kind)).map(({ atMs }) => atMs);
    for (const time of times) {
      const inMinute = times.filter((other) => other >= time && other < time + 60_000).length;
      assert.ok(inMinute <= MOST_CHANGES_A_MINUTE, `${inMinute} changes of ${kind} in a minute`);
    }
  }
  for (const { atMs, workers, bytesPerSecond } of run.history) {
    assert.ok(workers >= 0.3, `${workers} workers at ${atMs}`);
    assert.ok(bytesPerSecond > leastBytesPerSecond, `${bytesPerSecond} bytes a second at ${atMs}`);
  }
}

test('whatever happens, nothing changes more often than it may, and the run never starves', () => {
  fc.assert(
    fc.property(anyWorld, fc.constantFrom(...SETUPS), (made, [, setup]) => {
      const run = simulate(made, setup);
      assertSteady(run);
    }),
    { numRuns: 100 },
  );
});

const TRACES = ['builds', 'overload'] as const;
/** Disks as they were, and a tenth, a thirtieth of it. */
const SLOWER = [1, 10, 30];

for (const name of TRACES)
  test(`with the load and the disks of a recording (${name}): no flapping, no starving, guests have theirs, near the best level`, () => {
    for (const slower of SLOWER) {
      const { cores, stretches } = recordedStretches(name, slower);
      const wholeMs = stretches.reduce((sum, { forMs }) => sum + forMs, 0);
      for (const pressure of ['guests', 'host', 'none'] as const) {
        // More than can be done before the recording ends.
        const recorded = world(stretches, { cores, threads: cores, pressure, sourceBytes: 4000 * GB });
        const run = simulate(recorded, { levels: BALANCED, forMs: wholeMs });
        const what = `${pressure}, disks ${slower} times as slow`;
        assertSteady(run, (3 * MB) / slower);
        const crowded = run.history.filter(({ demand }) => demand > 0.2);
        const got = crowded.reduce((sum, { othersGot }) => sum + othersGot, 0);
        const asked = crowded.reduce((sum, { demand }) => sum + Math.min(cores, demand), 0);
        assert.ok(got >= 0.8 * asked, `${what}: guests got ${(got / asked).toFixed(2)} of what they asked for`);
        assert.ok(run.doneBytes > 0);
      }
      // Who of two levels is the quicker is a question where none of both gives way.
      const still = world(stretches, { cores, threads: cores, sourceBytes: 20 * GB });
      const best = Math.min(...levelsFrom(3, 12).map((level) => simulate(still, { level, yields: false }).tookMs));
      const { tookMs } = simulate(still, { levels: BALANCED, yields: false });
      assert.ok(tookMs - 5000 <= 1.1 * best, `disks ${slower} times as slow: ${tookMs} ms, at best ${best}`);
    }
  });

test('guests get at least 80 % of what they ask for, 10 s after they asked for it', () => {
  fc.assert(
    fc.property(anyWorld, fc.double({ min: 0.2, max: 1, noNaN: true }), (made, share) => {
      const demand = Math.max(0.2, share * made.cores);
      const crowded = {
        ...made,
        pressure: made.pressure === 'none' ? ('host' as const) : made.pressure,
        stretches: [
          { ...FAST, forMs: 30_000 },
          { ...FAST, demand },
        ],
        sourceBytes: 60 * GB * made.cores,
      };
      const run = simulate(crowded, { levels: BALANCED });
      const settled = run.history.filter(({ atMs }) => atMs > 45_000 && atMs < 120_000);
      assert.ok(settled.length > 10);
      const got = settled.reduce((sum, period) => sum + period.othersGot / demand, 0) / settled.length;
      assert.ok(got >= 0.8, `guests got ${got.toFixed(2)} of ${demand.toFixed(2)}: ${JSON.stringify(run.decisions)}`);
    }),
    { numRuns: 60 },
  );
});

test('without /proc/pressure guests are still given way to', () => {
  const run = simulate(world([{ ...FAST, demand: 2 }], { sharing: 'groups', pressure: 'none' }), { levels: BALANCED });
  const { othersGot } = at(run, 30_000);
  assert.ok(othersGot >= 1.6, `they got ${othersGot} of 2`);
});

test('when guests are gone, all workers are back within 10 s', () => {
  for (const cores of [2, 4, 32]) {
    const stretches = [{ ...FAST, demand: cores }, FAST];
    const run = simulate(
      world(stretches, { cores, threads: cores, pressure: 'guests', sourceBytes: 40 * GB * cores }),
      {
        levels: BALANCED,
      },
    );
    assert.ok(at(run, 50_000).workers < cores);
    assert.equal(at(run, 75_000).workers, cores, JSON.stringify(run.decisions));
  }
});

test('an end that was promised is kept by a lower level', () => {
  const busy = world([FAST], { sourceBytes: 100 * GB });
  const unhurried = simulate(busy, { levels: BALANCED });
  const endAtMs = 0.7 * unhurried.tookMs;
  assert.ok(simulate(busy, { levels: BALANCED, endAtMs }).tookMs <= endAtMs);
});

test('a limit of bandwidth is time for a higher level', () => {
  const run = simulate(world([FAST], { sourceBytes: 3 * GB }), { levels: BALANCED, bwlimitBytesPerSecond: 20 * MB });
  assert.ok(at(run, 60_000).level >= 9, JSON.stringify(run.decisions));
});

test('without levels to go to, and without yielding, nothing is ever changed', () => {
  const run = simulate(world([{ ...FAST, demand: 2, writeBytesPerSecond: 20 * MB }]), { yields: false });
  assert.deepEqual(run.decisions, []);
});

test('numbers that are none, and clocks that jump, change nothing', () => {
  const controller = createController({
    choice: { codec: 'zstd', level: 3, threads: 2, levels: BALANCED },
    priority: 'balanced',
    yields: true,
    calibration: undefined,
    bwlimitBytesPerSecond: undefined,
    endAtMs: undefined,
  });
  const idle: Observation = {
    atMs: 1000,
    tookMs: 1000,
    encodedBytes: 20 * MB,
    frameBytes: 8 * MB,
    codecMs: 100,
    readBytes: 20 * MB,
    readMs: 1000,
    writtenBytes: 8 * MB,
    writeMs: 10,
    load: { cores: 2, othersBusy: 0, idle: 1.8, stolenShare: 0, waitShare: 0, guestWaitShare: undefined },
    remainingBytes: undefined,
  };
  let atMs = 1000;
  const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1);
  const key = fc.constantFrom('tookMs', 'encodedBytes', 'frameBytes', 'codecMs', 'readMs', 'writeMs', 'writtenBytes');
  fc.assert(
    fc.property(key, bad, (name, value) => {
      atMs += 1000;
      assert.deepEqual(controller.observe({ ...idle, atMs, [name]: value, load: undefined }), []);
    }),
  );
  for (const cores of [0, Number.NaN]) {
    atMs += 1000;
    const load = { cores, othersBusy: Number.NaN, idle: Number.NaN, stolenShare: 0, waitShare: 1, guestWaitShare: 1 };
    assert.deepEqual(controller.observe({ ...idle, atMs, codecMs: 0, load }), []);
  }
  // Backwards, standing still, and a night asleep.
  assert.deepEqual(controller.observe({ ...idle, atMs: atMs - 500 }), []);
  assert.deepEqual(controller.observe({ ...idle, atMs }), []);
  assert.deepEqual(controller.observe({ ...idle, atMs: atMs + 9e6, tookMs: 9e6 }), []);
  assert.deepEqual([controller.level, controller.workers], [3, 2]);
});
