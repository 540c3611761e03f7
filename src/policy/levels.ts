import type { CodecSpeed } from './calibration.js';
import { predictSpeed } from './predict.js';

/** One period of a run, as its stages saw it. Times in ms, sizes in bytes. */
export interface StageSample {
  tookMs: number;
  /** Plaintext that went through the codec, and what became of it. */
  encodedBytes: number;
  frameBytes: number;
  /** Summed over workers. */
  codecMs: number;
  readBytes: number;
  readMs: number;
  writtenBytes: number;
  writeMs: number;
}

export interface LevelState {
  level: number;
  /** Bytes of plaintext a ms of codec, at the level that it is at; undefined until one was seen. */
  codecSpeed: number | undefined;
  /** How much better than in the calibration this data compresses. */
  ratioFactor: number;
  /** Where two samples in a row wanted to go. */
  wish: number | undefined;
}

/** Of the codec's time: it is what the others wait for. */
const BOUND_SHARE = 0.9;
/** A higher level has to be predicted so much quicker than what it needs, a lower one has to bring so much. */
const HEADROOM = 0.85;
const GAIN = 1.08;
/** What may be lost by a level that saves more. */
const SLACK = 0.03;
/** The last sample counts for half: data changes from one part of a disk to the next. */
const WEIGHT = 0.5;
/**
 * Of the speed before: what is so much slower is no noise but somebody who takes the processors, and waits for no average. With
 * the recording in test/policy/traces on disks of 40 MB/s a run took 1.06 instead of 1.12 times that of the best level.
 */
const BREAK = 0.7;
/** With a stage idle for nearly all of the time its speed is anybody's guess. */
const LEAST_BUSY_MS = 20;

export interface LevelSetting {
  /** Lowest first. */
  rows: readonly CodecSpeed[];
  floor: number;
  /** Workers at work, as a number of processors. */
  workers: number;
  bwlimitBytesPerSecond: number | undefined;
  /** What must be done to be ready in time; undefined without an end. */
  neededBytesPerSecond: number | undefined;
}

/** The level that suits what the stages were doing, and why if it is another. */
export function levelFor(
  sample: StageSample,
  state: LevelState,
  setting: LevelSetting,
): LevelState & { why: string | undefined } {
  const now = setting.rows.find(({ level }) => level === state.level);
  if (now === undefined || sample.codecMs === 0) return { ...state, wish: undefined, why: undefined };
  const seen = sample.encodedBytes / sample.codecMs;
  const before = state.codecSpeed;
  const isBroken = before === undefined || seen < BREAK * before;
  const codecSpeed = isBroken ? seen : WEIGHT * seen + (1 - WEIGHT) * before;
  const ratio = sample.frameBytes > 0 ? sample.encodedBytes / sample.frameBytes : now.ratio;
  const ratioFactor = WEIGHT * (ratio / now.ratio) + (1 - WEIGHT) * state.ratioFactor;
  const measured: LevelState = { level: state.level, codecSpeed, ratioFactor, wish: undefined };

  const codecShare = Math.min(1, sample.codecMs / (sample.tookMs * setting.workers));
  const bounds = {
    readBytesPerSecond: Math.min(
      speed(sample.readBytes, sample.readMs, sample.tookMs),
      setting.bwlimitBytesPerSecond ?? Number.POSITIVE_INFINITY,
    ),
    writeBytesPerSecond: speed(sample.writtenBytes, sample.writeMs, sample.tookMs),
    threads: setting.workers,
  };
  const predicted = (row: CodecSpeed) => {
    const relative = row.bytesPerSecondPerThread / now.bytesPerSecondPerThread;
    // Up there the prediction is the less certain the further it goes: with headroom.
    const sure = row.level > now.level ? HEADROOM : 1;
    const bytesPerSecondPerThread = 1000 * codecSpeed * relative * sure;
    return predictSpeed({ bytesPerSecondPerThread, ratio: Math.max(1, row.ratio * ratioFactor) }, bounds);
  };
  const candidates = candidatesOf(setting, predicted);
  const most = Math.max(...candidates.map(predicted));
  // Who has an end to keep is content with what keeps it.
  const needed = candidates.length === setting.rows.length ? setting.neededBytesPerSecond : undefined;
  const enough = Math.min(most, needed ?? most) / (1 + SLACK);
  const target = candidates.filter((row) => predicted(row) >= enough).at(-1);
  const figures =
    `codec busy ${Math.round(100 * codecShare)} %, read ${mb(bounds.readBytesPerSecond)}, ` +
    `write ${mb(bounds.writeBytesPerSecond)}, ratio ${ratio.toFixed(2)}`;
  if (target === undefined || target.level === state.level) return { ...measured, why: undefined };
  const isDown = target.level < state.level;
  const isWorthIt = isDown
    ? codecShare > BOUND_SHARE && predicted(target) > GAIN * predicted(now)
    : codecShare < BOUND_SHARE || state.level < setting.floor;
  if (!isWorthIt) return { ...measured, why: undefined };
  // Twice in a row the same way; of two levels the one that is nearer.
  if (state.wish === undefined || Math.sign(state.wish - state.level) !== Math.sign(target.level - state.level))
    return { ...measured, wish: target.level, why: undefined };
  const level = isDown ? Math.max(state.wish, target.level) : Math.min(state.wish, target.level);
  const relative =
    (setting.rows.find((row) => row.level === level)?.bytesPerSecondPerThread ?? now.bytesPerSecondPerThread) /
    now.bytesPerSecondPerThread;
  return { level, codecSpeed: codecSpeed * relative, ratioFactor, wish: undefined, why: figures };
}

/** From the floor on; all of them where the floor would not be ready in time. */
function candidatesOf(
  { rows, floor, neededBytesPerSecond }: LevelSetting,
  predicted: (row: CodecSpeed) => number,
): readonly CodecSpeed[] {
  const within = rows.filter(({ level }) => level >= floor);
  if (within.length === 0) return rows;
  const isTooLate = neededBytesPerSecond !== undefined && !within.some((row) => predicted(row) >= neededBytesPerSecond);
  return isTooLate ? rows : within;
}

/** Of a stage while it was busy; bytes a second, Infinity where it hardly was. */
function speed(bytes: number, busyMs: number, tookMs: number): number {
  if (busyMs < LEAST_BUSY_MS || bytes <= 0) return Number.POSITIVE_INFINITY;
  return (1000 * bytes) / Math.min(busyMs, tookMs);
}

function mb(bytesPerSecond: number): string {
  return Number.isFinite(bytesPerSecond) ? `${Math.round(bytesPerSecond / 1e6)} MB/s` : 'no limit';
}

/** Whether all of it are numbers that can be. */
export function isSane(sample: StageSample): boolean {
  const { tookMs, encodedBytes, frameBytes, codecMs, readBytes, readMs, writtenBytes, writeMs } = sample;
  const all = [tookMs, encodedBytes, frameBytes, codecMs, readBytes, readMs, writtenBytes, writeMs];
  return all.every((value) => Number.isFinite(value) && value >= 0) && tookMs > 0;
}
