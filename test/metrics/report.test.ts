import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { findAlerts } from '../../src/metrics/alerts.js';
import type { HostCalibration } from '../../src/metrics/calibration-file.js';
import type { ReadRow } from '../../src/metrics/history.js';
import { reportPage } from '../../src/metrics/page/report-page.js';
import { prometheusText } from '../../src/metrics/prometheus.js';
import { makeReport, type Report } from '../../src/metrics/report.js';
import { reportTable } from '../../src/metrics/report-table.js';
import { sortRuns } from '../../src/metrics/runs.js';
import { bootNights, DAY_MS, factsAt, GIB, START_MS } from './synthetic.js';

const NIGHTS = 30;
const NOW_MS = START_MS + (NIGHTS - 1) * DAY_MS + 3_600_000;
const CALIBRATION: HostCalibration = {
  madeAt: new Date(START_MS).toISOString(),
  threads: 2,
  diskWriteBytesPerSecond: 100e6,
  codecs: [{ codec: 'zstd', level: 3, bytesPerSecondPerThread: 3e8, ratio: 2.6, decodeBytesPerSecondPerThread: 1e9 }],
};

/** So that none is due. */
const RESTORED: ReadRow = { kind: 'restore', time: new Date(START_MS).toISOString(), outcome: 'success' };

function reportOf(
  rows: readonly ReadRow[],
  options: { source?: string; brokenLines?: number; nowMs?: number } = {},
): Report {
  const { source, brokenLines = 0, nowMs = NOW_MS } = options;
  const history = { rows: [RESTORED, ...rows], brokenLines };
  return makeReport(history, { facts: factsAt(nowMs), days: 90, source, calibration: CALIBRATION });
}

const time = new Date(NOW_MS - DAY_MS / 2).toISOString();
const nights = bootNights({ seed: 1, noise: 0.05, count: NIGHTS });
const guest = (vmid: number, over: object = {}): ReadRow => ({ kind: 'guest', time, vmid, outcome: 'ok', ...over });

describe('the table', () => {
  test('has a line for each source, with sparklines, verification and the time of a restore', () => {
    const table = reportTable(
      reportOf([...nights, guest(100, { hostname: 'web', bytes: GIB, archiveBytes: GIB / 2 })]),
      true,
    );
    assert.match(table[0] ?? '', /^SOURCE +LAST RUN +SIZE +RATIO +SPEED +TOOK +VERIFIED +RESTORE$/);
    assert.match(
      table[1] ?? '',
      /^pve1 \/dev\/sda {2}.* ago +4\.\d GiB +2\.\d\d +[▁-█]{12} +\d+ MB\/s +[▁-█]{12} +1\.\d min +[▁-█]{12} +.* ago +~2\.\d min$/,
    );
    assert.match(table[2] ?? '', /^guest 100 \(web\) +12 h ago +512\.0 MiB +2\.00/);
    assert.ok(table.includes('no alerts'));
    assert.match(table.join('\n'), /\/mnt\/nas: [89]\d\d\.\d GiB of 2\.0 TiB free/);
  });

  test('has nothing but ASCII where the locale has', () => {
    for (const line of reportTable(reportOf(nights), false)) assert.match(line, /^[ -~]*$/);
  });

  test('says of an alert what was found, what it may mean and what to do', () => {
    const rows = bootNights({
      seed: 1,
      noise: 0,
      count: 40,
      plant: (night) => (night === 39 ? { imageBytes: 11 * GIB } : {}),
    });
    const table = reportTable(reportOf(rows, { nowMs: NOW_MS + 10 * DAY_MS }), true);
    const at = table.findIndex((line) => line.startsWith('ratio-low: pve1 /dev/sda: ratio 1.'));
    assert.match(table[at] ?? '', /5\d % under the usual 2\.60 of 30 runs$/);
    assert.match(table[at + 1] ?? '', /^ {2}may mean: /);
    assert.match(table[at + 2] ?? '', /^ {2}to do: /);
  });
});

