import { LifeboatError } from '../error.js';
import { cancelScrub } from '../native/btrfs.js';
import { type CopyWork, copyData, copySuperblocks, copyTreeBlocks, readSuperblock } from './btrfs-copy.js';
import { FIRST_FREE, malformed, type RootItem, TOP_SUBVOLUME } from './btrfs-format.js';
import { type Allocation, dataBeyond, type Roots, readAllocation, readRoots } from './btrfs-state.js';
import { freezeGuarded } from './freeze-guard.js';
import { roundSize } from './sizes.js';
import { exactRanges, HEAD_BYTES, joinedRanges, type UsedRange } from './used-blocks.js';

/** Whoever wants to write waits so long at most; the guard thaws a little later, whatever happens to us. */
const COPY_LIMIT_MS = 8000;
const FROZEN_LIMIT_S = 10;

/** What was in use at one moment, and what of it is in the copy. */
export interface Moment {
  roots: Roots;
  allocation: Allocation;
  /** On the device: superblocks, and data that no snapshot holds. */
  copied: UsedRange[];
  /** What was read under the freeze. */
  copiedBytes: number;
  frozenMs: number;
}

export interface Preparation {
  device: string;
  /** Of the snapshots. */
  names: readonly string[];
  /** Where their trees begin. */
  held: RootItem[];
  /** The addresses of the data that the snapshots hold. */
  pinned: Float64Array;
}

/**
 * Freezes the file system, copies what the copy has not got, and thaws it. Nothing of ours may write to it in here, be it
 * a line of a log.
 * @throws LifeboatError FAILED or NO_SPACE; the signal's reason. It is thawed then.
 */
export async function copyFrozen(
  work: CopyWork,
  topFd: number,
  preparation: Preparation,
  say: (text: string) => void,
): Promise<Moment> {
  const { device } = preparation;
  const { signal } = work;
  const startedAt = performance.now();
  const frozen = await freezeGuarded(topFd, {
    device,
    limitS: FROZEN_LIMIT_S,
    // A freeze waits for a scrub to end, for hours perhaps, and all who write wait for the freeze.
    unblock: () => (cancelScrub(topFd) ? `a scrub of it was stopped: btrfs scrub resume ${device} goes on` : undefined),
    signal,
    say,
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
  { device, names, held, pinned }: Preparation,
): Promise<Omit<Moment, 'frozenMs' | 'copiedBytes'>> {
  const roots = await readRoots(work);
  const { chunks, superblock } = roots;
  if (superblock.logRoot !== 0) throw notStill(device, 'it has a log of writes');
  refuseMoved(device, heldRoots(roots, names), held);
  const allocation = await readAllocation(work, roots);
  await copyTreeBlocks(work, chunks, superblock, allocation.trees);
  // What lies among trees will be read from the copy.
  const isAmongTrees = (address: number) => chunks.chunkOf(address, 1).hasTrees;
  const copied = await copyData(work, chunks, dataBeyond(allocation.data, pinned, isAmongTrees));
  copied.push(...(await copySuperblocks(work)));
  const after = await readSuperblock(work);
  if (after.generation !== superblock.generation) throw notStill(device, 'something else thawed it');
  return { roots, allocation, copied };
}

/**
 * @param sizeBytes of the device
 * @returns what was in use, and what of it has to be read from the copy
 */
export function rangesOf(
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

/** Where the trees of our snapshots begin, in their order. @throws LifeboatError FAILED if one is gone */
export function heldRoots({ roots, refs }: Roots, names: readonly string[]): RootItem[] {
  return names.map((name) => {
    const ref = refs.find((one) => one.parent === TOP_SUBVOLUME && one.directory === FIRST_FREE && one.name === name);
    const root = roots.find(({ id, isDead }) => id === ref?.child && !isDead);
    if (root !== undefined) return root;
    throw new LifeboatError('FAILED', `The snapshot ${name} is gone: something else removed it`, {
      hint: 'run this again',
    });
  });
}

/** @throws LifeboatError FAILED if the trees of snapshots are not those that they were: a balance writes them anew */
export function refuseMoved(device: string, now: readonly RootItem[], before: readonly RootItem[]): void {
  const isSame = now.every(({ address, generation }, index) => {
    return address === before[index]?.address && generation === before[index]?.generation;
  });
  if (isSame) return;
  throw new LifeboatError('FAILED', `Cannot hold "${device}" still: what its snapshots hold was moved`, {
    hint: 'run this when no balance is running (btrfs balance status /)',
  });
}

export function notStill(device: string, why: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot hold "${device}" still: ${why}`, { hint: 'run this again later' });
}

function tooSlow(device: string, readBytes: number): LifeboatError {
  return new LifeboatError(
    'FAILED',
    `Cannot hold "${device}" still: to copy what changes took more than ${COPY_LIMIT_MS / 1000} s of a freeze (${roundSize(readBytes)} were read)`,
    { hint: 'run this when less is written, or to a faster target' },
  );
}
