import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readProcessStat } from '../device/process-stat.js';
import { flockExclusive } from '../native/libc.js';
import { UNFINISHED_FILE } from './set-layout.js';

/** Who writes a set: the text of its UNFINISHED, for people and for the next run. */
export interface SetOwner {
  note: string;
  hostname: string;
  /** /etc/machine-id; empty where there is none. */
  machineId: string;
  /** /proc/sys/kernel/random/boot_id: another after each start. */
  bootId: string;
  pid: number;
  /** When it was started, in clock ticks after the boot: numbers of processes come again. */
  pidStart: string;
}

const MOST_BYTES = 4096;

export function thisOwner(hostname: string): SetOwner {
  return {
    note: `lifeboat has not finished this set. If process ${process.pid} of ${hostname} is gone, the next run removes it.`,
    hostname,
    machineId: lineOf('/etc/machine-id'),
    bootId: lineOf('/proc/sys/kernel/random/boot_id'),
    pid: process.pid,
    pidStart: startOf(process.pid) ?? '',
  };
}

export function encodeOwner(owner: SetOwner): string {
  return `${JSON.stringify(owner, null, 2)}\n`;
}

/** Undefined if the text is not of ours. */
export function parseOwner(text: string): SetOwner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { note, hostname, machineId, bootId, pid, pidStart } = value as Record<string, unknown>;
  const texts = [note, hostname, machineId, bootId, pidStart];
  if (texts.some((text) => typeof text !== 'string') || !Number.isInteger(pid)) return undefined;
  return value as SetOwner;
}

/**
 * Whether somebody is at a set without a manifest. `dead` is a proof: this very machine wrote it, in a process that is no
 * more, and nobody holds its lock. `elsewhere`: another machine, of which we know nothing. `unknown`: nothing says that
 * lifeboat made it.
 */
export function isBeingWritten(setPath: string): 'alive' | 'dead' | 'elsewhere' | 'unknown' {
  const fd = openMarker(join(setPath, UNFINISHED_FILE));
  if (fd === undefined) return 'unknown';
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > MOST_BYTES) return 'unknown';
    if (isLocked(fd)) return 'alive';
    // Empty where a run was killed before it wrote who it is, or is about to.
    const owner = parseOwner(readFileSync(fd, 'utf8'));
    if (owner === undefined) return 'unknown';
    const here = thisOwner(owner.hostname);
    if (owner.machineId === '' || owner.machineId !== here.machineId) return 'elsewhere';
    if (owner.bootId !== here.bootId) return 'dead';
    return startOf(owner.pid) === owner.pidStart ? 'alive' : 'dead';
  } catch {
    // What cannot be read proves nothing.
    return 'unknown';
  } finally {
    closeSync(fd);
  }
}

/** For writing, since NFS gives an exclusive lock to no other; a share mounted read-only can be listed all the same. */
function openMarker(path: string): number | undefined {
  for (const access of [constants.O_RDWR, constants.O_RDONLY]) {
    try {
      return openSync(path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch {
      // The other way, or not at all.
    }
  }
  return undefined;
}

/** False where the share knows no locks: the process tells then. */
function isLocked(fd: number): boolean {
  try {
    return !flockExclusive(fd);
  } catch {
    return false;
  }
}

/** Undefined if there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    return readProcessStat(pid).startTicks;
  } catch {
    return undefined;
  }
}

function lineOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
