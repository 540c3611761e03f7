/** Statistics that a few wild values do not move. Pure; every value is finite. */

import { median } from '../policy/median.js';

export interface Point {
  x: number;
  y: number;
}

/** Of a sorted or unsorted list, by the nearest rank. NaN of nothing. @param share 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

/** Median of the distances from the median (MAD): half of all values lie within it. NaN of nothing. @param centre the median */
export function medianDistance(values: readonly number[], centre: number): number {
  return median(values.map((value) => Math.abs(value - centre))) ?? Number.NaN;
}

/** What turns a MAD into the standard deviation of normal noise: 1 / the normal distribution's 3/4 quantile. */
export const DEVIATIONS_PER_MAD = 1.4826;

export interface Trend {
  /** y per x. */
  slope: number;
  /** Where the line is at x = 0. */
  offset: number;
  /** How sure the direction is: Kendall's S in standard deviations, with the sign of the slope (Mann 1945). */
  sureness: number;
}

/** Each pair is looked at: 200 points are 20,000 pairs, under a millisecond. */
const MOST_POINTS = 200;

/**
 * The line through the median of all slopes between two points (Theil 1950, Sen 1968): up to 29 % of the points may be
 * anything. Only the last 200 count.
 * @returns undefined where no two points have different x
 */
export function theilSen(all: readonly Point[]): Trend | undefined {
  const points = all.slice(-MOST_POINTS);
  const slopes: number[] = [];
  let s = 0;
  for (const [index, a] of points.entries())
    for (const b of points.slice(index + 1)) {
      if (a.x === b.x) continue;
      const slope = (b.y - a.y) / (b.x - a.x);
      slopes.push(slope);
      s += Math.sign(slope);
    }
  const slope = median(slopes);
  if (slope === undefined) return undefined;
  const count = points.length;
  const deviation = Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const offset = median(points.map(({ x, y }) => y - slope * x)) ?? Number.NaN;
  return { slope, offset, sureness: s / deviation };
}
