import type { Alert, AlertFacts, AlertKind } from './alert.js';
import { currentSources, findAlerts } from './alerts.js';
import { type Baseline, baselineFor } from './baseline.js';
import type { HostCalibration } from './calibration-file.js';
import { type Capacity, capacities } from './capacity.js';
import type { History } from './history.js';
import { judgeRun } from './judge-run.js';
import { lastProven } from './judge-standing.js';
import { type Prediction, predictRestore } from './recovery-time.js';
import { bySource, type Restored, type Runs, sortRuns } from './runs.js';
import type { Run } from './saved-run.js';
import { DAY_MS } from './words.js';

/** A run, what was usual before it, and what was odd about it. */
export interface ReportedRun {
  run: Run;
  baseline: Baseline;
  odd: AlertKind[];
}

export interface SourceReport {
  source: string;
  name: string;
  kind: Run['kind'];
  /** It is saved no more: replaced, renamed, or a guest that is gone. */
  isFormer: boolean;
  /** Of the days that are reported, oldest first. */
  runs: ReportedRun[];
  /** Of the whole history. */
  last: Run;
  lastGood: Run | undefined;
  provenMs: number | undefined;
  /** Of the last good run's image. */
  recovery: Prediction | undefined;
}

export interface Report {
  nowMs: number;
  days: number;
  sources: SourceReport[];
  targets: Capacity[];
  alerts: Alert[];
  /** The last ones, oldest first. */
  restored: Restored[];
  /** What the reader should know of the history itself. */
  notes: string[];
}

export interface ReportOptions {
  facts: AlertFacts;
  days: number;
  /** Only sources whose name has this in it. */
  source: string | undefined;
  calibration: HostCalibration | undefined;
}

const MOST_RESTORES = 10;

/** All that `lifeboat report` shows. Pure. */
export function makeReport(history: History, { facts, days, source, calibration }: ReportOptions): Report {
  const { nowMs } = facts;
  const sorted = sortRuns(history.rows, nowMs);
  const current = currentSources(sorted.runs);
  const sinceMs = nowMs - days * DAY_MS;
  const wanted = source?.toLowerCase() ?? '';
  const sources = [...bySource(sorted.runs)].flatMap(([id, list]): SourceReport[] => {
    const last = list.at(-1);
    if (last === undefined || !`${last.name}\n${id}`.toLowerCase().includes(wanted)) return [];
    // A former one that has nothing in these days says nothing.
    if (!current.has(id) && last.timeMs < sinceMs) return [];
    return [sourceReport(id, list, last, sorted, { calibration, sinceMs, isFormer: !current.has(id) })];
  });
  const names = new Set(sources.flatMap((one) => [one.source, one.last.host, ...placesOf(one)]));
  const isWanted = ({ about }: { about: string }) => source === undefined || names.has(about) || about === 'boot';
  return {
    nowMs,
    days,
    sources: sources.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || (a.name < b.name ? -1 : 1)),
    targets: capacities(sorted.runs).filter(({ path }) => isWanted({ about: path })),
    alerts: findAlerts(sorted, facts).filter(isWanted),
    restored: sorted.restored.slice(-MOST_RESTORES),
    notes: notesOf(history, sorted, nowMs),
  };
}

const ORDER: readonly Run['kind'][] = ['boot', 'image', 'guest'];

function sourceReport(
  source: string,
  list: readonly Run[],
  last: Run,
  { proven, restored }: Runs,
  { calibration, sinceMs, isFormer }: { calibration: HostCalibration | undefined; sinceMs: number; isFormer: boolean },
): SourceReport {
  const lastGood = list.findLast(({ ok }) => ok);
  const runs = list.flatMap((run, index): ReportedRun[] => {
    if (run.timeMs < sinceMs) return [];
    const earlier = list.slice(0, index);
    const baseline = baselineFor(run, earlier);
    return [{ run, baseline, odd: judgeRun(run, earlier, baseline).map(({ kind }) => kind) }];
  });
  return {
    source,
    name: last.name,
    kind: last.kind,
    isFormer,
    runs,
    last,
    lastGood,
    provenMs: lastProven(list, proven),
    recovery: recoveryOf(lastGood, calibration, restored),
  };
}

/** Archives of guests are restored by Proxmox, whose speed is another. */
function recoveryOf(
  run: Run | undefined,
  calibration: HostCalibration | undefined,
  restored: readonly Restored[],
): Prediction | undefined {
  if (run === undefined || run.kind === 'guest') return undefined;
  const { codec, level, imageBytes, readBytes: dataBytes } = run;
  if (codec === undefined || imageBytes === undefined || dataBytes === undefined) return undefined;
  return predictRestore({ codec, level, imageBytes, dataBytes }, calibration, restored);
}

function placesOf({ runs }: SourceReport): string[] {
  return runs.flatMap(({ run }) => (run.target === undefined ? [] : [run.target.path]));
}

function notesOf({ rows, brokenLines }: History, { wrongTimes }: Runs, nowMs: number): string[] {
  const notes: string[] = [];
  if (rows.length === 0) notes.push('the history is empty: lifeboat boot and the hook of vzdump fill it');
  if (brokenLines > 0)
    notes.push(
      `${brokenLines} ${brokenLines === 1 ? 'line' : 'lines'} of the history could not be read and ${brokenLines === 1 ? 'is' : 'are'} left out: a crash cuts one off; if there are more, somebody else wrote there`,
    );
  if (wrongTimes > 0)
    notes.push(
      `${wrongTimes} of ${rows.length} rows are left out, for their time is from the future or long ago: a clock was wrong then, or this host's is now (${new Date(nowMs).toISOString()})`,
    );
  return notes;
}
