import { median } from './median.js';

/** What a run of the same source reached; bytes of plaintext a second over the whole run. */
export interface PastRun {
  /** ISO 8601. */
  time: string;
  source: string;
  codec: string;
  level: number;
  ratio: number;
  bytesPerSecond: number;
  /** What the target took while it was written to. */
  writeBytesPerSecond?: number;
  readBytesPerSecond?: number;
  bottleneck?: string;
}

/** So many of the last runs count: a disk changes. */
const RUNS = 5;

/** What is known from the last runs of a source; undefined where nothing is. */
export interface Experience {
  /** How much better the source compresses than the calibration's sample, by the median run: 1 is alike. */
  ratioFactor: number;
  writeBytesPerSecond: number | undefined;
  readBytesPerSecond: number | undefined;
  runs: number;
}

/**
 * @param runs most recent last; those of other sources do not count
 * @param ratioOf of a codec and level, by the calibration
 */
export function experienceOf(
  runs: readonly PastRun[],
  source: string,
  ratioOf: (codec: string, level: number) => number | undefined,
): Experience | undefined {
  const last = runs.filter((run) => run.source === source && isPositive(run.ratio)).slice(-RUNS);
  if (last.length === 0) return undefined;
  const factors = last.flatMap((run) => {
    const expected = ratioOf(run.codec, run.level);
    return expected === undefined ? [] : [run.ratio / expected];
  });
  // A stage's speed is seen only where it was the one that all waited for: a page cache takes anything.
  const speedsWhile = (bottleneck: string, speed: (run: PastRun) => number | undefined) =>
    median(last.flatMap((run) => (run.bottleneck === bottleneck ? [speed(run)] : [])).filter(isPositive));
  return {
    ratioFactor: median(factors) ?? 1,
    writeBytesPerSecond: speedsWhile('writing', (run) => run.writeBytesPerSecond ?? run.bytesPerSecond / run.ratio),
    readBytesPerSecond: speedsWhile('reading', (run) => run.readBytesPerSecond ?? run.bytesPerSecond),
    runs: last.length,
  };
}

function isPositive(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value > 0;
}
