import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Alert } from '../../src/metrics/alert.js';
import { findAlerts } from '../../src/metrics/alerts.js';
import type { ReadRow } from '../../src/metrics/history.js';
import { sortRuns } from '../../src/metrics/runs.js';
import { type BootLike, bootNights, DAY_MS, factsAt, GIB, START_MS } from './synthetic.js';

const NIGHTS = 365;
const RESTORED: ReadRow = {
  kind: 'restore',
  time: new Date(START_MS + 1000).toISOString(),
  outcome: 'success',
};

/** Alerts as they are right after a night's run. */
function alertsAfter(rows: readonly ReadRow[], night: number): Alert[] {
  const known = [RESTORED, ...rows.slice(0, night + 1)];
  const nowMs = Date.parse(rows[night]?.time ?? '') + 3_600_000;
  return findAlerts(sortRuns(known, nowMs), factsAt(nowMs));
}

/** What would be told in a year of nights: each alert when it begins. */
function toldInAYear(rows: readonly ReadRow[]): string[] {
  const told: string[] = [];
  let before = new Set<string>();
  for (let night = 0; night < rows.length; night++) {
    const now = new Set(alertsAfter(rows, night).map(({ kind }) => kind));
    for (const kind of now) if (!before.has(kind)) told.push(`${kind} on night ${night}`);
    before = now;
  }
  return told;
}

describe('false alarms', () => {
  test('a year of steady nights has less than one, whatever the noise', () => {
    const years = Number(process.env.LIFEBOAT_TEST_YEARS ?? 4);
    for (const noise of [0.03, 0.1, 0.2, 0.3]) {
      const told = Array.from({ length: years }, (_, seed) =>
        toldInAYear(bootNights({ seed: 1 + seed, noise, count: NIGHTS })),
      ).flat();
      if (process.env.LIFEBOAT_TEST_YEARS)
        process.stdout.write(`noise ${noise}: ${told.length} in ${years} years ${told}\n`);
      assert.ok(told.length < years, `noise ${noise}: ${told.length} in ${years} years: ${told.join(', ')}`);
    }
  });
});

const HOUR_MS = 3_600_000;
const FAILED = {
  outcome: 'failure',
  error: 'no space',
  readBytes: undefined,
  imageBytes: undefined,
  stages: undefined,
};

function standing(rows: readonly ReadRow[], nowMs: number, kind: Alert['kind']): Alert | undefined {
  return findAlerts(sortRuns(rows, nowMs), factsAt(nowMs)).find((alert) => alert.kind === kind);
}

/** What goes wrong on a night, and the alert that must say so after that very run. */
const ANOMALIES: [Alert['kind'], string, (row: BootLike) => object][] = [
  ['ratio-low', 'half of it is encrypted', (row) => ({ imageBytes: row.imageBytes * 1.8 })],
  ['ratio-high', 'most of it was wiped', (row) => ({ imageBytes: row.imageBytes / 4 })],
  ['slow', 'at a quarter of the speed', (row) => slower(row, 4)],
  ['slow', 'at 9 MB/s', (row) => slower(row, row.readBytes / 9e3 / row.stages.wallMs)],
  ['long', 'it waited for hours', (row) => ({ durationMs: row.durationMs + 3 * 3_600_000 })],
  ['window', 'it took longer than a day', (row) => ({ durationMs: row.durationMs + 25 * 3_600_000 })],
  ['shift', '1 chunk of 10 is encrypted, and the ratio looks as before', (row) => encrypted(row, 1 / 10)],
  ['filling', 'something else filled the target', (row) => ({ target: { ...row.target, freeBytes: 4 * GIB } })],
];

function slower(row: BootLike, factor: number): object {
  const wallMs = row.stages.wallMs * factor;
  return { stages: { wallMs }, durationMs: row.durationMs + wallMs };
}

function encrypted({ ratioHistogram }: BootLike, share: number): object {
  const moved = ratioHistogram.map((count) => Math.round(count * (1 - share)));
  const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
  moved[15] = (moved[15] ?? 0) + sum(ratioHistogram) - sum(moved);
  return { ratioHistogram: moved };
}

