import type { Calibration } from '../policy/calibration.js';
import type { CardSpeed } from '../policy/cards.js';
import type { BenchResult, BenchRow } from './bench.js';
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
  const cards = rows.flatMap(cardSpeedOf);
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
    codecs: rows
      .filter(({ card }) => card === undefined)
      .map(({ codec, level, compressBytesPerSecond, decompressBytesPerSecond, ratio }) => ({
        codec,
        level,
        bytesPerSecondPerThread: Math.round(compressBytesPerSecond / threads),
        ratio: rounded(ratio),
        decodeBytesPerSecondPerThread: Math.round(decompressBytesPerSecond / threads),
      })),
    ...(cards.length === 0 ? {} : { gpus: cards }),
  };
}

/** A software device is measured where it was named, and never remembered. */
function cardSpeedOf({ card, ratio, compressBytesPerSecond, decompressBytesPerSecond }: BenchRow): CardSpeed[] {
  if (card === undefined || card.isSoftware) return [];
  const { index, name, feeders } = card;
  return [
    {
      index,
      name,
      feeders,
      ratio: rounded(ratio),
      compressBytesPerSecond: Math.round(compressBytesPerSecond),
      decompressBytesPerSecond: Math.round(decompressBytesPerSecond),
    },
  ];
}

function rounded(ratio: number): number {
  return Math.round(ratio * 1000) / 1000;
}
