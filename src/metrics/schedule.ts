import { median } from '../policy/median.js';
import { medianDistance, quantile } from './robust.js';
import type { Run } from './saved-run.js';

/** How often a source is saved, learnt from its good runs. */
export interface Schedule {
  gapMs: number;
  /** A run is late when nothing good has come for so long. */
  lateAfterMs: number;
  /** As from a timer: the gaps are much alike. */
  isRegular: boolean;
}

const LEAST_GAPS = 4;
const MOST_GAPS = 30;
const HOUR_MS = 3_600_000;
/** A run may start when the one before it, or another job, is done. */
const SLACK_MS = 6 * HOUR_MS;
/** Two runs in the same hour are one and its repetition. */
const LEAST_GAP_MS = HOUR_MS;

/**
 * Daily runs are late after 42 h. Where there are none at weekends, nine gaps of ten cover the weekend, and it is that long
 * and a tenth more.
 * @param good runs of one source, oldest first. @returns undefined for fewer than five
 */
export function scheduleOf(good: readonly Pick<Run, 'timeMs'>[]): Schedule | undefined {
  const gaps = good
    .map(({ timeMs }, index) => timeMs - (good[index - 1]?.timeMs ?? timeMs))
    .filter((gapMs) => gapMs >= LEAST_GAP_MS)
    .slice(-MOST_GAPS);
  const gapMs = median(gaps);
  if (gapMs === undefined || gaps.length < LEAST_GAPS) return undefined;
  return {
    gapMs,
    lateAfterMs: Math.max(1.5 * gapMs, 1.1 * quantile(gaps, 0.9)) + SLACK_MS,
    isRegular: medianDistance(gaps, gapMs) <= 0.25 * gapMs,
  };
}
