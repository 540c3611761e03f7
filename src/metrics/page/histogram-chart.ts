import { element, type Markup, text } from './markup.js';

const WIDTH = 340;
const HEIGHT = 110;
const LEFT = 58;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;

/**
 * How well the chunks of the last run compress, beside those of the run before (outlined): from zeros, on the left, to what
 * nothing compresses.
 * @param counts by sixteenths of what is left of a chunk
 */
export function histogramChart(counts: readonly number[], before: readonly number[] | undefined): Markup {
  const now = sharesOf(counts);
  const earlier = before === undefined ? [] : sharesOf(before);
  const top = Math.max(...now, ...earlier);
  const step = (WIDTH - LEFT - RIGHT) / counts.length;
  const bar = (share: number, bucket: number, kind: string) => {
    const height = (share / top) * (HEIGHT - TOP - BOTTOM);
    const words = `${(100 * share).toFixed(1)} % of the chunks: ${leftInWords(bucket, counts.length)} left`;
    return element(
      'rect',
      { class: kind, x: LEFT + bucket * step + 1, y: HEIGHT - BOTTOM - height, width: step - 2, height },
      element('title', {}, text(words)),
    );
  };
  const incompressible = now.at(-1) ?? 0;
  return element(
    'figure',
    {},
    element(
      'figcaption',
      {},
      text('Chunks by what is left of them'),
      element('b', {}, text(`${(100 * incompressible).toFixed(0)} % do not compress`)),
    ),
    element(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: 'img',
        'aria-label': 'Chunks by what compression leaves of them: filled the last run, outlined the one before',
      },
      element('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
      ...now.map((share, bucket) => bar(share, bucket, 'bar')),
      ...earlier.map((share, bucket) => bar(share, bucket, 'before')),
      element('text', { x: LEFT - 6, y: TOP + 8, 'text-anchor': 'end' }, text(`${(100 * top).toFixed(0)} %`)),
      element('text', { x: LEFT, y: HEIGHT - 6 }, text('zeros')),
      element('text', { x: WIDTH - RIGHT, y: HEIGHT - 6, 'text-anchor': 'end' }, text('does not compress')),
    ),
  );
}

function leftInWords(bucket: number, buckets: number): string {
  const percent = (at: number) => ((100 * at) / buckets).toFixed(0);
  return `${percent(bucket)} to ${percent(bucket + 1)} %`;
}

function sharesOf(counts: readonly number[]): number[] {
  const sum = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => (sum === 0 ? 0 : count / sum));
}
