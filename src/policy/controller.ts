import { type Calibration, speedsOf, withBuiltIn } from './calibration.js';
import { createBars, createBudget } from './change-limits.js';
import type { Choice } from './choose.js';
import type { Priority } from './facts.js';
import { isSane, type LevelState, levelFor, type StageSample } from './levels.js';
import type { HostLoad } from './load.js';
import { workerSteps, yieldTo } from './yielding.js';

/** What a run was doing and what the host was doing, over the same period. */
export interface Observation extends StageSample {
  /** Monotonic. */
  atMs: number;
  /** Undefined where the host tells nothing. */
  load: HostLoad | undefined;
  /** Plaintext still to do; undefined where only the end will tell. */
  remainingBytes: number | undefined;
}

export interface Decision {
  atMs: number;
  /** "level 3 -> 5", "workers 2 -> 1" */
  what: string;
  /** The numbers that decided. */
  why: string;
}

export interface ControllerOptions {
  choice: Pick<Choice, 'level' | 'levels' | 'threads' | 'codec'>;
  priority: Priority;
  /** Whether workers are taken away when others need the processors. */
  yields: boolean;
  calibration: Calibration | undefined;
  bwlimitBytesPerSecond: number | undefined;
  /** On the clock of `atMs`; undefined: no end was promised. */
  endAtMs: number | undefined;
}

export interface Controller {
  readonly level: number;
  /** How many workers may be at work; below 1 it is the share of a processor that the only one may take. */
  readonly workers: number;
  /** What changes from here on; nothing, mostly. */
  observe(observation: Observation): Decision[];
}

/** How often it wants to be told. Ticks of /proc/stat are 10 ms, frames of zstd 3 some 25 ms. */
export const PERIOD_MS = 1000;
/** A period this long was none: the host slept, or our process was stopped. */
const LONGEST_PERIOD_MS = 10 * PERIOD_MS;
/** Where frames come slowly, a level is judged by some of them together. */
const LEAST_CODEC_MS = 50;
const LONGEST_SAMPLE_MS = 30_000;
/** Frames that are under way were made at the level before. */
const HOLD_OBSERVATIONS = 1;
const END_MARGIN = 0.9;
/** With less of its workers at work a run may go below its own lowest level: then to the middle, then to the least. */
const MOST_WORKERS_SHARE = 0.7;
const FEW_WORKERS_SHARE = 0.3;
const MIDDLE_LEVEL = 1;

/** Watches a run and adapts it. No clock and no I/O of its own: it is told all, and tells what to do. */
export function createController(options: ControllerOptions): Controller {
  const { choice, yields } = options;
  const steps = workerSteps(choice.threads);
  const rows = rowsOf(options);
  let level: LevelState = { level: choice.level, codecSpeed: undefined, ratioFactor: 1, wish: undefined };
  let workers = { workers: choice.threads, quiet: 0 };
  let lastMs = Number.NEGATIVE_INFINITY;
  let hold = 0;
  let pending: StageSample | undefined;
  const levelChanges = createBudget();
  const workerChanges = createBudget();
  const levelBars = createBars();
  const workerBars = createBars();

  function observeWorkers({ atMs, load }: Observation): Decision[] {
    if (!yields || load === undefined || !isSaneLoad(load) || !workerChanges.has(atMs)) return [];
    const next = yieldTo(load, workers, workerBars.below(steps, workers.workers, atMs));
    const before = workers.workers;
    workers = { workers: next.workers, quiet: next.quiet };
    if (next.why === undefined || next.workers === before) return [];
    workerChanges.spend(atMs);
    workerBars.note(before, next.workers, atMs);
    return [{ atMs, what: `workers ${before} -> ${next.workers}`, why: next.why }];
  }

  function observeLevel(observation: Observation): Decision[] {
    const { atMs } = observation;
    if (choice.levels === undefined || !isSane(observation)) return [];
    if (hold > 0) {
      hold--;
      pending = undefined;
      return [];
    }
    const sample = sum(pending, observation);
    const isEnough = sample.codecMs >= LEAST_CODEC_MS || sample.tookMs >= LONGEST_SAMPLE_MS;
    pending = isEnough ? undefined : sample;
    if (!isEnough || !levelChanges.has(atMs)) return [];
    const before = level.level;
    const allowed = levelBars.below(
      rows.map((row) => row.level),
      before,
      atMs,
    );
    const next = levelFor(sample, level, {
      rows: rows.filter((row) => allowed.includes(row.level)),
      floor: floorOf(options, workers.workers),
      workers: workers.workers,
      bwlimitBytesPerSecond: options.bwlimitBytesPerSecond,
      neededBytesPerSecond: neededOf(observation, options.endAtMs),
    });
    const { why, ...state } = next;
    level = state;
    if (why === undefined || state.level === before) return [];
    levelChanges.spend(atMs);
    levelBars.note(before, state.level, atMs);
    hold = HOLD_OBSERVATIONS;
    return [{ atMs, what: `level ${before} -> ${state.level}`, why }];
  }

  return {
    get level() {
      return level.level;
    },
    get workers() {
      return workers.workers;
    },
    observe(observation) {
      const { atMs, tookMs } = observation;
      // A clock that stands still or goes back is none.
      if (!Number.isFinite(atMs) || atMs <= lastMs) return [];
      lastMs = atMs;
      if (!(tookMs > 0) || tookMs > LONGEST_PERIOD_MS) return [];
      const before = workers.workers;
      const decisions = observeWorkers(observation);
      // What the stages did belongs to the workers that were there.
      if (workers.workers !== before) {
        level = { ...level, wish: undefined };
        hold = Math.max(hold, HOLD_OBSERVATIONS);
        return decisions;
      }
      return [...decisions, ...observeLevel(observation)];
    },
  };
}

