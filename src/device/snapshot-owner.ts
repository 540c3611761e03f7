import { readFileSync } from 'node:fs';
import { readProcessStat } from './process-stat.js';

/** On every snapshot that we make; none without it is ever removed by us. */
export const SNAPSHOT_TAG = 'lifeboat_snapshot';

/** A process: its number is used again after its end, so its start time and the boot it ran in tell it apart. */
export interface Owner {
  pid: number;
  /** In clock ticks since the boot. */
  startTime: string;
  /** The first digits of the kernel's boot id. */
  boot: string;
}

const BOOT_DIGITS = 12;

export function thisProcess(proc = '/proc'): Owner {
  const startTime = startTimeOf(process.pid, proc);
  if (startTime === undefined) throw new Error(`${proc} does not show this process`);
  return { pid: process.pid, startTime, boot: bootId(proc) };
}

/** Tags of an LV, in the letters that LVM allows for them. */
export function ownerTags({ pid, startTime, boot }: Owner): string[] {
  return [SNAPSHOT_TAG, `lifeboat_pid_${pid}_${startTime}`, `lifeboat_boot_${boot}`];
}

/** Undefined if the tags name no owner. */
export function ownerOf(tags: readonly string[]): Owner | undefined {
  const first = (pattern: RegExp) => tags.map((tag) => pattern.exec(tag)).find((match) => match !== null);
  const process = first(/^lifeboat_pid_([1-9]\d*)_(\d+)$/);
  const boot = first(/^lifeboat_boot_([0-9a-f]+)$/)?.[1];
  const [, pid, startTime] = process ?? [];
  return pid === undefined || startTime === undefined || boot === undefined
    ? undefined
    : { pid: Number(pid), startTime, boot };
}

export function isAlive({ pid, startTime, boot }: Owner, proc = '/proc'): boolean {
  return boot === bootId(proc) && startTime === startTimeOf(pid, proc);
}

function startTimeOf(pid: number, proc: string): string | undefined {
  try {
    const { state, startTicks } = readProcessStat(pid, proc);
    // A zombie has ended: it holds nothing any more.
    return state === 'Z' || state === 'X' ? undefined : startTicks;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

function bootId(proc: string): string {
  return readFileSync(`${proc}/sys/kernel/random/boot_id`, 'utf8').replaceAll('-', '').slice(0, BOOT_DIGITS);
}
