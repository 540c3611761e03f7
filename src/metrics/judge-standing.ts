import type { Alert, AlertFacts } from './alert.js';
import type { Runs } from './runs.js';
import type { Run } from './saved-run.js';
import { scheduleOf } from './schedule.js';
import { DAY_MS, spanInWords, timeInShort } from './words.js';

/** What no single run tells: that there was none, that nobody has proven one, that nobody has tried to restore one. */
export function judgeStanding(runs: Runs, current: ReadonlyMap<string, Run[]>, facts: AlertFacts): Alert[] {
  const sources = [...current.values()];
  return [
    ...judgeFirst(runs, facts),
    ...sources.flatMap((list) => judgeLateness(list, facts)),
    ...sources.flatMap((list) => judgeProof(list, runs, facts)),
    ...judgeRehearsal(runs, facts),
  ];
}

const LATE = {
  means: 'it is not started (timer, cron or hook), or it fails each time',
  todo: 'systemctl list-timers lifeboat.timer; grep ^script: /etc/vzdump.conf; then lifeboat boot by hand',
};

function judgeFirst({ runs }: Runs, { expectsBoot }: AlertFacts): Alert[] {
  if (!expectsBoot || runs.some(({ kind, ok }) => kind === 'boot' && ok)) return [];
  const tries = runs.filter(({ kind }) => kind === 'boot').length;
  const what = `no good run of lifeboat boot is in the history${tries === 0 ? '' : `, and ${tries} failed`}`;
  return [{ kind: 'no-success', about: 'boot', name: 'boot disk', grade: 2, what, ...LATE }];
}

/** A week more than a week: what is saved too seldom for its schedule to be known. */
const UNKNOWN_SCHEDULE_MS = 8 * DAY_MS;
const REGULAR_IMAGES = 10;

function judgeLateness(list: readonly Run[], { nowMs, maxAgeMs }: AlertFacts): Alert[] {
  const good = list.filter(({ ok }) => ok);
  const last = good.at(-1);
  if (last === undefined) return [];
  const schedule = scheduleOf(good);
  // Nobody has promised another image by hand, unless they come like clockwork.
  if (last.kind === 'image' && (good.length < REGULAR_IMAGES || schedule?.isRegular !== true)) return [];
  const limitMs = maxAgeMs ?? schedule?.lateAfterMs ?? UNKNOWN_SCHEDULE_MS;
  const ageMs = nowMs - last.timeMs;
  if (ageMs <= limitMs) return [];
  const failed = list.slice(list.lastIndexOf(last) + 1).length;
  const usual = schedule === undefined ? '' : `, usual are ${spanInWords(schedule.gapMs)}`;
  const what =
    `the last good run was ${spanInWords(ageMs)} ago (${timeInShort(last.timeMs)})${usual}` +
    `${failed === 0 ? '' : `; ${failed} failed since`}`;
  const grade = ageMs > 4 * limitMs ? 3 : ageMs > 2 * limitMs ? 2 : 1;
  return [{ kind: 'no-success', about: last.source, name: last.name, grade, what, ...LATE }];
}

/** After so many runs nobody can say that it was forgotten once. */
const UNPROVEN_RUNS = 3;

function judgeProof(list: readonly Run[], { proven }: Runs, facts: AlertFacts): Alert[] {
  const good = list.filter(({ ok }) => ok);
  const [first] = good;
  const last = good.at(-1);
  if (first === undefined || last === undefined || (first.kind === 'guest' && !facts.verifiesGuests)) return [];
  const provenMs = lastProven(list, proven);
  const ageMs = facts.nowMs - (provenMs ?? first.timeMs);
  if (provenMs === undefined ? good.length < UNPROVEN_RUNS : ageMs <= facts.verifyEveryMs) return [];
  const what =
    provenMs === undefined
      ? `none of its ${good.length} backups was ever verified`
      : `none of its backups was verified for ${spanInWords(ageMs)}`;
  return [
    {
      kind: 'unverified',
      about: last.source,
      name: last.name,
      grade: 1,
      what,
      means: 'nobody knows whether it can be read back',
      todo:
        last.kind === 'guest'
          ? `lifeboat verify "${last.place ?? 'ARCHIVE'}"`
          : `lifeboat verify "${last.place ?? 'SET'}"; verify = true under [boot] does it in each run`,
    },
  ];
}

/** When one of a source's backups was last proven whole, by its run or since. */
export function lastProven(list: readonly Run[], proven: Runs['proven']): number | undefined {
  const places = new Set(list.map(({ place }) => place));
  const times = [
    ...list.filter(({ ok, verified }) => ok && verified).map(({ timeMs }) => timeMs),
    ...proven.filter(({ place }) => places.has(place)).map(({ timeMs }) => timeMs),
  ];
  return times.length === 0 ? undefined : Math.max(...times);
}

/** Time to find a spare disk for it. */
const FIRST_REHEARSAL_MS = 14 * DAY_MS;

function judgeRehearsal({ runs, restored }: Runs, { nowMs, rehearseEveryMs }: AlertFacts): Alert[] {
  const boots = runs.filter(({ kind, ok }) => kind === 'boot' && ok);
  const [first] = boots;
  if (first === undefined) return [];
  const last = restored.findLast(({ ok }) => ok);
  const limitMs = last === undefined ? Math.min(FIRST_REHEARSAL_MS, rehearseEveryMs) : rehearseEveryMs;
  const ageMs = nowMs - (last?.timeMs ?? first.timeMs);
  if (ageMs <= limitMs) return [];
  const what =
    last === undefined
      ? `${boots.length} sets in ${spanInWords(ageMs)}, and no restore was ever rehearsed`
      : `the last rehearsal of a restore was ${spanInWords(ageMs)} ago`;
  const place = boots.at(-1)?.place ?? 'SET';
  return [
    {
      kind: 'unrehearsed',
      about: first.host ?? 'boot',
      name: first.host ?? 'this host',
      grade: 1,
      what,
      means: 'on the worst day it is done for the first time',
      todo: `lifeboat restore "${place}" -o /dev/SPARE --confirm SPARE --check, or -o FILE where there is room`,
    },
  ];
}