function sum(before: StageSample | undefined, now: StageSample): StageSample {
  const add = (key: keyof StageSample) => (before?.[key] ?? 0) + now[key];
  return {
    tookMs: add('tookMs'),
    encodedBytes: add('encodedBytes'),
    frameBytes: add('frameBytes'),
    codecMs: add('codecMs'),
    readBytes: add('readBytes'),
    readMs: add('readMs'),
    writtenBytes: add('writtenBytes'),
    writeMs: add('writeMs'),
  };
}

function rowsOf({ choice, calibration }: ControllerOptions) {
  const { levels } = choice;
  if (levels === undefined) return [];
  const most = Math.max(levels.most, choice.level);
  const rows = speedsOf(withBuiltIn(calibration), choice.codec).filter(
    ({ level }) => level >= Math.min(levels.least, choice.level) && level <= most,
  );
  // Each step up has to be slower, or measuring was at fault, and predictions would go in circles.
  const falling = rows.filter((row, at) =>
    rows.slice(0, at).every((lower) => lower.bytesPerSecondPerThread > row.bytesPerSecondPerThread),
  );
  if (falling.some(({ level }) => level === choice.level)) return falling;
  const nearest = speedsOf(withBuiltIn(calibration), choice.codec).find(({ level }) => level >= choice.level);
  return nearest === undefined
    ? falling
    : [...falling, { ...nearest, level: choice.level }].sort((a, b) => a.level - b.level);
}

/** The lowest level to go to while so many are at work: few workers do more at a lower one. */
function floorOf({ choice, priority }: ControllerOptions, workers: number): number {
  const { base, least } = choice.levels ?? { base: choice.level, least: choice.level };
  const share = workers / choice.threads;
  if (share >= MOST_WORKERS_SHARE) return base;
  // Who wants the smallest waits for it, as long as there is anything to work with.
  if (share > FEW_WORKERS_SHARE) return priority === 'ratio' ? base : Math.min(base, Math.max(least, MIDDLE_LEVEL));
  return priority === 'ratio' ? Math.min(base, Math.max(least, MIDDLE_LEVEL)) : least;
}

function neededOf({ atMs, remainingBytes }: Observation, endAtMs: number | undefined): number | undefined {
  if (endAtMs === undefined || remainingBytes === undefined || !Number.isFinite(remainingBytes)) return undefined;
  return (1000 * remainingBytes) / Math.max(1000, (endAtMs - atMs) * END_MARGIN);
}

function isSaneLoad({ cores, othersBusy, idle }: HostLoad): boolean {
  return Number.isFinite(cores) && cores >= 1 && Number.isFinite(othersBusy) && Number.isFinite(idle);
}
