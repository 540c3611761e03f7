import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';

const NAME = 'history.jsonl';
const FULL_BYTES = 16 * 1024 * 1024;
/** Rotating takes a millisecond: a directory that is older was left by a run that was killed. */
const ROTATING_MS = 60_000;
const OTHERS_MAY_WRITE = 0o022;

/** The newer file, and the one that was full. */
export function historyPaths(directory: string): { current: string; older: string } {
  const current = join(directory, NAME);
  return { current, older: `${current}.1` };
}

/**
 * Opens the history for one row at its end; makes it and its directory if need be, and a new file when it is full.
 * @returns a descriptor to close
 * @throws LifeboatError where the directory or the file is not ours alone
 */
export function openToAppend(directory: string, fullBytes = FULL_BYTES): number {
  makeDirectory(directory);
  const { current, older } = historyPaths(directory);
  const fd = openHistory(current, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
  try {
    if (fstatSync(fd).size < fullBytes) return fd;
    rotate(current, older, fullBytes);
  } catch (error) {
    closeSync(fd);
    throw fromSystem(error, 'write', current);
  }
  closeSync(fd);
  return openHistory(current, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
}

/** @throws LifeboatError; ENOENT as it is */
export function openHistory(path: string, flags: number): number {
  let fd: number;
  try {
    fd = openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw error;
    if (code === 'ELOOP') throw refuse(path, 'it is a symbolic link', `remove it: rm "${path}"`);
    throw fromSystem(error, 'open', path);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw refuse(path, 'it is no file', `look at it: ls -l "${path}"`);
    refuseForeign(path, stats);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw fromSystem(error, 'open', path);
  }
}

function makeDirectory(directory: string): void {
  let stats: Stats;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    stats = lstatSync(directory);
  } catch (error) {
    throw fromSystem(error, 'make the directory', directory);
  }
  if (!stats.isDirectory())
    throw refuse(directory, 'it is a symbolic link', 'name the directory itself in history.directory');
  refuseForeign(directory, stats);
}

function refuseForeign(path: string, { uid, mode }: Stats): void {
  if (uid !== process.geteuid?.()) throw refuse(path, `it belongs to user ${uid}`, `look at it: ls -ld "${path}"`);
  if ((mode & OTHERS_MAY_WRITE) !== 0) throw refuse(path, 'others may write it', `chmod go-w "${path}"`);
}

function refuse(path: string, why: string, hint: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot use the history "${path}": ${why}`, { hint });
}

/** One process at a time, or the second would put the first one's new file in the place of the old one. */
function rotate(current: string, older: string, fullBytes: number): void {
  const mutex = `${current}.rotating`;
  try {
    mkdirSync(mutex, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const madeMs = lstatSync(mutex, { throwIfNoEntry: false })?.mtimeMs;
    // Another is at it: this row goes to whichever file has the name.
    if (madeMs === undefined || Date.now() - madeMs < ROTATING_MS) return;
  }
  try {
    if (lstatSync(current).size >= fullBytes) renameSync(current, older);
  } finally {
    rmdirSync(mutex);
  }
}
