import type { Calibration } from '../policy/calibration.js';
import type { BenchResult } from './bench.js';
import type { DirectorySpeeds } from './bench-directory.js';

export interface MeasuredDirectories {
  /** Of the history, on the boot disk most often. */
  disk: DirectorySpeeds | undefined;
  /** Where sets are kept. */
  target: DirectorySpeeds | undefined;
}

/** And what a restore needs to know; the history's own calibration has the same two. */
export type MeasuredCalibration = Calibration & { targetReadBytesPerSecond?: number; diskWriteBytesPerSecond?: number };

/** What is kept of a bench. Pure. */
export function calibrationOf(
  { rows, threads, readBytesPerSecond }: BenchResult,
  { disk, target }: MeasuredDirectories,
  now: Date,
): MeasuredCalibration {
  return {
    madeAt: now.toISOString(),
    threads,
    readBytesPerSecond: Math.round(readBytesPerSecond),
    ...(target === undefined
      ? {}
      : {
          writeBytesPerSecond: Math.round(target.writeBytesPerSecond),
          targetReadBytesPerSecond: Math.round(target.readBytesPerSecond),
        }),
    ...(disk === undefined ? {} : { diskWriteBytesPerSecond: Math.round(disk.overwriteBytesPerSecond) }),
    codecs: rows.map(({ codec, level, compressBytesPerSecond, decompressBytesPerSecond, ratio }) => ({
      codec,
      level,
      bytesPerSecondPerThread: Math.round(compressBytesPerSecond / threads),
      ratio: Math.round(ratio * 1000) / 1000,
      decodeBytesPerSecondPerThread: Math.round(decompressBytesPerSecond / threads),
    })),
  };
}
