import { document, element, line, text, textWidth } from './svg.mjs';

const WIDTH = 860;
const BAR = { left: 190, right: WIDTH - 96, height: 18, gap: 6 };
const GROUP_GAP = 34;
const FIRST_GROUP = 84;

/**
 * A bar for each row of restoring, with a whisker from its slowest to its quickest round.
 * @returns {string | undefined} SVG; undefined if no row of restoring has figures
 */
export function restoringChart(results) {
  const groups = results.comparisons
    .filter(({ kind }) => kind === 'restore')
    .map(({ name, isPart, rows }) => ({
      name: name.replace('restore ', '') + (isPart ? ' *' : ''),
      rows: rows.filter(({ summary }) => summary !== undefined),
    }))
    .filter(({ rows }) => rows.length > 0);
  if (groups.length === 0) return undefined;
  const most = Math.max(...groups.flatMap(({ rows }) => rows.map(({ summary }) => summary.megabytesPerSecond.max)));
  const widthOf = (speed) => ((BAR.right - BAR.left) * speed) / most;

  let y = FIRST_GROUP;
  const parts = groups.flatMap(({ name, rows }) => {
    const title = text(24, y + 13, name, { kind: 'quiet' });
    const bars = rows.flatMap((row) => {
      const bar = drawBar(row, y, widthOf);
      y += BAR.height + BAR.gap;
      return bar;
    });
    y += GROUP_GAP - BAR.gap - 14;
    return [title, ...bars];
  });
  const title = 'Restoring a disk: MB/s';
  return document(WIDTH, y + 6, title, [
    text(24, 34, title, { kind: 'title' }),
    text(24, 56, subtitle(results), { kind: 'quiet' }),
    ...parts,
  ]);
}

function drawBar({ name, ours, summary }, y, widthOf) {
  const { median, min, max } = summary.megabytesPerSecond;
  const kind = ours ? 'ours' : 'theirs';
  const middle = y + BAR.height / 2;
  const value = median.toFixed(0);
  const end = BAR.left + Math.max(widthOf(median), widthOf(max)) + 8;
  return [
    text(BAR.left - 8, middle + 4, ours ? 'Lifeboat' : name, { kind, anchor: 'end' }),
    element('rect', { x: BAR.left, y, width: Math.max(1, widthOf(median)), height: BAR.height, rx: 2, class: kind }),
    line({ x: BAR.left + widthOf(min), y: middle }, { x: BAR.left + widthOf(max), y: middle }, 'whisker'),
    text(Math.min(end, WIDTH - 24 - textWidth(value)), middle + 4, value, { kind }),
  ];
}

function subtitle({ machine, disk, comparisons }) {
  const part = comparisons.find(({ kind, isPart }) => kind === 'restore' && isPart);
  const star = part === undefined ? '' : ` (* its first ${(part.bytes / 1024 ** 2).toFixed(0)} MiB)`;
  const size = `${(disk.bytes / 1024 ** 2).toFixed(0)} MiB`;
  return `${disk.name}, ${size}${star}; ${machine.cpu}, ${machine.cores} processors. Thin line: slowest to quickest round.`;
}
