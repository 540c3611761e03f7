import { hostname } from 'node:os';
import type { BootDisk } from '../device/boot-disk.js';
import { chooseBootDisk } from '../sets/boot-disk-choice.js';
import { type FoundSet, findSets } from '../sets/find-sets.js';
import { groupOf } from '../sets/prune.js';

/** The disk to save, and the good sets that there are of it. */
export interface DiskAndSets {
  disk: BootDisk;
  /** Newest first. */
  sets: FoundSet[];
}

/**
 * @param directory that keeps the sets
 * @param named the disk of the configuration; undefined: the one under /
 * @throws LifeboatError where the disk cannot be told or the directory not be read
 */
export async function findDiskAndSets(
  directory: string,
  named: string | undefined,
  signal: AbortSignal,
): Promise<DiskAndSets> {
  const { disk } = await chooseBootDisk(named);
  const group = groupOf({ hostname: hostname(), disk });
  const sets = (await findSets(directory, signal)).filter(
    ({ state, manifest }) => state === 'good' && manifest !== undefined && groupOf(manifest) === group,
  );
  return { disk, sets };
}

/**
 * Whether a new set is to be made. A set from the future tells that a clock was wrong, not that a set is young.
 * @param sets good ones of the disk
 */
export function isDue(sets: readonly { time: Date }[], everyMs: number, nowMs: number): boolean {
  return !sets.some(({ time }) => time.getTime() <= nowMs && nowMs - time.getTime() < everyMs);
}
