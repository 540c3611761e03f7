import { roundSize } from '../../device/sizes.js';
import type { AlertKind } from '../alert.js';
import type { Baseline, Usual } from '../baseline.js';
import type { ReportedRun, SourceReport } from '../report.js';
import type { Run } from '../saved-run.js';
import { spanInWords, speedInWords, timeInShort } from '../words.js';
import { SIZE_UNITS, SPEED_UNITS, TIME_UNITS } from './axis.js';
import { histogramChart } from './histogram-chart.js';
import { element, type Markup, text } from './markup.js';
import { timeChart } from './time-chart.js';

export interface Period {
  nowMs: number;
  fromMs: number;
}

/** Half the width of the band, in standard deviations. */
const BAND_DEVIATIONS = 3;

/** One source: how it stands, and how its ratio, speed, duration and size went. */
export function sourceCard(source: SourceReport, { nowMs, fromMs }: Period): Markup {
  const { name, kind, isFormer, runs, last } = source;
  const state = isFormer ? 'saved no more' : last.ok ? 'good' : 'FAILED';
  const charts = CHARTS.map(({ kinds, of, usual, ...how }) =>
    timeChart({
      ...how,
      points: runs.map((one) => pointOf(one, kinds, of, usual(one.baseline))),
      fromMs,
      toMs: nowMs,
      // A hundred guests with a word for each night would be a page of megabytes.
      tellsPoints: kind !== 'guest',
    }),
  );
  return element(
    'section',
    { class: 'card' },
    element(
      'div',
      { class: 'head' },
      element('h3', {}, text(name)),
      element('span', { class: state === 'FAILED' ? 'state bad' : 'state' }, text(state)),
    ),
    ...(last.ok || last.error === undefined ? [] : [element('p', {}, text(last.error))]),
    facts(source, nowMs),
    element('div', { class: 'charts' }, ...charts, ...histogramOf(runs)),
  );
}

interface SourceChart {
  title: string;
  /** Alerts that are marked in it. */
  kinds: AlertKind[];
  of(run: Run): number | undefined;
  usual(baseline: Baseline): Usual | undefined;
  inWords(value: number): string;
  units?: readonly number[];
}

const CHARTS: readonly SourceChart[] = [
  {
    title: 'Ratio',
    kinds: ['ratio-low', 'ratio-high'],
    of: ({ ratio }) => ratio,
    usual: ({ ratio }) => ratio,
    inWords: (value) => value.toFixed(value < 100 ? 2 : 0),
  },
  {
    title: 'Throughput',
    kinds: ['slow'],
    of: ({ bytesPerSecond }) => bytesPerSecond,
    usual: ({ bytesPerSecond }) => bytesPerSecond,
    inWords: speedInWords,
    units: SPEED_UNITS,
  },
  {
    title: 'Duration',
    kinds: ['long'],
    of: ({ durationMs }) => durationMs,
    usual: ({ durationMs }) => durationMs,
    inWords: spanInWords,
    units: TIME_UNITS,
  },
  {
    title: 'Size',
    kinds: [],
    of: ({ imageBytes }) => imageBytes,
    usual: ({ imageBytes }) => imageBytes,
    inWords: roundSize,
    units: SIZE_UNITS,
  },
];

function pointOf({ run, odd }: ReportedRun, kinds: AlertKind[], of: SourceChart['of'], usual: Usual | undefined) {
  const found = odd.filter((kind) => kinds.includes(kind));
  const half = usual === undefined ? 0 : BAND_DEVIATIONS * usual.deviation;
  return {
    timeMs: run.timeMs,
    value: run.ok ? of(run) : undefined,
    low: usual === undefined ? undefined : usual.median - half,
    high: usual === undefined ? undefined : usual.median + half,
    odd: found.length === 0 ? undefined : found.join(', '),
  };
}

function histogramOf(runs: readonly ReportedRun[]): Markup[] {
  const known = runs.flatMap(({ run, odd }) =>
    run.ok && run.ratioHistogram ? [{ counts: run.ratioHistogram, odd }] : [],
  );
  const last = known.at(-1);
  return last === undefined ? [] : [histogramChart(last.counts, known.at(-2)?.counts)];
}

function facts({ last, lastGood, provenMs, recovery, kind, runs }: SourceReport, nowMs: number): Markup {
  const ago = (ms: number | undefined) => (ms === undefined ? 'never' : `${spanInWords(Math.max(0, nowMs - ms))} ago`);
  const when = (name: string, ms: number | undefined): Fact => [name, ago(ms), ms === undefined ? '' : timeInShort(ms)];
  const failed = runs.filter(({ run }) => !run.ok).length;
  const list: Fact[] = [when('Last run', last.timeMs)];
  if (!last.ok) list.push(when('Last good run', lastGood?.timeMs));
  if (kind !== 'guest' || provenMs !== undefined) list.push(when('Last verified', provenMs));
  if (kind !== 'guest')
    list.push(
      recovery === undefined
        ? ['Restore takes', 'not known', 'lifeboat bench --save measures it']
        : ['Restore takes', `about ${spanInWords(recovery.ms)}`, `${recovery.slowest} is slowest`],
    );
  list.push(['Runs', String(runs.length), failed === 0 ? '' : `${failed} failed`]);
  if (lastGood?.codec !== undefined)
    list.push(['Codec', [lastGood.codec, lastGood.level ?? ''].join(' ').trim(), lastGood.engine ?? '']);
  return element(
    'dl',
    {},
    ...list.map(([name, words, more]) =>
      element(
        'div',
        {},
        element('dt', {}, text(name)),
        element('dd', {}, text(words), ...(more === '' ? [] : [element('small', {}, text(more))])),
      ),
    ),
  );
}

/** Name, value, and what is worth less ink. */
type Fact = [string, string, string];
