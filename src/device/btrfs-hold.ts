import { closeSync, existsSync, readFileSync } from 'node:fs';
import { fromSystem, LifeboatError } from '../error.js';
import { isScrubbing, openSubvolume } from '../native/btrfs.js';
import { KERNEL, nameOfNode } from './block-tree.js';
import { type CopyWork, copyTreeBlocks, readSuperblock } from './btrfs-copy.js';
import { isSubvolume, TOP_SUBVOLUME } from './btrfs-format.js';
import { copyFrozen, heldRoots, notStill, rangesOf, refuseMoved } from './btrfs-moment.js';
import { watchRoom } from './btrfs-room.js';
import { type BtrfsSnapshots, holdBtrfsSnapshots, ownerOfName, reapBtrfsSnapshots } from './btrfs-snapshots.js';
import { dataOf, type Roots, readAllocation, readRoots } from './btrfs-state.js';
import { runCommand } from './command.js';
import { devicesOf } from './mount-devices.js';
import { type Mount, readMounts } from './mounts.js';
import { liesOn } from './same-disk.js';
import { createScratchCopy } from './scratch-copy.js';
import { roundSize } from './sizes.js';
import { openSource } from './source.js';
import type { UsedRange } from './used-blocks.js';

/** A mounted btrfs as it was at one moment, for as long as this run wants it. */
export interface HeldBtrfs {
  /** What was in use then. */
  used: UsedRange[];
  /** What of it has to be read from the copy, for on the device it changes; the rest stays there as it was. */
  from: { fd: number; directFd: undefined; path: string; only: UsedRange[] };
  /** How it was done, in words. */
  how: string;
  /** Rejects when the snapshots keep so much that the file system is nearly full. Never resolves; silent after `release`. */
  watched: Promise<never>;
  /**
   * To be asked when all of it was read.
   * @throws LifeboatError FAILED if data were moved meanwhile, so that what was read may be anything
   */
  proveUntouched(): Promise<void>;
  /** Removes snapshots and copy. Nothing may be reading any more. Idempotent; within 5 s. */
  release(): Promise<void>;
}

export interface HoldBtrfsOptions {
  /** The partition: "/dev/sda3". */
  device: string;
  /** Where the copy of the trees lies: in the target. */
  directory: string;
  /** Further paths this run writes to. If one is on this file system, it cannot be frozen. */
  ownPaths: readonly string[];
  signal: AbortSignal;
  say(text: string): void;
  warn(text: string): void;
}

const TRIES = 5;

/**
 * Holds a mounted btrfs of one device still. A snapshot of each subvolume keeps the data of files where they are; the
 * trees, which change all the time, are copied: ahead while it is written to, and under a short freeze what has changed
 * since, with such data as came after the snapshots. As btrfs never overwrites a block in use, that is little.
 * @throws LifeboatError FAILED, NEEDS_ROOT or NO_SPACE; the signal's reason. Nothing is left then.
 */
