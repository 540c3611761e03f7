import { median } from '../policy/median.js';
import { DEVIATIONS_PER_MAD, medianDistance } from './robust.js';
import type { Run } from './saved-run.js';

/** What is usual. */
export interface Usual {
  median: number;
  /** Robust standard deviation, from the MAD. */
  deviation: number;
  /** The same of the logarithms: noise of speeds and ratios is one of factors. NaN where a value is 0. */
  logDeviation: number;
  count: number;
}

/** What is usual for a source and codec. Undefined: fewer than 10 runs tell. */
export interface Baseline {
  ratio: Usual | undefined;
  bytesPerSecond: Usual | undefined;
  durationMs: Usual | undefined;
  imageBytes: Usual | undefined;
  /** From one run to the next. */
  shift: Usual | undefined;
}

/** Fewer tell nothing of what is usual. */
const LEAST_RUNS = 10;
/** So that what changes for good is usual after half as many. */
const MOST_RUNS = 30;

/** @param values oldest first. @returns undefined for too few */
export function usual(values: readonly number[], least = LEAST_RUNS): Usual | undefined {
  const last = values.slice(-MOST_RUNS);
  const centre = median(last);
  if (centre === undefined || last.length < least) return undefined;
  return {
    median: centre,
    deviation: DEVIATIONS_PER_MAD * medianDistance(last, centre),
    logDeviation: DEVIATIONS_PER_MAD * medianDistance(last.map(Math.log), Math.log(centre)),
    count: last.length,
  };
}

/**
 * What was usual before a run: of its source's good runs with its codec.
 * @param earlier of the same source, oldest first
 */
export function baselineFor(run: Pick<Run, 'codec'>, earlier: readonly Run[]): Baseline {
  const like = earlier.filter(({ ok, codec }) => ok && codec === run.codec).slice(-MOST_RUNS - 1);
  const last = like.slice(-MOST_RUNS);
  const of = (value: (one: Run) => number | undefined) => usual(last.map(value).filter((one) => one !== undefined));
  return {
    ratio: of(({ ratio }) => ratio),
    bytesPerSecond: of(({ bytesPerSecond }) => bytesPerSecond),
    durationMs: of(({ durationMs }) => durationMs),
    imageBytes: of(({ imageBytes }) => imageBytes),
    shift: usual(
      like.flatMap((one, index) => {
        const before = like[index - 1];
        return (before === undefined ? undefined : shiftBetween(before, one)) ?? [];
      }),
      // Ten runs have nine between them.
      LEAST_RUNS - 1,
    ),
  };
}

/**
 * How far the chunks' compressibility has moved between two runs: the earth mover's distance of their histograms. 0: not
 * at all; 1: from all zeros to nothing that compresses.
 */
export function shiftBetween(a: Run, b: Run): number | undefined {
  if (a.ratioHistogram === undefined || b.ratioHistogram === undefined) return undefined;
  const [sharesA, sharesB] = [shares(a.ratioHistogram), shares(b.ratioHistogram)];
  let ahead = 0;
  let moved = 0;
  for (const [bucket, share] of sharesA.entries()) {
    ahead += share - (sharesB[bucket] ?? 0);
    moved += Math.abs(ahead);
  }
  return moved / (sharesA.length - 1);
}

function shares(counts: readonly number[]): number[] {
  const sum = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => count / sum);
}
