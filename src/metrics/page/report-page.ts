import { roundSize } from '../../device/sizes.js';
import type { Alert } from '../alert.js';
import type { Capacity } from '../capacity.js';
import type { Report } from '../report.js';
import type { Restored } from '../runs.js';
import { DAY_MS, spanInWords, timeInShort } from '../words.js';
import { SIZE_UNITS } from './axis.js';
import { element, htmlDocument, type Markup, style, text } from './markup.js';
import { SHEET } from './sheet.js';
import { type Period, sourceCard } from './source-card.js';
import { timeChart } from './time-chart.js';

/** What a file that is replaced has in its second line. */
export const PAGE_MARK = 'Written by lifeboat report';

/**
 * The report as one page that needs nothing else: no script, no font, no picture and no request, which its policy holds the
 * browser to.
 * @param host whose history it is
 */
export function reportPage(report: Report, host: string, version: string): string {
  const { nowMs, days, sources, targets, alerts, restored, notes } = report;
  const shown = sources.flatMap(({ runs }) => runs.slice(0, 1).map(({ run }) => run.timeMs));
  // From the first run on, for a young history; all charts alike, so that one day stands above another.
  const fromMs = Math.max(nowMs - days * DAY_MS, Math.min(nowMs - DAY_MS, ...shown));
  const period = { nowMs, fromMs };
  const title = `Lifeboat on ${host}`;
  const head = [
    element('meta', { charset: 'utf-8' }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('meta', {
      'http-equiv': 'Content-Security-Policy',
      content: "default-src 'none'; style-src 'unsafe-inline'",
    }),
    element('meta', { name: 'referrer', content: 'no-referrer' }),
    element('title', {}, text(title)),
    style(SHEET),
  ];
  const body = [
    element('h1', {}, text(title)),
    element('p', { class: 'quiet' }, text(`${timeInShort(nowMs)} UTC, the last ${days} days, lifeboat ${version}`)),
    ...notes.map((note) => element('p', { class: 'quiet' }, text(`Note: ${note}`))),
    element(
      'h2',
      {},
      text(alerts.length === 0 ? 'No alerts' : alerts.length === 1 ? '1 alert' : `${alerts.length} alerts`),
    ),
    ...alerts.map(alertCard),
    ...group(
      'Disks',
      sources.filter(({ kind }) => kind !== 'guest'),
      period,
    ),
    ...(targets.length === 0 ? [] : [element('h2', {}, text('Room')), ...targets.map((one) => roomCard(one, period))]),
    ...(restored.length === 0 ? [] : [element('h2', {}, text('Restores')), restoreCard(restored)]),
    ...group(
      'Guests',
      sources.filter(({ kind }) => kind === 'guest'),
      period,
    ),
    element(
      'p',
      { class: 'quiet' },
      text(
        'Bands: three standard deviations around the median of the 30 runs before, from ten runs on. Circles: odd against ' +
          'that. Crosses: failed. Ratio: bytes read by bytes stored. MB/s: 10⁶ bytes a second.',
      ),
    ),
  ];
  return htmlDocument(head, body, PAGE_MARK);
}

function group(title: string, sources: Report['sources'], period: Period): Markup[] {
  if (sources.length === 0) return [];
  return [element('h2', {}, text(title)), ...sources.map((source) => sourceCard(source, period))];
}

function alertCard({ kind, name, grade, what, means, todo }: Alert): Markup {
  return element(
    'section',
    { class: grade > 1 ? 'card alert worse' : 'card alert' },
    element(
      'div',
      { class: 'head' },
      element('h3', {}, text(name)),
      element('span', { class: grade > 1 ? 'state bad' : 'quiet' }, text(kind)),
    ),
    element('p', {}, element('b', {}, text(what))),
    element('p', {}, element('span', { class: 'quiet' }, text('May mean: ')), text(means)),
    element('p', {}, element('span', { class: 'quiet' }, text('To do: ')), text(todo)),
  );
}

/** A forecast is drawn for as long as the chart shows of the past, and no further than to the end. */
function roomCard(
  { path, freeBytes, sizeBytes, fullInDays, freeBytesPerDay, points }: Capacity,
  period: Period,
): Markup {
  const { nowMs, fromMs } = period;
  const shown = points.filter(({ timeMs }) => timeMs >= fromMs);
  const last = shown.at(-1);
  const aheadDays = fullInDays === undefined ? 0 : Math.min(fullInDays, (nowMs - fromMs) / DAY_MS / 2);
  const forecast =
    last === undefined || fullInDays === undefined
      ? undefined
      : {
          timeMs: last.timeMs + aheadDays * DAY_MS,
          value: Math.max(0, last.freeBytes + aheadDays * (freeBytesPerDay ?? 0)),
        };
  const words =
    fullInDays === undefined
      ? 'it does not shrink for sure'
      : `${roundSize(-(freeBytesPerDay ?? 0))} less each day: full in ${Math.floor(fullInDays)} days as it goes`;
  return element(
    'section',
    { class: 'card' },
    element('h3', {}, text(path)),
    element('p', {}, text(`${roundSize(freeBytes)} of ${roundSize(sizeBytes)} are free; ${words}`)),
    element(
      'div',
      { class: 'charts' },
      timeChart({
        title: 'Free',
        points: shown.map(({ timeMs, freeBytes: value }) => ({ timeMs, value })),
        fromMs,
        toMs: Math.max(nowMs, forecast?.timeMs ?? 0),
        forecast,
        inWords: roundSize,
        units: SIZE_UNITS,
        tellsPoints: true,
      }),
    ),
  );
}

function restoreCard(restored: readonly Restored[]): Markup {
  const entries = restored.toReversed().map(({ timeMs, place, ok, predictedMs, actualMs }) => {
    const took = !ok ? 'failed' : actualMs === undefined ? 'done' : `took ${spanInWords(actualMs)}`;
    const off =
      predictedMs === undefined || !actualMs || !ok ? undefined : Math.round(100 * (predictedMs / actualMs - 1));
    const predicted =
      off === undefined || predictedMs === undefined
        ? ''
        : `, predicted were ${spanInWords(predictedMs)}, off by ${Math.abs(off)} %`;
    return element(
      'li',
      {},
      element('b', {}, text(`${took}${predicted}`)),
      element('small', {}, text(`${timeInShort(timeMs)}, ${place ?? ''}`)),
    );
  });
  return element('section', { class: 'card' }, element('ul', {}, ...entries));
}
