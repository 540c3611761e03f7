import { diskBound } from './figures.mjs';

/** Results as words and tables, for a terminal and for README.md. Pure. */

const MIB = 1024 ** 2;
const HEAD = ['', '', 'seconds', 'MB/s', 'time', 'ratio', 'GB', 'CPU s/GiB', 'MiB', 'of the limit'];
const BOUND_BY = { read: 'reading', codec: 'the codec', write: 'writing' };

const DISK_BOUND = {
  'every row':
    'Every row is bound by the disk: to read or to write takes most of its time, so these figures tell of the disk, not of the programs.',
  limit:
    'The disk is the slowest part in every comparison: to read or to write takes longer than any codec on these processors.',
};

/** @returns {string[][]} a head and a line for each row; what failed says so instead of any figure */
export function tableCells(results, { strong = (text) => text } = {}) {
  const lines = results.comparisons.flatMap((comparison) => {
    const ours = comparison.rows.find((row) => row.ours)?.summary;
    return comparison.rows.map((row, index) => {
      const mark = noteMark(results, comparison, row);
      const title = index === 0 ? comparison.name + noteMark(results, comparison) : '';
      const name = row.ours ? strong('Lifeboat') : row.name;
      return [title, name + mark, ...figures(row, ours, comparison.limits)];
    });
  });
  return [HEAD, ...lines];
}

function figures({ summary, ours, failed }, lifeboat, limits) {
  if (summary === undefined) return ['failed', ...Array(7).fill(failed === undefined ? '' : '–')];
  const { seconds, megabytesPerSecond, efficiency } = summary;
  const bound = ours && limits !== undefined ? `, ${BOUND_BY[limits.boundBy]}` : '';
  return [
    `${figure(seconds.median)} (${figure(seconds.min)}–${figure(seconds.max)})`,
    megabytesPerSecond.median.toFixed(0),
    lifeboat === undefined ? '–' : (seconds.median / lifeboat.seconds.median).toFixed(2),
    summary.ratio.toFixed(3),
    (summary.imageBytes / 1e9).toFixed(3),
    summary.processorSecondsPerGib.toFixed(2),
    (summary.peakBytes / MIB).toFixed(0),
    efficiency === undefined ? '–' : `${(100 * efficiency).toFixed(0)} %${bound}`,
  ];
}

function figure(seconds) {
  return seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1);
}

/** Every note once, in the order of the table. */
function allNotes({ comparisons }) {
  return [
    ...new Set(comparisons.flatMap((comparison) => [...notesOf(comparison), ...comparison.rows.flatMap(notesOf)])),
  ];
}

function notesOf({ notes, note }) {
  if (notes !== undefined) return notes.length === 0 ? [] : [notes.join(', ')];
  return note === undefined ? [] : [note];
}

function noteMark(results, comparison, row) {
  const [note] = notesOf(row ?? comparison);
  return note === undefined ? '' : ` [${allNotes(results).indexOf(note) + 1}]`;
}

/** The sentences that stand above a table: what was measured, and whether it says anything of the programs. */
export function introduction(results) {
  const { machine, disk, runs, comparisons, date, smoke } = results;
  const bound = diskBound(comparisons);
  const storage = machine.storage === undefined ? '' : ` on ${machine.storage}`;
  return [
    ...(smoke ? ['smoke: figures mean nothing'] : []),
    ...(bound === undefined ? [] : [DISK_BOUND[bound]]),
    `${date.slice(0, 10)}; ${machine.cpu}, ${machine.cores} of ${machine.processors} processors, ` +
      `${(machine.memoryBytes / 1024 ** 3).toFixed(0)} GiB of memory; ${machine.os}, Linux ${machine.kernel}; ` +
      `${machine.fileSystem}${storage}${machine.direct ? '' : ', without O_DIRECT'}.`,
    `The disk: ${disk.name}, ${(disk.bytes / MIB).toFixed(0)} MiB; ${disk.how}.`,
    `Medians of ${runs} ${runs === 1 ? 'round' : 'rounds'}, in brackets the quickest and the slowest; all on the same processors, turn about, ` +
      'from a cold disk until the output is synced. Everything that was written has been decoded and compared.',
  ];
}

/** What stands below: what the columns mean, and the notes. */
export function explanation(results) {
  const { startUp, leftOut } = results;
  const start = startUp?.map(({ name, medianMs }) => `${name} ${medianMs.toFixed(0)} ms`).join(', ');
  return [
    'MB/s: of the disk, 10^6 bytes. time: Lifeboat’s is 1. CPU: user and system seconds of every process in the pipe. MiB: the sum of their peaks. ' +
      'of the limit: what the slowest of reading alone, the bare codec on all processors and writing alone takes, as a share of the time; ' +
      'behind it, which one that is.',
    ...allNotes(results).map((note, index) => `[${index + 1}] ${note}`),
    ...(start === undefined ? [] : [`Starting: ${start}.`]),
    ...leftOut.map((text) => `Left out: ${text}.`),
  ];
}

/** For a terminal. */
export function asText(results) {
  const rows = tableCells(results);
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '),
  );
  const failures = results.comparisons.flatMap(({ name, rows: all }) =>
    all.flatMap((row) => (row.failed === undefined ? [] : [`FAILED: ${name}: ${row.name}: ${row.failed}`])),
  );
  return [...introduction(results), '', ...lines, '', ...explanation(results), ...failures].join('\n');
}

/** For README.md. A bar inside a cell would end it. */
export function asMarkdown(results) {
  const rows = tableCells(results, { strong: (text) => `**${text}**` }).map((row) =>
    row.map((cell) => cell.replaceAll('|', '\\|')),
  );
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const [head, ...lines] = rows;
  return [line(head), line(head.map((_, column) => (column < 2 ? '---' : '--:'))), ...lines.map(line)].join('\n');
}
