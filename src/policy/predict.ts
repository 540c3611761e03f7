import type { CodecSpeed } from './calibration.js';

/** What bounds a run, in bytes a second of plaintext but for the target's. Infinity where nothing does, or nobody knows. */
export interface Bounds {
  readBytesPerSecond: number;
  /** Of compressed bytes. */
  writeBytesPerSecond: number;
  /** How many threads' worth of processor there is; a part of one is a number below 1. */
  threads: number;
}

/** Bytes of plaintext a second that a run does at a codec and level: those of its slowest stage. */
export function predictSpeed(
  { bytesPerSecondPerThread, ratio }: Pick<CodecSpeed, 'bytesPerSecondPerThread' | 'ratio'>,
  { readBytesPerSecond, writeBytesPerSecond, threads }: Bounds,
): number {
  return Math.min(readBytesPerSecond, bytesPerSecondPerThread * threads, writeBytesPerSecond * ratio);
}

/**
 * The densest of those that are as good as the quickest.
 * @param slack how much longer it may take: 0.03 is 3 %
 * @returns undefined of nothing
 */
export function soonest<T extends CodecSpeed>(candidates: readonly T[], bounds: Bounds, slack: number): T | undefined {
  const quickest = Math.max(...candidates.map((row) => predictSpeed(row, bounds)));
  return densest(candidates.filter((row) => predictSpeed(row, bounds) * (1 + slack) >= quickest));
}

/** The one that makes the smallest image; undefined of nothing. */
export function densest<T extends CodecSpeed>(candidates: readonly T[]): T | undefined {
  return candidates.reduce<T | undefined>(
    (best, row) => (best === undefined || row.ratio > best.ratio ? row : best),
    undefined,
  );
}
