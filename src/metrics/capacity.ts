import { theilSen } from './robust.js';
import type { Run } from './saved-run.js';
import { DAY_MS } from './words.js';

/** The room where backups go, and how it changes. */
export interface Capacity {
  /** The directory. */
  path: string;
  freeBytes: number;
  sizeBytes: number;
  /** Undefined: too few runs tell, or it does not shrink for sure. */
  fullInDays: number | undefined;
  /** Of the trend; less than 0 where it fills. */
  freeBytesPerDay: number | undefined;
  /** The largest of the last images that went there. */
  nextImageBytes: number;
  /** Oldest first. */
  points: { timeMs: number; freeBytes: number }[];
}

const LEAST_POINTS = 7;
/** Older ones tell of another time: another retention, another disk. */
const MOST_POINTS = 30;
const LEAST_DAYS = 3;
/** Kendall's test: one in a thousand by chance. */
const LEAST_SURENESS = 3;

/** Per target; pure. @param runs oldest first */
export function capacities(runs: readonly Run[]): Capacity[] {
  const byPath = new Map<string, Run[]>();
  for (const run of runs)
    if (run.target !== undefined) byPath.set(run.target.path, [...(byPath.get(run.target.path) ?? []), run]);
  return [...byPath].flatMap(([path, those]) => {
    const last = those.at(-1)?.target;
    if (last === undefined) return [];
    const points = those.flatMap(({ timeMs, target }) => (target ? [{ timeMs, freeBytes: target.freeBytes }] : []));
    // Another disk at the same place has a history of its own.
    const since = those.findLastIndex(({ target }) => target?.sizeBytes !== last.sizeBytes) + 1;
    const { freeBytes, sizeBytes } = last;
    const nextImageBytes = Math.max(0, ...those.slice(-5).map(({ imageBytes = 0 }) => imageBytes));
    return [{ path, freeBytes, sizeBytes, nextImageBytes, points, ...forecast(points.slice(since), freeBytes) }];
  });
}

function forecast(points: Capacity['points'], freeBytes: number): Pick<Capacity, 'fullInDays' | 'freeBytesPerDay'> {
  const last = points.slice(-MOST_POINTS);
  const [first] = last;
  const unknown = { fullInDays: undefined, freeBytesPerDay: undefined };
  if (first === undefined || last.length < LEAST_POINTS) return unknown;
  const days = last.map((point) => ({ x: (point.timeMs - first.timeMs) / DAY_MS, y: point.freeBytes }));
  const trend = theilSen(days);
  if (trend === undefined || (days.at(-1)?.x ?? 0) < LEAST_DAYS || Math.abs(trend.sureness) < LEAST_SURENESS)
    return unknown;
  const fullInDays = trend.slope < 0 ? freeBytes / -trend.slope : undefined;
  return { fullInDays, freeBytesPerDay: trend.slope };
}
