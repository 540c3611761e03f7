import { closeSync, existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, LifeboatError } from '../error.js';
import { cancelScrub, isScrubbing, openSubvolume } from '../native/btrfs.js';
import { type CopyWork, copyData, copySuperblocks, copyTreeBlocks, readSuperblock } from './btrfs-copy.js';
import { FIRST_FREE, isSubvolume, malformed, type RootItem, TOP_SUBVOLUME } from './btrfs-format.js';
import { type BtrfsSnapshots, holdBtrfsSnapshots, ownerOfName, reapBtrfsSnapshots } from './btrfs-snapshots.js';
import { type Allocation, dataBeyond, dataOf, type Roots, readAllocation, readRoots } from './btrfs-state.js';
import { runCommand } from './command.js';
import { freezeGuarded } from './freeze-guard.js';
import { liesOn } from './same-disk.js';
import { createScratchCopy } from './scratch-copy.js';
import { roundSize } from './sizes.js';
import { openSource } from './source.js';
import { exactRanges, HEAD_BYTES, joinedRanges, type UsedRange } from './used-blocks.js';

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

/** Whoever wants to write waits so long at most; the guard thaws a little later, whatever happens to us. */
const COPY_LIMIT_MS = 8000;
const FROZEN_LIMIT_S = 10;
const TRIES = 5;
const WATCH_MS = 1500;
const LEAST_FREE_SHARE = 0.02;
const MOST_LEAST_FREE_BYTES = 512 * 1024 ** 2;

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
    const held = heldRoots(roots, snapshots);
    const pinned = await dataOf({ ...work, isStill: true }, roots, held);
    refuseBusy(device, uuid);
    if (isScrubbing(topFd, roots.superblock.deviceId))
      throw notStill(device, 'it is being scrubbed, which a freeze would wait for');
    const moment = await copyFrozen(work, topFd, { options, snapshots, held, pinned });

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
        refuseMoved(device, heldRoots(await rootsNow(work), snapshots), held);
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

/** Where the trees of our snapshots begin, in their order. @throws LifeboatError FAILED if one is gone */
function heldRoots({ roots, refs }: Roots, { names }: BtrfsSnapshots): RootItem[] {
  return names.map((name) => {
    const ref = refs.find((one) => one.parent === TOP_SUBVOLUME && one.directory === FIRST_FREE && one.name === name);
    const root = roots.find(({ id, isDead }) => id === ref?.child && !isDead);
    if (root !== undefined) return root;
    throw new LifeboatError('FAILED', `The snapshot ${name} is gone: something else removed it`, {
      hint: 'run this again',
    });
  });
}

interface Moment {
  roots: Roots;
  allocation: Allocation;
  /** On the device: superblocks, and data that no snapshot holds. */
  copied: UsedRange[];
  /** What was read under the freeze. */
  copiedBytes: number;
  frozenMs: number;
}

interface Preparation {
  options: HoldBtrfsOptions;
  snapshots: BtrfsSnapshots;
  held: RootItem[];
  /** The addresses of the data that the snapshots hold. */
  pinned: Float64Array;
}

/** Nothing of ours may write to the file system in here, be it a line of a log. */
async function copyFrozen(work: CopyWork, topFd: number, preparation: Preparation): Promise<Moment> {
  const { device, signal, warn } = preparation.options;
  const startedAt = performance.now();
  const frozen = await freezeGuarded(topFd, {
    device,
    limitS: FROZEN_LIMIT_S,
    // A freeze waits for a scrub to end, for hours perhaps, and all who write wait for the freeze.
    unblock: () => (cancelScrub(topFd) ? `a scrub of it was stopped: btrfs scrub resume ${device} goes on` : undefined),
    signal,
    say: warn,
  });
  const limit = AbortSignal.timeout(COPY_LIMIT_MS);
  const read = { bytes: 0 };
  let moment: Omit<Moment, 'frozenMs' | 'copiedBytes'>;
  let isWhole = false;
  try {
    moment = await copyMoment({ ...work, isStill: true, read, signal: AbortSignal.any([signal, limit]) }, preparation);
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
    throw tooSlow(device, read.bytes);
  } finally {
    isWhole = await frozen.thaw();
  }
  if (!isWhole) throw tooSlow(device, read.bytes);
  const frozenMs = Math.round(performance.now() - startedAt);
  refuseOtherSum(moment);
  return { ...moment, copiedBytes: read.bytes, frozenMs };
}

