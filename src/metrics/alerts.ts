import { roundSize } from '../device/sizes.js';
import type { Alert, AlertFacts } from './alert.js';
import { type Capacity, capacities } from './capacity.js';
import { judgeRun } from './judge-run.js';
import { judgeStanding } from './judge-standing.js';
import { theilSen } from './robust.js';
import { bySource, type Runs } from './runs.js';
import type { Run } from './saved-run.js';
import { type Schedule, scheduleOf } from './schedule.js';
import { DAY_MS, spanInWords } from './words.js';

/** All that is wrong now, the worst first. Pure. */
export function findAlerts(runs: Runs, facts: AlertFacts): Alert[] {
  const alerts: Alert[] = [];
  for (const list of currentSources(runs.runs).values()) {
    const good = list.filter(({ ok }) => ok);
    const last = good.at(-1);
    if (last === undefined) continue;
    alerts.push(...judgeRun(last, list.slice(0, list.lastIndexOf(last))));
    alerts.push(...judgeWindow(good, scheduleOf(good), facts));
  }
  for (const capacity of capacities(runs.runs)) alerts.push(...judgeRoom(capacity, facts));
  alerts.push(...judgeStanding(runs, currentSources(runs.runs), facts));
  return alerts.sort((a, b) => b.grade - a.grade);
}

const FORMER_AFTER_RUNS = 3;
const FORMER_GUEST_MS = 30 * DAY_MS;

/**
 * Without those that are saved no more: a disk of a host that has saved another three times since (it was replaced, or it is
 * known by another path), and a guest that has had no backup for 30 days while others had.
 */
export function currentSources(runs: readonly Run[]): Map<string, Run[]> {
  const sources = bySource(runs);
  for (const [source, list] of sources) {
    const last = list.at(-1);
    if (last === undefined) continue;
    const since = runs.filter(
      ({ kind, host, ok, timeMs }) => ok && kind === last.kind && host === last.host && timeMs > last.timeMs,
    );
    const isFormer =
      last.kind === 'guest'
        ? since.some(({ timeMs }) => timeMs - last.timeMs > FORMER_GUEST_MS)
        : last.kind === 'boot' && since.length >= FORMER_AFTER_RUNS;
    if (isFormer) sources.delete(source);
  }
  return sources;
}

/** Days ahead that a trend of durations is believed. */
const AHEAD_DAYS = 14;
const TREND_RUNS = 30;
const LEAST_SURENESS = 3;
/** Below this share of the window no trend of some weeks is worth a word. */
const NEAR_SHARE = 0.5;

function judgeWindow(good: readonly Run[], schedule: Schedule | undefined, facts: AlertFacts): Alert[] {
  const last = good.at(-1);
  const windowMs = facts.windowMs ?? (schedule?.isRegular === true ? schedule.gapMs : undefined);
  if (last?.durationMs === undefined || windowMs === undefined || last.kind === 'guest') return [];
  const common = { kind: 'window', about: last.source, name: last.name } as const;
  const than = facts.windowMs === undefined ? 'there is from one run to the next' : 'alerts.window allows';
  const words = {
    means: 'the next run waits, or is at work while people are',
    todo: 'save less (exclude), faster (compress = "lz4"), or more seldom; boot.bwlimit may hold it back',
  };
  if (last.durationMs > windowMs) {
    const what = `it took ${spanInWords(last.durationMs)}, more than the ${spanInWords(windowMs)} that ${than}`;
    return [{ ...common, grade: 2, what, ...words }];
  }
  const known = good.slice(-TREND_RUNS).flatMap(({ timeMs, durationMs }) => {
    return durationMs === undefined ? [] : [{ x: (timeMs - last.timeMs) / DAY_MS, y: durationMs }];
  });
  const trend = theilSen(known);
  if (trend === undefined || trend.slope <= 0 || trend.sureness < LEAST_SURENESS) return [];
  const inDays = (windowMs - trend.offset) / trend.slope;
  if (last.durationMs < NEAR_SHARE * windowMs || inDays > AHEAD_DAYS) return [];
  const what =
    `it took ${spanInWords(last.durationMs)}, ${spanInWords(trend.slope)} more each day: ` +
    `in ${Math.max(0, Math.ceil(inDays))} days longer than the ${spanInWords(windowMs)} that ${than}`;
  return [{ ...common, grade: 1, what, ...words }];
}

/** A run refuses to begin where its set will not fit, and takes a fifth more than the last for that. */
const GROWTH = 1.2;

function judgeRoom(capacity: Capacity, { leastDaysLeft }: AlertFacts): Alert[] {
  const { path, freeBytes, sizeBytes, nextImageBytes, fullInDays, freeBytesPerDay } = capacity;
  const common = { kind: 'filling', about: path, name: path } as const;
  const free = `${roundSize(freeBytes)} of ${roundSize(sizeBytes)} are free`;
  const words = {
    means: 'more is kept than fits, or something else fills it too',
    todo: 'lifeboat prune --dry-run with fewer to keep (boot.prune-backups), or a larger target',
  };
  if (freeBytes < GROWTH * nextImageBytes) {
    const what = `${free}; the next set takes some ${roundSize(GROWTH * nextImageBytes)}`;
    return [{ ...common, grade: 4, what, ...words, means: 'the next run fails for want of room' }];
  }
  if (fullInDays === undefined || fullInDays >= leastDaysLeft) return [];
  const grade = fullInDays < leastDaysLeft / 4 ? 3 : fullInDays < leastDaysLeft / 2 ? 2 : 1;
  const what = `${free}, ${roundSize(-(freeBytesPerDay ?? 0))} less each day: full in ${Math.floor(fullInDays)} days`;
  return [{ ...common, grade, what, ...words }];
}
