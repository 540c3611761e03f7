import type { KeepOptions } from '../config/prune-backups.js';

/**
 * Which sets a prune keeps. The rules, and their order, are those of Proxmox's `prune-backups` (its documentation,
 * "Backup Retention", and its prune simulator show them): each option goes from the newest set to the oldest and keeps the
 * newest one of each period, until it has done so for as many periods as it was told; a period in which an earlier option
 * keeps a set does not count, and what an option has passed over in a period of its own stays passed over. Periods are those
 * of the local time, weeks those of ISO 8601.
 *
 * Two rules of our own come on top: the newest good set of a group stays whatever the options say, and so does what is not
 * good, which takes no place of a good one either.
 */

/** What retention has to know of a set. */
export interface RetentionItem {
  time: Date;
  /** Sets are judged within their group: those of exactly one host and disk. */
  group: string;
  good: boolean;
  protected: boolean;
}

export type Verdict = 'keep' | 'remove';

export interface Judged<T> {
  item: T;
  verdict: Verdict;
  /** "keep-daily (2)", "protected", "not covered by any keep option" */
  why: string;
}

type Rule = [name: string, option: Exclude<keyof KeepOptions, 'keepAll'>, periodOf: (time: Date) => string];

const RULES: Rule[] = [
  ['keep-last', 'keepLast', (time) => String(time.getTime())],
  ['keep-hourly', 'keepHourly', (time) => `${dayOf(time)} ${time.getHours()}`],
  ['keep-daily', 'keepDaily', dayOf],
  ['keep-weekly', 'keepWeekly', weekOf],
  ['keep-monthly', 'keepMonthly', (time) => `${time.getFullYear()}-${time.getMonth() + 1}`],
  ['keep-yearly', 'keepYearly', (time) => String(time.getFullYear())],
];

/** @returns every item, in the order in which they were given */
export function judgeRetention<T extends RetentionItem>(items: readonly T[], keep: KeepOptions): Judged<T>[] {
  const verdicts = new Map<T, Judged<T>>();
  for (const group of new Set(items.map((item) => item.group))) {
    const members = items.filter((item) => item.group === group);
    for (const judged of judgeGroup(members, keep)) verdicts.set(judged.item, judged);
  }
  return items.map((item) => verdicts.get(item) ?? { item, verdict: 'keep', why: 'not judged' });
}

/** No option that keeps something is no wish to remove everything. */
export function hasKeepOption(keep: KeepOptions): boolean {
  return keep.keepAll === true || RULES.some(([, option]) => (keep[option] ?? 0) > 0);
}

function judgeGroup<T extends RetentionItem>(items: readonly T[], keep: KeepOptions): Judged<T>[] {
  const judged = new Map<T, Judged<T>>();
  const mark = (item: T, verdict: Verdict, why: string) => judged.set(item, { item, verdict, why });
  for (const item of items) {
    if (item.protected) mark(item, 'keep', 'protected');
    else if (!item.good) mark(item, 'keep', 'not a good set: remove it by hand once you have looked at it');
  }
  const rest = items.filter((item) => !judged.has(item)).sort((a, b) => b.time.getTime() - a.time.getTime());
  if (keep.keepAll === true || !hasKeepOption(keep)) {
    for (const item of rest) mark(item, 'keep', keep.keepAll === true ? 'keep-all' : 'no keep option is given');
  } else {
    for (const [name, option, periodOf] of RULES) markByRule(rest, judged, mark, name, keep[option] ?? 0, periodOf);
    for (const item of rest) if (!judged.has(item)) mark(item, 'remove', 'not covered by any keep option');
  }
  const newest = items
    .filter(({ good }) => good)
    .reduce<T | undefined>((last, item) => (last === undefined || item.time > last.time ? item : last), undefined);
  if (newest !== undefined && judged.get(newest)?.verdict === 'remove')
    mark(newest, 'keep', 'the newest good set of this host and disk');
  return [...judged.values()];
}

/** @param newestFirst those that rules judge */
function markByRule<T extends RetentionItem>(
  newestFirst: readonly T[],
  judged: ReadonlyMap<T, Judged<T>>,
  mark: (item: T, verdict: Verdict, why: string) => void,
  name: string,
  count: number,
  periodOf: (time: Date) => string,
): void {
  const covered = new Set(
    newestFirst.filter((item) => judged.get(item)?.verdict === 'keep').map((item) => periodOf(item.time)),
  );
  const filled = new Set<string>();
  for (const item of newestFirst) {
    const period = periodOf(item.time);
    if (judged.has(item) || covered.has(period)) continue;
    if (filled.has(period)) {
      mark(item, 'remove', `a newer one of its period is kept by ${name}`);
      continue;
    }
    if (filled.size >= count) return;
    filled.add(period);
    mark(item, 'keep', `${name} (${filled.size})`);
  }
}

function dayOf(time: Date): string {
  return `${time.getFullYear()}-${time.getMonth() + 1}-${time.getDate()}`;
}

/** "2026-W01": a week belongs to the year that its Thursday is in. */
function weekOf(time: Date): string {
  const daysSinceMonday = (time.getDay() + 6) % 7;
  const thursday = new Date(time.getFullYear(), time.getMonth(), time.getDate() - daysSinceMonday + 3);
  const daysIntoYear = Math.round((thursday.getTime() - new Date(thursday.getFullYear(), 0, 1).getTime()) / DAY_MS);
  return `${thursday.getFullYear()}-W${Math.floor(daysIntoYear / 7) + 1}`;
}

const DAY_MS = 24 * 60 * 60 * 1000;