describe('bad input', () => {
  test('broken lines and rows with a wrong time are left out, counted and said', () => {
    const wrong = ['2027-01-01T00:00:00.000Z', '1970-01-01T00:00:10.000Z'].map(
      (when) => ({ ...nights[0], time: when }) as ReadRow,
    );
    const report = reportOf([...nights, ...wrong], { brokenLines: 2 });
    assert.equal(report.sources[0]?.runs.length, NIGHTS);
    assert.match(report.notes[0] ?? '', /^2 lines of the history could not be read and are left out/);
    assert.match(report.notes[1] ?? '', /^2 of 33 rows are left out, for their time is from the future or long ago/);
  });

  test('a clock that was set back for some nights changes the order of the file, not the report', () => {
    const shuffled = [...nights.slice(10), ...nights.slice(0, 10)];
    assert.deepEqual(reportOf(shuffled), reportOf(nights));
  });

  test('a clock of now that is wrong is said, and raises no alarm but that nothing is known', () => {
    const report = reportOf(nights, { nowMs: START_MS - 30 * DAY_MS });
    assert.deepEqual(report.sources, []);
    assert.match(report.notes[0] ?? '', /^31 of 31 rows are left out/);
    assert.deepEqual(
      report.alerts.map(({ kind }) => kind),
      ['no-success'],
    );
  });

  test('a disk under another name is the same disk by its serial number, and its failed runs are its own', () => {
    const renamed = nights.map((row, night) => (night < 20 ? row : ({ ...row, disk: '/dev/sdb' } as ReadRow)));
    const failed = { ...nights[0], time, outcome: 'failure', disk: '/dev/sdb', serial: undefined } as ReadRow;
    const lost = { ...failed, disk: undefined } as unknown as ReadRow;
    const report = reportOf([...renamed, failed, lost]);
    assert.deepEqual(
      report.sources.map(({ name, runs }) => [name, runs.length]),
      [['pve1 /dev/sdb', NIGHTS + 2]],
    );
  });

  test('one without a serial number is another source; the old one is saved no more after three runs of the new', () => {
    const renamed = nights.map(
      (row, night) => ({ ...row, serial: undefined, disk: night < 20 ? '/dev/sda' : '/dev/sdb' }) as ReadRow,
    );
    const report = reportOf(renamed);
    assert.deepEqual(
      report.sources.map(({ name, isFormer }) => [name, isFormer]),
      [
        ['pve1 /dev/sda', true],
        ['pve1 /dev/sdb', false],
      ],
    );
    assert.deepEqual(report.alerts, []);
    assert.doesNotMatch(prometheusText(report, '1'), /sda/);
  });

  test('a guest that is gone is one that is saved no more after 30 days, and late until then', () => {
    const guests = Array.from({ length: 60 }, (_, day): ReadRow[] => {
      const when = new Date(START_MS + day * DAY_MS).toISOString();
      return [guest(100, { time: when }), ...(day < 20 ? [guest(101, { time: when, hostname: 'old' })] : [])];
    }).flat();
    const kinds = (day: number) => {
      const nowMs = START_MS + day * DAY_MS + 1;
      const known = guests.filter((row) => Date.parse(row.time) <= nowMs);
      return findAlerts(sortRuns(known, nowMs), factsAt(nowMs, { expectsBoot: false })).map(
        ({ kind, name }) => `${kind} ${name}`,
      );
    };
    assert.deepEqual(kinds(20), []);
    assert.deepEqual(kinds(22), ['no-success guest 101 (old)']);
    assert.deepEqual(kinds(55), []);
  });

  test('whatever rows hold, there is a report in every form, with no figure that is none', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(1e300, 5e-324, 2 ** 53, -1, 0, 'text', 40e12), fc.double());
    const keys = [
      'host',
      'disk',
      'serial',
      'codec',
      'outcome',
      'readBytes',
      'plainBytes',
      'imageBytes',
      'durationMs',
      'stages',
      'ratioHistogram',
      'target',
      'vmid',
      'bytes',
      'archiveBytes',
      'MBps',
      'hostname',
      'set',
      'image',
      'predictedMs',
      'actualMs',
    ];
    const row = fc.record({
      kind: fc.constantFrom('boot', 'image', 'guest', 'restore', 'verify', 'verify-guest'),
      day: fc.integer({ min: 0, max: 40 }),
      fields: fc.dictionary(fc.constantFrom(...keys), value),
      sound: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), (made) => {
        const rows = made.map(({ kind, day, fields, sound }) => {
          const base = sound ? { ...nights[day % NIGHTS], vmid: 7 } : {};
          const text = JSON.stringify({
            ...base,
            ...fields,
            kind,
            time: new Date(START_MS + day * DAY_MS).toISOString(),
          });
          return JSON.parse(text) as ReadRow;
        });
        const report = reportOf(rows);
        const shown = [reportTable(report, true).join('\n'), prometheusText(report, '1')];
        for (const text of shown)
          assert.doesNotMatch(text.replace(/"[^"]*"|^.*(sda|guest|note).*$/gm, ''), /NaN|Infinity|undefined/);
        assert.match(reportPage(report, 'h', '1'), /<\/html>\n$/);
        for (const [, x] of reportPage(report, 'h', '1').matchAll(/ (?:points|cx|cy|x1|y1|height|y)="([^"]*)"/g))
          assert.match(x ?? '', /^[-\d., e+]*$/);
      }),
      { numRuns: 300 },
    );
  });

  test('terabytes and years are words too', () => {
    const rows = bootNights({
      seed: 1,
      noise: 0,
      count: 12,
      plant: () => ({ readBytes: 40e12, imageBytes: 20e12, durationMs: 3 * DAY_MS, stages: { wallMs: 3 * DAY_MS } }),
    });
    const table = reportTable(reportOf(rows, { nowMs: START_MS + 11 * DAY_MS + 3_600_000 }), true);
    assert.match(table[1] ?? '', /18\.2 TiB +2\.00 .* 154 MB\/s .* 3 days .* ~4 days/);
  });
});

