/** What keeps a controller from going to and fro. Times on any monotonic clock. */

/** Of each, level and workers: one in ten seconds, on average. */
export const MOST_CHANGES_A_MINUTE = 6;
const MINUTE_MS = 60_000;
/** A step up that is taken back within so long was a mistake, and is barred for twice as long as the time before. */
const REGRET_MS = 30_000;
const BAR_MS = 60_000;
const LONGEST_BAR_MS = 10 * MINUTE_MS;

/** So many changes in any minute, and no more. */
export function createBudget() {
  let times: number[] = [];
  return {
    has(atMs: number): boolean {
      times = times.filter((time) => atMs - time < MINUTE_MS);
      return times.length < MOST_CHANGES_A_MINUTE;
    },
    spend: (atMs: number) => void times.push(atMs),
  };
}

/** Remembers steps up that were taken back. */
export function createBars() {
  let up: { to: number; atMs: number } | undefined;
  let barred: { from: number; untilMs: number } | undefined;
  let barMs = BAR_MS;
  return {
    note(before: number, after: number, atMs: number): void {
      if (after > before) {
        up = { to: after, atMs };
        return;
      }
      if (up !== undefined && atMs - up.atMs < REGRET_MS) {
        barred = { from: after, untilMs: atMs + barMs };
        barMs = Math.min(2 * barMs, LONGEST_BAR_MS);
      } else barMs = BAR_MS;
      up = undefined;
    },
    /** What may be gone to: all up to the bar, and where it is. */
    below(values: readonly number[], now: number, atMs: number): number[] {
      if (barred === undefined || atMs >= barred.untilMs) return [...values];
      const { from } = barred;
      return values.filter((value) => value <= Math.max(from, now));
    },
  };
}
