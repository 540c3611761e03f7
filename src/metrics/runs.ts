import type { ReadRow } from './history-row.js';
import { numberOf, type Run, runOf, textOf } from './saved-run.js';

/** A restore that was done: the rehearsal of the worst day, or the day itself. */
export interface Restored {
  timeMs: number;
  ok: boolean;
  codec: string | undefined;
  place: string | undefined;
  plainBytes: number | undefined;
  predictedMs: number | undefined;
  /** What was predicted before anything was learnt from earlier restores. */
  modelMs: number | undefined;
  actualMs: number | undefined;
}

/** Something that was made is whole, as was proven after its run. */
export interface Proven {
  timeMs: number;
  place: string;
}

/** The history, sorted: each list oldest first. */
export interface Runs {
  runs: Run[];
  restored: Restored[];
  proven: Proven[];
  /** Rows whose time cannot be right: from the future, or from before Lifeboat was written. They are left out. */
  wrongTimes: number;
}

/** Clocks of one host are set by NTP; what is later than this was written with a clock that was wrong then, or is now. */
const AHEAD_MS = 10 * 60_000;
/** A host without a battery for its clock begins in 1970, or when its firmware was made. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);

/** Pure. Rows that tell too little are passed over; the order of the file does not matter, for a clock may be set back. */
export function sortRuns(rows: readonly ReadRow[], nowMs: number): Runs {
  const sorted: Runs = { runs: [], restored: [], proven: [], wrongTimes: 0 };
  for (const row of rows) {
    const timeMs = Date.parse(row.time);
    if (!(timeMs >= EARLIEST_MS && timeMs <= nowMs + AHEAD_MS)) {
      sorted.wrongTimes++;
      continue;
    }
    if (row.kind === 'restore') sorted.restored.push(restoredOf(row, timeMs));
    else if (row.kind === 'verify' || row.kind === 'verify-guest') {
      const place = textOf(row.kind === 'verify' ? row.image : row.target);
      if (row.outcome === 'whole' && place !== undefined) sorted.proven.push({ timeMs, place });
    } else {
      const run = runOf(row);
      if (run !== undefined) sorted.runs.push(run);
    }
  }
  for (const list of [sorted.runs, sorted.restored, sorted.proven])
    list.sort((a: { timeMs: number }, b: { timeMs: number }) => a.timeMs - b.timeMs);
  sorted.runs = withDisks(sorted.runs);
  return sorted;
}

function restoredOf(row: ReadRow, timeMs: number): Restored {
  return {
    timeMs,
    ok: row.outcome === 'success',
    codec: textOf(row.codec),
    place: textOf(row.image),
    plainBytes: numberOf(row.plainBytes),
    predictedMs: numberOf(row.predictedMs),
    modelMs: numberOf(row.modelMs),
    actualMs: numberOf(row.actualMs),
  };
}

/**
 * Rows of failed runs know the disk's path at most. They belong to the source that had this path last; one that failed
 * before it found its disk, to the host's last.
 */
function withDisks(runs: readonly Run[]): Run[] {
  const good = runs.filter(({ kind, ok }) => kind === 'boot' && ok);
  const byName = new Map(good.map((run) => [run.name, run]));
  const byHost = new Map(good.map((run) => [run.host, run]));
  return runs.map((run) => {
    if (run.kind !== 'boot' || run.ok) return run;
    const known = byName.get(run.name) ?? byHost.get(run.host);
    return known === undefined ? run : { ...run, source: known.source, name: known.name };
  });
}

/** Runs by their source, in the order in which the sources were first saved. */
export function bySource(runs: readonly Run[]): Map<string, Run[]> {
  const sources = new Map<string, Run[]>();
  for (const run of runs) {
    const list = sources.get(run.source);
    if (list === undefined) sources.set(run.source, [run]);
    else list.push(run);
  }
  return sources;
}