async function copyMoment(
  work: CopyWork,
  { options, snapshots, held, pinned }: Preparation,
): Promise<Omit<Moment, 'frozenMs' | 'copiedBytes'>> {
  const { device } = options;
  const roots = await readRoots(work);
  const { chunks, superblock } = roots;
  if (superblock.logRoot !== 0) throw notStill(device, 'it has a log of writes');
  refuseMoved(device, heldRoots(roots, snapshots), held);
  const allocation = await readAllocation(work, roots);
  await copyTreeBlocks(work, chunks, superblock, allocation.trees);
  // All of a chunk with trees is read from the copy.
  const isAmongTrees = (address: number) => chunks.chunkOf(address, 1).hasTrees;
  const copied = await copyData(work, chunks, dataBeyond(allocation.data, pinned, isAmongTrees));
  copied.push(...(await copySuperblocks(work)));
  const after = await readSuperblock(work);
  if (after.generation !== superblock.generation) throw notStill(device, 'something else thawed it');
  return { roots, allocation, copied };
}

function rangesOf(
  { roots: { chunks, superblock }, allocation: { trees, data }, copied }: Moment,
  sizeBytes: number,
): { used: UsedRange[]; only: UsedRange[] } {
  const used: UsedRange[] = [{ offset: 0, length: HEAD_BYTES }, ...copied];
  for (const { address } of trees)
    for (const offset of chunks.placesOf(address, superblock.nodeBytes))
      used.push({ offset, length: superblock.nodeBytes });
  for (let i = 0; i < data.length; i += 2) {
    const [address = 0, length = 0] = [data[i], data[i + 1]];
    for (const offset of chunks.placesOf(address, length)) used.push({ offset, length });
  }
  // What lies behind the file system is not known.
  if (superblock.totalBytes < sizeBytes)
    used.push({ offset: superblock.totalBytes, length: sizeBytes - superblock.totalBytes });
  return { used: joinedRanges(used, sizeBytes), only: exactRanges([...copied, ...chunks.treeRanges()], sizeBytes) };
}

/** The superblock's own sum, which nothing here was read by. */
function refuseOtherSum({
  roots: { superblock },
  allocation: { trees, data },
}: Pick<Moment, 'roots' | 'allocation'>): void {
  let bytes = trees.length * superblock.nodeBytes;
  for (let i = 1; i < data.length; i += 2) bytes += data[i] as number;
  if (bytes !== superblock.usedBytes)
    throw malformed(`its trees list ${bytes} bytes in use, its superblock ${superblock.usedBytes}`);
}

function refuseMoved(device: string, now: readonly RootItem[], before: readonly RootItem[]): void {
  const isSame = now.every(({ address, generation }, index) => {
    return address === before[index]?.address && generation === before[index]?.generation;
  });
  if (isSame) return;
  throw new LifeboatError('FAILED', `Cannot hold "${device}" still: what its snapshots hold was moved`, {
    hint: 'run this when no balance is running (btrfs balance status /)',
  });
}

function refuseBusy(device: string, uuid: string): void {
  const path = `/sys/fs/btrfs/${uuid}/exclusive_operation`;
  const operation = existsSync(path) ? readFileSync(path, 'utf8').trim() : 'none';
  if (operation === 'none') return;
  throw notStill(device, `it is moving data (${operation})`);
}

function notStill(device: string, why: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot hold "${device}" still: ${why}`, { hint: 'run this again later' });
}

function tooSlow(device: string, readBytes: number): LifeboatError {
  return new LifeboatError(
    'FAILED',
    `Cannot hold "${device}" still: to copy what changes took more than ${COPY_LIMIT_MS / 1000} s of a freeze (${roundSize(readBytes)} were read)`,
    { hint: 'run this when less is written, or to a faster target' },
  );
}

/** What is deleted meanwhile is not freed, for the snapshots have it. */
async function watchRoom(topFd: number, device: string, signal: AbortSignal): Promise<never> {
  const room = async () => {
    const { bavail, blocks, bsize } = await statfs(`/proc/self/fd/${topFd}`);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  };
  const { freeBytes: atFirstBytes } = await room();
  const isPast = () => sleep(WATCH_MS, true, { signal }).catch(() => false);
  while (await isPast()) {
    const { freeBytes, sizeBytes } = await room();
    const leastBytes = Math.min(MOST_LEAST_FREE_BYTES, sizeBytes * LEAST_FREE_SHARE, atFirstBytes / 2);
    if (!signal.aborted && freeBytes < leastBytes)
      throw new LifeboatError('NO_SPACE', `"${device}" is nearly full: ${roundSize(freeBytes)} are left`, {
        hint: 'make room on it: snapshots of this run keep what is deleted while it runs',
      });
  }
  return new Promise<never>(() => undefined);
}
