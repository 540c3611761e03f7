import { roundSize } from '../device/sizes.js';
import { alertLines } from './alert-words.js';
import type { Report, SourceReport } from './report.js';
import { sparkline } from './sparkline.js';
import { spanInWords, speedInWords, timeInShort } from './words.js';

const SPARK_WIDTH = 12;
const HEADS = ['SOURCE', 'LAST RUN', 'SIZE', 'RATIO', '', 'SPEED', '', 'TOOK', '', 'VERIFIED', 'RESTORE'];

/** The report for a terminal, a line each. Names may hold anything: whoever prints it makes them printable. */
export function reportTable(report: Report, unicode: boolean): string[] {
  const { nowMs, sources, targets, alerts, restored, notes } = report;
  const lines: string[] = [];
  if (sources.length > 0) lines.push(...inColumns([HEADS, ...sources.map((source) => cells(source, nowMs, unicode))]));
  for (const { path, freeBytes, sizeBytes, fullInDays } of targets) {
    const full = fullInDays === undefined ? '' : `, full in ${Math.floor(fullInDays)} days as it goes`;
    lines.push('', `${path}: ${roundSize(freeBytes)} of ${roundSize(sizeBytes)} free${full}`);
  }
  const last = restored.at(-1);
  if (last !== undefined) {
    const predicted = last.predictedMs === undefined ? '' : `, predicted were ${spanInWords(last.predictedMs)}`;
    const took = !last.ok
      ? 'failed'
      : last.actualMs === undefined
        ? 'done'
        : `took ${spanInWords(last.actualMs)}${predicted}`;
    lines.push('', `last restore: ${timeInShort(last.timeMs)}, ${took}`);
  }
  if (alerts.length === 0) lines.push('', sources.length === 0 ? 'nothing to report' : 'no alerts');
  else lines.push('', `${alerts.length} ${alerts.length === 1 ? 'alert' : 'alerts'}:`, ...alerts.flatMap(alertLines));
  if (notes.length > 0) lines.push('', ...notes.map((note) => `note: ${note}`));
  return lines[0] === '' ? lines.slice(1) : lines;
}

function cells(
  { name, isFormer, runs, last, lastGood, provenMs, recovery }: SourceReport,
  nowMs: number,
  unicode: boolean,
) {
  const spark = (of: (run: SourceReport['last']) => number | undefined) =>
    sparkline(
      runs.map(({ run }) => (run.ok ? of(run) : undefined)),
      SPARK_WIDTH,
      unicode,
    );
  const words = <T>(value: T | undefined, inWords: (known: T) => string) => (value === undefined ? '' : inWords(value));
  const failed = last.ok ? '' : ' FAILED';
  return [
    shortened(isFormer ? `(${name})` : name),
    `${spanInWords(Math.max(0, nowMs - last.timeMs))} ago${failed}`,
    words(lastGood?.imageBytes, roundSize),
    words(lastGood?.ratio, (ratio) => ratio.toFixed(2)),
    spark(({ ratio }) => ratio),
    words(lastGood?.bytesPerSecond, speedInWords),
    spark(({ bytesPerSecond }) => bytesPerSecond),
    words(lastGood?.durationMs, spanInWords),
    spark(({ durationMs }) => durationMs),
    last.kind === 'guest' && provenMs === undefined
      ? ''
      : provenMs === undefined
        ? 'never'
        : `${spanInWords(Math.max(0, nowMs - provenMs))} ago`,
    recovery === undefined ? '' : `~${spanInWords(recovery.ms)}`,
  ];
}

const LONGEST_NAME = 32;

function shortened(name: string): string {
  const characters = [...name];
  return characters.length <= LONGEST_NAME ? name : `${characters.slice(0, LONGEST_NAME - 3).join('')}...`;
}

/** Columns that are empty in every row are left out. */
function inColumns(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length));
  const columns = HEADS.map((_, column) => column).filter((column) =>
    rows.slice(1).some((row) => (row[column] ?? '') !== ''),
  );
  return rows.map((row) =>
    columns
      .map((column) => {
        const cell = row[column] ?? '';
        return cell + ' '.repeat(width(column) - [...cell].length);
      })
      .join('  ')
      .trimEnd(),
  );
}
