import { dayInShort } from '../words.js';
import { ticks } from './axis.js';
import { element, join, type Markup, text } from './markup.js';

export interface ChartPoint {
  timeMs: number;
  /** Undefined: the run failed. */
  value: number | undefined;
  /** What was usual before it: the band. */
  low?: number | undefined;
  high?: number | undefined;
  /** What is odd about it, in words. */
  odd?: string | undefined;
}

export interface TimeChart {
  title: string;
  /** Oldest first. */
  points: readonly ChartPoint[];
  fromMs: number;
  toMs: number;
  /** A straight line from the last point on. */
  forecast?: { timeMs: number; value: number } | undefined;
  inWords(value: number): string;
  /** Of the steps of its scale, the largest first. */
  units?: readonly number[];
  /** Every point tells its day and value when it is pointed at. */
  tellsPoints: boolean;
}

const WIDTH = 340;
const HEIGHT = 150;
const LEFT = 58;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;
/** Neither the line nor a mark touches the frame. */
const HEADROOM = 1.12;
const DOT_RADIUS = 1.6;
const MARK_RADIUS = 4.5;

/** A value over time: its line, the band of what was usual, marks where a run was odd, crosses where one failed. */
export function timeChart(chart: TimeChart): Markup {
  const { title, points, fromMs, toMs, forecast, inWords, units, tellsPoints } = chart;
  const known = points.filter((point) => point.value !== undefined) as (ChartPoint & { value: number })[];
  const last = known.at(-1);
  const figure = (content: Markup) =>
    element(
      'figure',
      {},
      element(
        'figcaption',
        {},
        text(title),
        element('b', {}, text(last === undefined ? 'not known' : inWords(last.value))),
      ),
      content,
    );
  if (last === undefined) return figure(element('p', { class: 'none' }, text('no run tells')));
  const highest = Math.max(...known.map(({ value }) => value), ...known.map(({ high = 0 }) => high));
  const top = highest > 0 ? highest * HEADROOM : 1;
  const span = Math.max(1, toMs - fromMs);
  const x = (timeMs: number) => LEFT + ((timeMs - fromMs) / span) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (Math.min(value, top) / top) * (HEIGHT - TOP - BOTTOM);
  const place = (timeMs: number, value: number) => `${x(timeMs).toFixed(1)},${y(value).toFixed(1)}`;

  const grid = ticks(top, units).map((tick) =>
    join([
      element('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
      element('text', { x: LEFT - 6, y: y(tick) + 3.5, 'text-anchor': 'end' }, text(tickInWords(tick, inWords))),
    ]),
  );
  const days = [
    element('text', { x: LEFT, y: HEIGHT - 5 }, text(dayInShort(fromMs))),
    element('text', { x: WIDTH - RIGHT, y: HEIGHT - 5, 'text-anchor': 'end' }, text(dayInShort(toMs))),
  ];
  const banded = known.filter(({ low, high }) => low !== undefined && high !== undefined);
  const outline = [
    ...banded.map(({ timeMs, high = 0 }) => place(timeMs, high)),
    ...banded.toReversed().map(({ timeMs, low = 0 }) => place(timeMs, Math.max(0, low))),
  ];
  const line = known.map(({ timeMs, value }) => place(timeMs, value)).join(' ');
  const dots = tellsPoints
    ? known.map(({ timeMs, value }) =>
        element(
          'circle',
          { class: 'dot', cx: x(timeMs), cy: y(value), r: DOT_RADIUS },
          element('title', {}, text(`${dayInShort(timeMs)}: ${inWords(value)}`)),
        ),
      )
    : [];
  const marks = known.flatMap(({ timeMs, value, odd }) =>
    odd === undefined
      ? []
      : [
          element(
            'circle',
            { class: 'odd', cx: x(timeMs), cy: y(value), r: MARK_RADIUS },
            element('title', {}, text(`${dayInShort(timeMs)}: ${inWords(value)}, ${odd}`)),
          ),
        ],
  );
  const failed = points
    .filter(({ value }) => value === undefined)
    .map(({ timeMs }) => cross(x(timeMs), HEIGHT - BOTTOM - MARK_RADIUS, `${dayInShort(timeMs)}: failed`));
  const ahead =
    forecast === undefined
      ? []
      : [
          element('polyline', {
            class: 'ahead',
            points: `${place(last.timeMs, last.value)} ${place(forecast.timeMs, forecast.value)}`,
          }),
        ];
  const band = outline.length > 2 ? [element('polygon', { class: 'band', points: outline.join(' ') })] : [];
  const label = `${title}: ${inWords(last.value)}, ${known.length} runs from ${dayInShort(fromMs)} to ${dayInShort(toMs)}`;
  return figure(
    element(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label },
      ...band,
      ...grid,
      ...days,
      element('polyline', { class: 'line', points: line }),
      ...ahead,
      ...dots,
      ...marks,
      ...failed,
    ),
  );
}

/** "500 GiB" and "0": a scale needs no decimals that say nothing. */
function tickInWords(value: number, inWords: TimeChart['inWords']): string {
  return value === 0 ? '0' : inWords(value).replace(/\.0+(?= |$)/, '');
}

function cross(x: number, y: number, words: string): Markup {
  const arm = 3.5;
  const path = `M${(x - arm).toFixed(1)} ${(y - arm).toFixed(1)}l7 7m0 -7l-7 7`;
  return element('path', { class: 'failed', d: path }, element('title', {}, text(words)));
}