describe('one source only', () => {
  test('by a part of its name, with its own alerts', () => {
    const rows = [...nights, guest(100, { hostname: 'web' }), guest(101, { hostname: 'mail' })];
    assert.deepEqual(
      reportOf(rows, { source: 'MAIL' }).sources.map(({ name }) => name),
      ['guest 101 (mail)'],
    );
    assert.deepEqual(reportOf(rows, { source: 'MAIL' }).targets, []);
    assert.equal(reportOf(rows, { source: 'sda' }).targets.length, 1);
    assert.deepEqual(reportOf(rows, { source: 'nobody' }).sources, []);
  });
});

describe('Prometheus', () => {
  const text = prometheusText(reportOf([...nights, guest(100, { hostname: 'a"b\\c\nd', archiveBytes: 3 })]), '0.1.0');

  test('each line is a sample, or says what the next ones are, and names stand together', () => {
    const names: string[] = [];
    for (const line of text.trimEnd().split('\n').slice(1)) {
      const sample = /^(lifeboat_[a-z_]+)(\{([a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? -?\d+(\.\d+)?(e[+-]?\d+)?$/.exec(
        line,
      );
      if (sample !== null && names.at(-1) !== sample[1]) names.push(sample[1] ?? '');
      assert.ok(sample !== null || /^# (HELP lifeboat_\w+ .+\.|TYPE lifeboat_\w+ gauge)$/.test(line), line);
    }
    assert.deepEqual(names, [...new Set(names)]);
    assert.ok(names.includes('lifeboat_restore_predicted_seconds') && names.includes('lifeboat_target_free_bytes'));
  });

  test('figures are in seconds and bytes', () => {
    const value = (name: string, labels: string) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(name) && line.includes(labels))
          ?.split(' ')
          .at(-1),
      );
    const last = nights.at(-1) as unknown as { time: string; durationMs: number; imageBytes: number };
    assert.equal(value('lifeboat_last_success_timestamp_seconds{', '"boot"'), Date.parse(last.time) / 1000);
    assert.equal(value('lifeboat_duration_seconds{', '"boot"'), last.durationMs / 1000);
    assert.equal(value('lifeboat_image_bytes{', 'a\\"b\\\\c\\nd'), 3);
    assert.equal(value('lifeboat_alerts ', ''), 0);
  });
});
