import { BUILT_IN_CALIBRATION, speedsOf } from '../../src/policy/calibration.js';
import { type Controller, createController, type Decision } from '../../src/policy/controller.js';
import type { Priority } from '../../src/policy/facts.js';

/** What a host and a run's surroundings are like from one moment on. Speeds in bytes a second. */
export interface Stretch {
  forMs: number;
  /** How many processors others would use if they could. */
  demand: number;
  readBytesPerSecond: number;
  writeBytesPerSecond: number;
  /** How much better than the calibration's the data compresses, and how much faster. */
  ratioFactor: number;
  speedFactor: number;
}

export interface World {
  cores: number;
  threads: number;
  /** `nice`: others' weight is nine times ours. `groups`: control groups of the same weight, in which niceness says nothing. */
  sharing: 'nice' | 'groups';
  /** Whether guests' own pressure can be seen, or only the host's, or none at all. */
  pressure: 'guests' | 'host' | 'none';
  /** The last one goes on for as long as the run does. */
  stretches: Stretch[];
  sourceBytes: number;
  /** By how much this host's levels differ from the calibration, lowest level first; 1 is alike. */
  levelFactors?: readonly number[];
  /** Of all that is measured, at most: 0.1 is 10 % up or down. */
  noise?: number;
}

export interface RunSetup {
  priority?: Priority;
  level?: number;
  /** Undefined: the level stays. */
  levels?: { base: number; least: number; most: number } | undefined;
  yields?: boolean;
  bwlimitBytesPerSecond?: number;
  endAtMs?: number;
  /** The run is left after so long; it is over when all is done. */
  forMs?: number;
}

export interface SimulatedRun {
  tookMs: number;
  doneBytes: number;
  decisions: Decision[];
  /** Each period. */
  history: {
    atMs: number;
    level: number;
    workers: number;
    bytesPerSecond: number;
    demand: number;
    othersGot: number;
  }[];
}

const STEP_MS = 100;
const PERIOD_MS = 1000;
const LONGEST_MS = 4 * 3_600_000;
const NICE_WEIGHT = 110 / 1024;
const ROWS = speedsOf(BUILT_IN_CALIBRATION, 'zstd');

/** Runs a controller against a host that is made of numbers. Deterministic. */
export function simulate(world: World, setup: RunSetup): SimulatedRun {
  const controller = createController({
    choice: { codec: 'zstd', level: setup.level ?? 3, threads: world.threads, levels: setup.levels },
    priority: setup.priority ?? 'balanced',
    yields: setup.yields ?? true,
    calibration: undefined,
    bwlimitBytesPerSecond: setup.bwlimitBytesPerSecond,
    endAtMs: setup.endAtMs,
  });
  const random = generator(42);
  const noisy = (value: number) => value * (1 + (world.noise ?? 0) * (2 * random() - 1));
  const run: SimulatedRun = { tookMs: 0, doneBytes: 0, decisions: [], history: [] };
  const longestMs = Math.min(LONGEST_MS, setup.forMs ?? LONGEST_MS);
  let period = emptyPeriod();
  for (let atMs = STEP_MS; run.doneBytes < world.sourceBytes && atMs <= longestMs; atMs += STEP_MS) {
    const moment = step(world, stretchAt(world, atMs - STEP_MS), controller, setup.bwlimitBytesPerSecond);
    run.doneBytes += (moment.bytesPerSecond * STEP_MS) / 1000;
    run.tookMs = atMs;
    addTo(period, moment);
    if (atMs % PERIOD_MS !== 0) continue;
    const { demand } = stretchAt(world, atMs - STEP_MS);
    run.history.push({
      atMs,
      level: controller.level,
      workers: controller.workers,
      bytesPerSecond: (1000 * period.encodedBytes) / PERIOD_MS,
      demand,
      othersGot: period.othersMs / PERIOD_MS,
    });
    const { cores, pressure } = world;
    run.decisions.push(
      ...controller.observe({
        atMs,
        tookMs: PERIOD_MS,
        encodedBytes: noisy(period.encodedBytes),
        frameBytes: noisy(period.frameBytes),
        codecMs: noisy(period.codecMs),
        readBytes: period.encodedBytes,
        readMs: Math.min(PERIOD_MS, noisy(period.readMs)),
        writtenBytes: period.frameBytes,
        writeMs: Math.min(PERIOD_MS, noisy(period.writeMs)),
        remainingBytes: world.sourceBytes - run.doneBytes,
        load: {
          cores,
          othersBusy: Math.min(cores, noisy(period.othersMs / PERIOD_MS)),
          idle: period.idleMs / PERIOD_MS,
          stolenShare: 0,
          waitShare: pressure === 'none' ? undefined : period.waitMs / PERIOD_MS,
          guestWaitShare: pressure === 'guests' ? period.guestWaitMs / PERIOD_MS : undefined,
        },
      }),
    );
    period = emptyPeriod();
  }
  return run;
}

