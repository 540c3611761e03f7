import { closeSync, lstatSync, readdirSync } from 'node:fs';
import { fromSystem, LifeboatError } from '../error.js';
import { createSnapshot, destroySubvolume, openSubvolume } from '../native/btrfs.js';
import { FIRST_FREE } from './btrfs-format.js';
import { removePatiently } from './remove-patiently.js';
import { isAlive, type Owner, thisProcess } from './snapshot-owner.js';

/** What snapshots need of the host; tests show them another. */
export interface BtrfsWorld {
  openSubvolume(device: string, id: number): number;
  createSnapshot(directoryFd: number, name: string, subvolumeFd: number): Promise<void>;
  destroySubvolume(directoryFd: number, name: string): Promise<void>;
  /** The names of the subvolumes in an open directory. */
  subvolumesIn(directoryFd: number): string[];
  close(fd: number): void;
  proc: string;
  /** For the removal of all of them. */
  removeWithinMs: number;
}

export const THIS_BTRFS: Readonly<BtrfsWorld> = {
  openSubvolume,
  createSnapshot,
  destroySubvolume,
  subvolumesIn,
  close: closeSync,
  proc: '/proc',
  // vzdump kills 5 s after it asked; some of that is gone before we are called.
  removeWithinMs: 4000,
};

/** In the top directory of the file system. The owner is in the name, for a subvolume has no tags. */
export function snapshotName({ pid, startTime, boot }: Owner, subvolume: number): string {
  return `.lifeboat-${pid}-${startTime}-${boot}-${subvolume}`;
}

/** Undefined for a name that we never give. */
export function ownerOfName(name: string): Owner | undefined {
  const [, pid, startTime, boot] = /^\.lifeboat-([1-9]\d*)-(\d+)-([0-9a-f]{12})-[1-9]\d*$/.exec(name) ?? [];
  return pid === undefined || startTime === undefined || boot === undefined
    ? undefined
    : { pid: Number(pid), startTime, boot };
}

export interface BtrfsSnapshots {
  /** In the order of the subvolumes, without those that were deleted meanwhile. */
  names: string[];
  /**
   * Removes them, however the run ends: no signal stops it. Idempotent; within 5 s. What it cannot remove it says, and the
   * next run's `reapBtrfsSnapshots` removes.
   */
  release(): Promise<void>;
}

/**
 * Makes a read-only snapshot of each subvolume, so that what their files hold stays where it is on the disk.
 * @param topFd the top directory of the file system
 * @throws LifeboatError FAILED or NO_SPACE; the signal's reason. No snapshot is left then.
 */
export async function holdBtrfsSnapshots(
  device: string,
  topFd: number,
  subvolumes: readonly number[],
  { signal, say }: { signal: AbortSignal; say(text: string): void },
  parts: Partial<BtrfsWorld> = {},
): Promise<BtrfsSnapshots> {
  const world = { ...THIS_BTRFS, ...parts };
  const owner = thisProcess(world.proc);
  const names: string[] = [];
  const begun: string[] = [];
  let released: Promise<void> | undefined;
  const release = () => {
    released ??= removeAll(topFd, begun, say, world).then(() => undefined);
    return released;
  };
  try {
    for (const id of subvolumes) {
      signal.throwIfAborted();
      const name = snapshotName(owner, id);
      // First of all: one whose creation fails half way is removed too.
      begun.push(name);
      if (await create(device, topFd, id, name, world)) names.push(name);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { names, release };
}

/** @returns false if there is no such subvolume any more */
async function create(device: string, topFd: number, id: number, name: string, world: BtrfsWorld): Promise<boolean> {
  let fd: number | undefined;
  try {
    fd = world.openSubvolume(device, id);
    await world.createSnapshot(topFd, name, fd);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (code === 'ETXTBSY')
      throw new LifeboatError('FAILED', `Cannot snapshot subvolume ${id} of "${device}": a swap file in it is in use`, {
        hint: `swapoff before, or move the swap to a partition (btrfs subvolume list / shows subvolume ${id})`,
        cause: error,
      });
    throw fromSystem(error, `snapshot subvolume ${id} of`, device);
  } finally {
    if (fd !== undefined) world.close(fd);
  }
}

/**
 * Removes the snapshots of runs that were killed, be it on the host whose image this one was restored from. Never one
 * whose name we did not give, nor one whose run still goes on.
 */
export async function reapBtrfsSnapshots(
  topFd: number,
  say: (text: string) => void,
  parts: Partial<BtrfsWorld> = {},
): Promise<void> {
  const world = { ...THIS_BTRFS, ...parts };
  const dead = world.subvolumesIn(topFd).filter((name) => {
    const owner = ownerOfName(name);
    return owner !== undefined && !isAlive(owner, world.proc);
  });
  const left = await removeAll(topFd, dead, say, world);
  for (const name of dead)
    if (!left.includes(name))
      say(`removed snapshot ${name}, left by a run that was killed, or of the host as it was before it was restored`);
}

/** @returns those that are still there */
async function removeAll(
  topFd: number,
  names: readonly string[],
  say: (text: string) => void,
  world: BtrfsWorld,
): Promise<string[]> {
  const left = await removePatiently(names, (name) => refusalOf(topFd, name, world), world.removeWithinMs);
  return left.map(({ thing: name, refusal }) => {
    const why = refusal ?? `that did not end within ${world.removeWithinMs / 1000} s`;
    say(
      `the snapshot ${name} is still in the top directory (${why}): the next run removes it, or you: ` +
        `mount -o subvolid=5 DEVICE /mnt && btrfs subvolume delete /mnt/${name}`,
    );
    return name;
  });
}

/** @returns why not; undefined if it is gone, or never was */
async function refusalOf(topFd: number, name: string, world: BtrfsWorld): Promise<string | undefined> {
  try {
    await world.destroySubvolume(topFd, name);
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return code === 'ENOENT' ? undefined : message;
  }
}

function subvolumesIn(directoryFd: number): string[] {
  const path = `/proc/self/fd/${directoryFd}`;
  // The root of a subvolume has this number, and no other directory in it has.
  return readdirSync(path).filter(
    (name) => lstatSync(`${path}/${name}`, { throwIfNoEntry: false })?.ino === FIRST_FREE,
  );
}
