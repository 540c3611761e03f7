import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, LifeboatError } from '../error.js';
import { flockExclusive } from '../native/libc.js';

/** Held until it is released or this process ends, however it ends. */
export interface DiskLock {
  path: string;
  /** May be called twice. */
  release(): void;
}

const LOCK_DIRECTORY = '/run/lock';
const MOST_WORDS_BYTES = 512;

/**
 * One run a disk. The lock is the kernel's (flock), so that a killed run leaves none behind; the file stays, for removing
 * it would let two runs lock two files of one name.
 * @param disk a kernel name: "sda", "cciss!c0d0"
 * @param directory of the lock file
 * @throws LifeboatError BUSY where another run has it, FAILED where the file is not ours
 */
export function lockDisk(disk: string, directory = LOCK_DIRECTORY): DiskLock {
  const path = join(directory, `lifeboat-${disk.replaceAll('/', '!')}.lock`);
  let fd: number;
  try {
    // /run/lock is open to everybody on Debian: a link there must not lead us to write elsewhere.
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw notOurs(path, 'it is a symbolic link');
    throw fromSystem(error, 'lock', path);
  }
  let locked = false;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.nlink > 1) throw notOurs(path, 'it is no file of its own');
    if (stats.uid !== process.geteuid?.()) throw notOurs(path, `it belongs to user ${stats.uid}`);
    if (!flockExclusive(fd)) {
      throw new LifeboatError('BUSY', `Cannot image "${disk}": another run is at it${holder(fd)}`, {
        hint: `wait until it is done; fuser -v "${path}" shows it`,
      });
    }
    locked = true;
    ftruncateSync(fd, 0);
    writeSync(fd, `pid ${process.pid} since ${new Date().toISOString()}\n`, 0);
  } catch (error) {
    // Closing gives the lock back, if it was taken.
    closeSync(fd);
    throw error instanceof LifeboatError ? error : fromSystem(error, locked ? 'write' : 'lock', path);
  }
  let held = true;
  return {
    path,
    release() {
      if (!held) return;
      held = false;
      closeSync(fd);
    },
  };
}

export interface LockWait {
  /** 0: not at all. */
  waitMs: number;
  signal: AbortSignal;
  /** Told once, when there is somebody to wait for. */
  say(text: string): void;
  /** Of the lock file. */
  directory?: string;
}

/** Between two looks; the kernel's own waiting would hold up the main thread. */
const LOOK_EVERY_MS = 500;

/**
 * The same, waiting for another run to end.
 * @throws LifeboatError BUSY when the time is over, FAILED as `lockDisk`; the signal's reason when aborted
 */
export async function waitForDisk(disk: string, wait: LockWait): Promise<DiskLock> {
  const { waitMs, signal, say, directory } = wait;
  const end = performance.now() + waitMs;
  for (let hasSaid = false; ; hasSaid = true) {
    signal.throwIfAborted();
    try {
      return lockDisk(disk, directory);
    } catch (error) {
      if (!(error instanceof LifeboatError) || error.code !== 'BUSY') throw error;
      const leftMs = end - performance.now();
      if (leftMs <= 0) throw hasSaid ? stillBusy(error, waitMs) : error;
      if (!hasSaid) say(error.message.replace(/^Cannot image/, `waiting ${inMinutes(waitMs)} at the most for`));
      await sleep(Math.min(LOOK_EVERY_MS, leftMs), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

function stillBusy({ message, hint }: LifeboatError, waitMs: number): LifeboatError {
  return new LifeboatError('BUSY', `${message}, still after ${inMinutes(waitMs)}`, { hint });
}

function inMinutes(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  return minutes === 1 ? '1 minute' : `${minutes} minutes`;
}

/** What the other run wrote about itself; nothing where that is not as we write it. */
function holder(fd: number): string {
  const words = Buffer.alloc(MOST_WORDS_BYTES);
  const length = readSync(fd, words, 0, words.length, 0);
  const match = /^(pid \d+ since [\d:.TZ-]+)\n$/.exec(words.toString('latin1', 0, length));
  return match === null ? '' : ` (${match[1]})`;
}

function notOurs(path: string, why: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot lock "${path}": ${why}, so no run of lifeboat made it`, {
    hint: `look at it (ls -ld "${path}") and remove it`,
  });
}