interface Moment {
  bytesPerSecond: number;
  ratio: number;
  codecShare: number;
  readShare: number;
  writeShare: number;
  others: number;
  idle: number;
  isCrowded: boolean;
  guestsWait: boolean;
}

/** Who gets what of the processors, and how far the run comes with it. */
function step(
  world: World,
  stretch: Stretch,
  { level, workers }: Controller,
  bwlimit = Number.POSITIVE_INFINITY,
): Moment {
  const at = ROWS.findIndex((row) => row.level === level);
  const row = ROWS[at];
  if (row === undefined) throw new Error(`no level ${level}`);
  const { cores, sharing } = world;
  const speed = row.bytesPerSecondPerThread * stretch.speedFactor * (world.levelFactors?.[at] ?? 1);
  const ratio = Math.max(1, row.ratio * stretch.ratioFactor);
  const weight = Math.ceil(workers) * NICE_WEIGHT;
  const entitled = sharing === 'groups' ? cores / 2 : (cores * weight) / (stretch.demand + weight);
  const outside = Math.min(stretch.readBytesPerSecond, stretch.writeBytesPerSecond * ratio, bwlimit);
  const wanted = Math.min(workers, outside / speed);
  const ours = Math.min(wanted, Math.max(cores - stretch.demand, entitled));
  const othersGot = Math.min(stretch.demand, cores - ours);
  const bytesPerSecond = Math.min(outside, ours * speed);
  const isBound = bytesPerSecond < outside;
  return {
    bytesPerSecond,
    ratio,
    codecShare: isBound ? workers : wanted,
    readShare: bytesPerSecond / stretch.readBytesPerSecond,
    writeShare: bytesPerSecond / ratio / stretch.writeBytesPerSecond,
    others: othersGot,
    idle: Math.max(0, cores - othersGot - ours),
    isCrowded: stretch.demand + wanted > cores,
    guestsWait: othersGot < 0.98 * stretch.demand,
  };
}

function emptyPeriod() {
  return {
    encodedBytes: 0,
    frameBytes: 0,
    codecMs: 0,
    readMs: 0,
    writeMs: 0,
    othersMs: 0,
    idleMs: 0,
    waitMs: 0,
    guestWaitMs: 0,
  };
}

function addTo(period: ReturnType<typeof emptyPeriod>, moment: Moment): void {
  const bytes = (moment.bytesPerSecond * STEP_MS) / 1000;
  period.encodedBytes += bytes;
  period.frameBytes += bytes / moment.ratio;
  period.codecMs += moment.codecShare * STEP_MS;
  period.readMs += moment.readShare * STEP_MS;
  period.writeMs += moment.writeShare * STEP_MS;
  period.othersMs += moment.others * STEP_MS;
  period.idleMs += moment.idle * STEP_MS;
  if (moment.isCrowded) period.waitMs += 0.9 * STEP_MS;
  if (moment.guestsWait) period.guestWaitMs += 0.8 * STEP_MS;
}

function stretchAt({ stretches }: World, atMs: number): Stretch {
  let end = 0;
  for (const stretch of stretches) {
    end += stretch.forMs;
    if (atMs < end) return stretch;
  }
  const last = stretches.at(-1);
  if (last === undefined) throw new Error('a world without a stretch');
  return last;
}

/** mulberry32: the same numbers on every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The levels that a run with these bounds may go to while nobody takes its workers. */
export function levelsFrom(base: number, most: number): number[] {
  return ROWS.map(({ level }) => level).filter((level) => level >= base && level <= most);
}
