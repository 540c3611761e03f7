import { closeSync, constants, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { fromSystem, LifeboatError } from '../error.js';
import { historyPaths, openHistory, openToAppend } from './history-file.js';
import { encodeRow, type HistoryRow, parseRow, type ReadRow } from './history-row.js';

export type { HistoryKind, HistoryRow, ReadRow } from './history-row.js';

/** What is longer is no row: a reader need not keep more in memory. */
const MOST_ROW_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

export interface History {
  /** Oldest first, as they were written. */
  rows: ReadRow[];
  /** Lines that are no row: cut off by a crash, or written by somebody else. */
  brokenLines: number;
}

/**
 * Adds one row at the end, with one write(2) of the whole line. The kernel puts such writes one after another (O_APPEND),
 * so there is no lock: flock would cost each hook that only notes a guest 20 ms to load koffi. What a crash has cut off gets
 * its newline from whoever comes next; should two do so, there is an empty line, which is none.
 * @param fullBytes from which size on a new file is begun
 * @throws LifeboatError NO_SPACE with the file as it was, FAILED where it is not ours alone
 */
export async function appendHistory<Row extends HistoryRow>(
  directory: string,
  row: Row,
  fullBytes?: number,
): Promise<void> {
  const { current } = historyPaths(directory);
  const line = Buffer.from(encodeRow(row));
  if (line.length > MOST_ROW_BYTES)
    throw new LifeboatError('FAILED', `Cannot write "${current}": a row of ${line.length} bytes is too long`);
  const fd = openToAppend(directory, fullBytes);
  try {
    const sizeBytes = fstatSync(fd).size;
    const bytes = endsInMidLine(fd, sizeBytes) ? Buffer.concat([Buffer.of(NEWLINE), line]) : line;
    const written = writeSync(fd, bytes);
    if (written === bytes.length) return;
    // Nobody has added anything since, and nobody can while there is no room for the rest of this.
    if (fstatSync(fd).size === sizeBytes + written) ftruncateSync(fd, sizeBytes);
    throw new LifeboatError(
      'NO_SPACE',
      `Cannot write "${current}": there is room for ${written} of ${bytes.length} bytes`,
      {
        hint: `free some room (df -h "${directory}")`,
      },
    );
  } catch (error) {
    throw fromSystem(error, 'write', current);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads all rows, the older file's first. A broken line is counted and left out; no history is an empty one.
 * @throws LifeboatError where it cannot be read
 */
export async function readHistory(directory: string): Promise<History> {
  const history: History = { rows: [], brokenLines: 0 };
  const { current, older } = historyPaths(directory);
  // In this order: were the file renamed in between, it would be read twice rather than not at all.
  const currentFd = openIfThere(current);
  try {
    const olderFd = openIfThere(older);
    try {
      const wasRenamed = olderFd !== undefined && currentFd !== undefined && isSameFile(olderFd, currentFd);
      if (olderFd !== undefined && !wasRenamed) readRows(olderFd, history);
    } finally {
      if (olderFd !== undefined) closeSync(olderFd);
    }
    if (currentFd !== undefined) readRows(currentFd, history);
  } catch (error) {
    throw fromSystem(error, 'read', current);
  } finally {
    if (currentFd !== undefined) closeSync(currentFd);
  }
  return history;
}

function endsInMidLine(fd: number, sizeBytes: number): boolean {
  if (sizeBytes === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(fd, last, 0, 1, sizeBytes - 1) === 1 && last[0] !== NEWLINE;
}

function openIfThere(path: string): number | undefined {
  try {
    return openHistory(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isSameFile(fd: number, other: number): boolean {
  const [one, two] = [fstatSync(fd), fstatSync(other)];
  return one.ino === two.ino && one.dev === two.dev;
}

/** In pieces, for the file may be of any size if not we wrote it. Split at byte 10: readline would also split at U+2028. */
function readRows(fd: number, history: History): void {
  const piece = Buffer.alloc(READ_BYTES);
  let begun = Buffer.alloc(0);
  let isTooLong = false;
  for (;;) {
    const length = readSync(fd, piece, 0, piece.length, null);
    if (length === 0) break;
    let at = 0;
    for (;;) {
      const end = piece.subarray(0, length).indexOf(NEWLINE, at);
      if (end < 0) break;
      addLine(isTooLong ? undefined : Buffer.concat([begun, piece.subarray(at, end)]), history);
      begun = Buffer.alloc(0);
      isTooLong = false;
      at = end + 1;
    }
    if (isTooLong || begun.length + length - at > MOST_ROW_BYTES) {
      isTooLong = true;
      begun = Buffer.alloc(0);
    } else begun = Buffer.concat([begun, piece.subarray(at, length)]);
  }
  // A whole row that only lacks its newline is no less a row.
  addLine(isTooLong ? undefined : begun, history);
}

/** @param line undefined for one that is too long */
function addLine(line: Buffer | undefined, history: History): void {
  const text = line?.toString().trim();
  if (text === '') return;
  const row = text === undefined || text.length > MOST_ROW_BYTES ? undefined : parseRow(text);
  if (row === undefined) history.brokenLines++;
  else if (row !== 'unknown') history.rows.push(row);
}