describe('planted anomalies', () => {
  test('no success: the first look after a missed night says so, and that two failed', () => {
    const rows = bootNights({ seed: 1, noise: 0.1, count: 40, plant: (night) => (night > 37 ? FAILED : {}) });
    const at = (hours: number) => standing(rows, Date.parse(rows[37]?.time ?? '') + hours * HOUR_MS, 'no-success');
    assert.equal(at(41), undefined);
    assert.match(at(43)?.what ?? '', /was 43 h ago \(2026-02-07 02:\d\d\), usual are 24 h; 1 failed since$/);
    assert.deepEqual([at(43)?.grade, at(90)?.grade, at(200)?.grade], [1, 2, 3]);
    assert.equal(standing(rows.slice(0, 38), Date.parse(rows[37]?.time ?? '') + 43 * HOUR_MS, 'no-success')?.grade, 1);
  });

  test('no success: working days only are a schedule too', () => {
    const rows = bootNights({ seed: 1, noise: 0.1, count: 60 }).filter((_, night) => night % 7 < 5);
    const last = Date.parse(rows.at(-1)?.time ?? '');
    assert.equal(standing(rows, last + 72 * HOUR_MS, 'no-success'), undefined);
    assert.ok(standing(rows, last + 90 * HOUR_MS, 'no-success'));
  });

  test('no success at all, where a boot disk is meant to be saved', () => {
    assert.match(standing([], START_MS, 'no-success')?.what ?? '', /^no good run of lifeboat boot is in the history$/);
    const failed = bootNights({ seed: 1, noise: 0, count: 2, plant: () => FAILED });
    assert.match(standing(failed, START_MS + 2 * DAY_MS, 'no-success')?.what ?? '', /, and 2 failed$/);
    const unexpected = findAlerts(sortRuns([], START_MS), factsAt(START_MS, { expectsBoot: false }));
    assert.deepEqual(unexpected, []);
  });

  test('never verified: after three runs; after four weeks since the last; a verify by hand ends it', () => {
    const rows = bootNights({ seed: 1, noise: 0, count: 60, plant: (night) => ({ verified: night === 5 }) });
    const at = (night: number, more: ReadRow[] = []) =>
      standing([...more, ...rows.slice(0, night + 1)], START_MS + night * DAY_MS + HOUR_MS, 'unverified')?.what;
    assert.equal(at(1), undefined);
    assert.equal(at(2), 'none of its 3 backups was ever verified');
    assert.equal(at(6), undefined);
    assert.match(at(35) ?? '', /^none of its backups was verified for (29|30) days$/);
    const time = new Date(START_MS + 34 * DAY_MS).toISOString();
    assert.equal(at(35, [{ kind: 'verify', time, image: '/mnt/nas/pve1/33', outcome: 'whole' }]), undefined);
    assert.ok(at(35, [{ kind: 'verify', time, image: '/mnt/nas/other', outcome: 'whole' }]));
    assert.ok(at(35, [{ kind: 'verify', time, image: '/mnt/nas/pve1/33', outcome: 'damaged' }]));
  });

  test('never rehearsed: after two weeks, and again half a year after the last', () => {
    const rows = bootNights({ seed: 1, noise: 0, count: 200 });
    const at = (night: number, restored: ReadRow[]) => {
      const nowMs = START_MS + night * DAY_MS + HOUR_MS;
      const facts = factsAt(nowMs, { rehearseEveryMs: 182 * DAY_MS });
      const alerts = findAlerts(sortRuns([...rows.slice(0, night + 1), ...restored], nowMs), facts);
      return alerts.find(({ kind }) => kind === 'unrehearsed')?.what;
    };
    assert.equal(at(13, []), undefined);
    assert.match(at(15, []) ?? '', /^16 sets in 15 days, and no restore was ever rehearsed$/);
    assert.equal(at(181, [RESTORED]), undefined);
    assert.match(at(184, [RESTORED]) ?? '', /^the last rehearsal of a restore was 184 days ago$/);
    assert.ok(at(20, [{ ...RESTORED, outcome: 'failure' }]));
  });

  test('a target that fills: told two weeks before, and again at one week and at three days', () => {
    const plant = (night: number, { target }: BootLike) => ({
      target: { ...target, freeBytes: (100 - night) * 10 * GIB },
      imageBytes: GIB,
    });
    const rows = bootNights({ seed: 1, noise: 0.1, count: 100, plant });
    const grade = (night: number) => alertsAfter(rows, night).find(({ kind }) => kind === 'filling')?.grade;
    assert.deepEqual([80, 85, 87, 92, 94, 97].map(grade), [undefined, undefined, 1, 1, 2, 3]);
    const words = alertsAfter(rows, 90).find(({ kind }) => kind === 'filling')?.what;
    assert.match(words ?? '', /^100\.0 GiB of 2\.0 TiB are free, 10\.0 GiB less each day: full in (9|10) days$/);
  });

  test('a duration that grows towards the window is told two weeks before it gets there', () => {
    const plant = (night: number) => ({ durationMs: (2 + 0.05 * night) * HOUR_MS });
    const rows = bootNights({ seed: 1, noise: 0.1, count: 90, plant });
    const at = (night: number) => {
      const nowMs = Date.parse(rows[night]?.time ?? '') + HOUR_MS;
      const facts = factsAt(nowMs, { windowMs: 6 * HOUR_MS });
      return findAlerts(sortRuns(rows.slice(0, night + 1), nowMs), facts).find(({ kind }) => kind === 'window');
    };
    assert.equal(at(60), undefined);
    assert.match(
      at(70)?.what ?? '',
      /^it took 5\.5 h, 3\.0 min more each day: in 1[01] days longer than the 6\.0 h that alerts\.window/,
    );
    assert.equal(at(81)?.grade, 2);
  });

  test('a limit of ours is no slow disk', () => {
    const plant = (night: number, row: BootLike) => (night === 40 ? { ...slower(row, 3), bwlimitKiBps: 130_000 } : {});
    const rows = bootNights({ seed: 1, noise: 0.05, count: 41, plant });
    assert.deepEqual(alertsAfter(rows, 40), []);
  });

  for (const [kind, what, change] of ANOMALIES)
    test(`${kind}: ${what}, and it is found after that very run`, () => {
      fc.assert(
        fc.property(
          fc.nat(1e6),
          fc.integer({ min: 10, max: 90 }),
          fc.constantFrom(0.03, 0.1, 0.15),
          (seed, night, noise) => {
            const plant = (at: number, row: BootLike) => (at === night ? change(row) : {});
            const rows = bootNights({ seed, noise, count: night + 1, plant });
            const kinds = alertsAfter(rows, night).map((alert) => alert.kind);
            assert.ok(kinds.includes(kind), `${kinds}`);
            assert.ok(!alertsAfter(rows, night - 1).some((alert) => alert.kind === kind), 'the night before');
          },
        ),
        { numRuns: 60 },
      );
    });
});
