import { placeLabels } from './place-labels.mjs';
import { document, element, line, text, textWidth } from './svg.mjs';

const WIDTH = 860;
const HEIGHT = 520;
const FRAME = { left: 64, top: 84, right: WIDTH - 24, bottom: HEIGHT - 58 };

/**
 * Throughput, on a logarithmic axis, against ratio: further to the right is quicker, further up is smaller. Levels of one
 * program are joined.
 * @returns {string | undefined} SVG; undefined if no row of saving has figures
 */
export function savingChart(results) {
  const points = pointsOf(results);
  if (points.length === 0) return undefined;
  const across = logAxis(points.map(({ speed }) => speed));
  const up = plainAxis(points.map(({ ratio }) => ratio));
  const placed = points.map((point) => ({
    ...point,
    x: across.place(point.speed),
    y: up.place(point.ratio),
    width: textWidth(point.label),
  }));
  const title = 'Saving a disk: speed and size';
  return document(WIDTH, HEIGHT, title, [
    text(24, 34, title, { kind: 'title' }),
    text(24, 56, subtitle(results), { kind: 'quiet' }),
    ...legend(),
    ...grid(across, up),
    ...pathsOf(placed).map(drawPath),
    ...placed.map(({ x, y, kind }) => element('circle', { cx: x, cy: y, r: 4.5, class: kind })),
    ...labels(placed),
  ]);
}

function pointsOf({ comparisons }) {
  return comparisons
    .filter(({ kind }) => kind === 'save')
    .flatMap(({ codec, level, isPart, rows }) =>
      rows
        .filter(({ summary }) => summary !== undefined)
        .map(({ name, ours, summary }) => ({
          label: `${ours ? `${codec} ${level}` : name}${isPart ? ' *' : ''}`,
          kind: ours ? 'ours' : 'theirs',
          level: ours ? level : Number(/\d+$/.exec(name)?.[0] ?? 0),
          path: ours ? `ours ${codec}` : name.replace(/ -\d+$/, ''),
          speed: summary.megabytesPerSecond.median,
          ratio: summary.ratio,
        })),
    );
}

function subtitle({ machine, disk, comparisons }) {
  const part = comparisons.find(({ kind, isPart }) => kind === 'save' && isPart);
  const size = `${(disk.bytes / 1024 ** 2).toFixed(0)} MiB`;
  const star = part === undefined ? '' : ` (* its first ${(part.bytes / 1024 ** 2).toFixed(0)} MiB)`;
  return `${disk.name}, ${size}${star}; ${machine.cpu}, ${machine.cores} processors. Upper right is better.`;
}

function legend() {
  const [oursX, theirsX] = [WIDTH - 214, WIDTH - 114];
  return [
    element('circle', { cx: oursX, cy: 30, r: 4.5, class: 'ours' }),
    text(oursX + 10, 34, 'Lifeboat', { kind: 'ours' }),
    element('circle', { cx: theirsX, cy: 30, r: 4.5, class: 'theirs' }),
    text(theirsX + 10, 34, 'stock tools', { kind: 'theirs' }),
  ];
}

/** 1, 2, 5, 10, 20 ...: some room on both sides for labels. */
function logAxis(values) {
  const low = Math.log10(Math.min(...values) / 1.35);
  const high = Math.log10(Math.max(...values) * 1.35);
  const place = (value) => FRAME.left + ((Math.log10(value) - low) / (high - low)) * (FRAME.right - FRAME.left);
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const step of [1, 2, 5]) {
      const tick = step * 10 ** power;
      if (Math.log10(tick) >= low && Math.log10(tick) <= high) ticks.push(tick);
    }
  }
  return { place, ticks };
}

function plainAxis(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = Math.max((most - least) * 0.12, 0.05);
  const [low, high] = [least - margin, most + margin];
  const step = niceStep((high - low) / 6);
  const first = Math.ceil(low / step);
  const ticks = Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => (first + index) * step);
  const place = (value) => FRAME.bottom - ((value - low) / (high - low)) * (FRAME.bottom - FRAME.top);
  return { place, ticks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** The next of 1, 2, 5, 10 ... times a power of ten. */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= least);
}

function grid(across, up) {
  const { left, right, top, bottom } = FRAME;
  return [
    ...across.ticks.flatMap((tick) => [
      line({ x: across.place(tick), y: top }, { x: across.place(tick), y: bottom }, 'grid'),
      text(across.place(tick), bottom + 18, String(tick), { kind: 'quiet', anchor: 'middle' }),
    ]),
    ...up.ticks.flatMap((tick) => [
      line({ x: left, y: up.place(tick) }, { x: right, y: up.place(tick) }, 'grid'),
      text(left - 8, up.place(tick) + 4, tick.toFixed(up.decimals), { kind: 'quiet', anchor: 'end' }),
    ]),
    line({ x: left, y: bottom }, { x: right, y: bottom }, 'axis'),
    line({ x: left, y: top }, { x: left, y: bottom }, 'axis'),
    text((left + right) / 2, bottom + 42, 'MB/s of the disk, logarithmic', { kind: 'quiet', anchor: 'middle' }),
    text(left, top - 8, 'ratio, disk to image', { kind: 'quiet' }),
  ];
}

/** The points of each program that has several levels, in their order. */
function pathsOf(points) {
  const names = [...new Set(points.map(({ path }) => path))];
  return names
    .map((name) => points.filter(({ path }) => path === name).sort((a, b) => a.level - b.level))
    .filter((members) => members.length > 1);
}

function drawPath(members) {
  const corners = members.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  return element('polyline', { points: corners, class: `${members[0].kind} path` });
}

function labels(points) {
  const lines = pathsOf(points).flatMap((members) =>
    members.slice(1).map((to, index) => ({ from: members[index], to })),
  );
  return placeLabels(points, lines, FRAME).flatMap((box, index) => {
    const { x, y, label, kind } = points[index];
    if (box === undefined) return [];
    const nearX = Math.min(Math.max(x, box.left), box.right);
    const nearY = Math.min(Math.max(y, box.top), box.bottom);
    const leader = box.isFar ? [line({ x, y }, { x: nearX, y: nearY }, `${kind} leader`)] : [];
    return [...leader, drawLabel(label, box, x, kind)];
  });
}

/** Set at the end that is next to its point, for the width of words is only guessed. */
function drawLabel(label, { left, right, bottom }, x, kind) {
  if (left >= x) return text(left, bottom - 3, label, { kind });
  if (right <= x) return text(right, bottom - 3, label, { kind, anchor: 'end' });
  return text((left + right) / 2, bottom - 3, label, { kind, anchor: 'middle' });
}