export async function holdBtrfs(options: HoldBtrfsOptions): Promise<HeldBtrfs> {
  const { device, directory, signal, say } = options;
  const closing: (() => Promise<void> | void)[] = [];
  const release = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const source = await openSource(device, signal);
    closing.push(() => source.close());
    refuseOwnPaths(options, source.rdev);
    const copy = createScratchCopy(directory, source.sizeBytes);
    closing.push(() => copy.close());
    const work: CopyWork = { source, copy, known: new Map(), isStill: false, read: { bytes: 0 }, signal };
    const { uuid } = await readSuperblock(work);
    refuseReadOnly(device);
    refuseBusy(device, uuid);
    const topFd = openTop(device);
    closing.push(() => closeSync(topFd));

    await reapBtrfsSnapshots(topFd, options.warn);
    await commit(topFd, signal);
    await copyAhead(work);
    const snapshots = await snapshotAll(options, topFd, work);
    closing.push(() => snapshots.release());
    await copyAhead(work);
    const roots = await rootsNow(work);
    const held = heldRoots(roots, snapshots.names);
    const pinned = await dataOf({ ...work, isStill: true }, roots, held);
    refuseBusy(device, uuid);
    if (isScrubbing(topFd, roots.superblock.deviceId))
      throw notStill(device, 'it is being scrubbed, which a freeze would wait for');
    const moment = await copyFrozen(work, topFd, { device, names: snapshots.names, held, pinned }, options.warn);

    const watching = new AbortController();
    closing.push(() => watching.abort());
    const watched = watchRoom(topFd, device, watching.signal);
    watched.catch(() => undefined);
    const { used, only } = rangesOf(moment, source.sizeBytes);
    const kept = `${snapshots.names.length} read-only snapshots`;
    const how = `held by ${kept}; frozen for ${moment.frozenMs} ms to copy ${roundSize(moment.copiedBytes)}`;
    say(`${device} (btrfs, ${roundSize(source.sizeBytes)}) is ${how}`);
    return {
      used,
      from: { fd: copy.fd, directFd: undefined, path: copy.path, only },
      how,
      watched,
      proveUntouched: async () => {
        await commit(topFd, signal);
        refuseMoved(device, heldRoots(await rootsNow(work), snapshots.names), held);
      },
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Our own writes would wait for the thaw, and we for them. */
function refuseOwnPaths({ device, directory, ownPaths }: HoldBtrfsOptions, rdev: number | undefined): void {
  const own = [directory, ...ownPaths].find((path) => rdev !== undefined && liesOn(path, rdev));
  if (own === undefined) return;
  throw new LifeboatError('FAILED', `Cannot freeze "${device}": "${own}", which this run writes to, lies on it`, {
    hint: 'save to another disk',
  });
}

/** To open a subvolume of it would make it writable. */
function refuseReadOnly(device: string): void {
  const name = nameOfNode(device);
  const isMountOf = (mount: Mount) =>
    mount.fsType === 'btrfs' && name !== undefined && devicesOf(mount, KERNEL).includes(name);
  const mounts = readMounts().filter(isMountOf);
  if (mounts.length === 0) throw notStill(device, 'it is not mounted');
  if (mounts.some(({ isReadOnly }) => isReadOnly)) throw notStill(device, 'it is mounted read-only');
}

function openTop(device: string): number {
  try {
    return openSubvolume(device, TOP_SUBVOLUME);
  } catch (error) {
    throw fromSystem(error, 'open the top directory of', device);
  }
}

/** Until then what was done before is not on the disk. */
async function commit(topFd: number, signal: AbortSignal): Promise<void> {
  await runCommand('sync', ['--file-system', `/proc/${process.pid}/fd/${topFd}`], { signal });
}

/** All that can be had while it changes; what is missed is copied under the freeze. */
async function copyAhead(work: CopyWork): Promise<void> {
  try {
    const roots = await readRoots(work);
    const { trees } = await readAllocation(work, roots);
    await copyTreeBlocks(work, roots.chunks, roots.superblock, trees);
  } catch (error) {
    work.signal.throwIfAborted();
    // Chunks that were made or removed meanwhile do not fit the rest; a target without room will not do later either.
    if (!(error instanceof LifeboatError) || error.code !== 'FAILED') throw error;
  }
}

/** Of the last commit, whole. A commit while it is read makes it begin again. */
async function rootsNow(work: CopyWork): Promise<Roots> {
  for (let tries = 1; ; tries++) {
    try {
      return await readRoots({ ...work, isStill: true });
    } catch (error) {
      if (tries === TRIES || !(error instanceof LifeboatError)) throw error;
    }
  }
}

async function snapshotAll(
  { device, signal, warn }: HoldBtrfsOptions,
  topFd: number,
  work: CopyWork,
): Promise<BtrfsSnapshots> {
  const { roots, refs } = await rootsNow(work);
  const own = new Set(refs.filter(({ name }) => ownerOfName(name) !== undefined).map(({ child }) => child));
  const ids = roots.filter(({ id, isDead }) => isSubvolume(id) && !isDead && !own.has(id)).map(({ id }) => id);
  return holdBtrfsSnapshots(device, topFd, [...new Set(ids)], { signal, say: warn });
}

function refuseBusy(device: string, uuid: string): void {
  const path = `/sys/fs/btrfs/${uuid}/exclusive_operation`;
  const operation = existsSync(path) ? readFileSync(path, 'utf8').trim() : 'none';
  if (operation === 'none') return;
  throw notStill(device, `it is moving data (${operation})`);
}
