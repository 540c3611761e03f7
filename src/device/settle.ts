import { alignedBuffer, flushDeviceCache } from '../native/libc.js';
import { runCommand } from './command.js';
import { DIRECT_ALIGNMENT_BYTES } from './direct.js';
import { freeze, mayFreeze } from './freeze.js';
import { readWhole, writeWhole } from './read-whole.js';
import { createScratchCopy } from './scratch-copy.js';
import { openSource, type Source } from './source.js';
import type { UsedRange } from './used-blocks.js';

/**
 * An EFI system partition or /boot that is mounted, and not on LVM, has no snapshot. It is small and hardly ever written,
 * so a copy of it is made at one moment, and read in its place as a snapshot would be.
 */
export interface SettledCopy {
  /**
   * frozen: it is what the frozen file system held. compared: read again, nothing had changed. changing: something was
   * writing all the time, so the copy is as after a crash.
   */
  how: 'frozen' | 'compared' | 'changing';
  /** What is in use, as it was at that moment; undefined if that is not known. */
  used: UsedRange[] | undefined;
  /** A sparse file of the partition's size. It has no name any more. */
  fd: number;
  directFd: undefined;
  path: string;
  sizeBytes: number;
  /** May be called more than once. */
  close(): void;
}

export interface SettleOptions {
  /** The partition: "/dev/sda2". */
  device: string;
  mountpoint: string;
  /** Where the copy lies: in the target, for the disk that is being imaged had better not change. */
  directory: string;
  /** Further paths this run writes to. A file system that has one of them is not frozen. */
  ownPaths: readonly string[];
  /** Finds what is in use of the partition that it is given; called while that stands still, or is hoped to. */
  mapUsed?: (partition: Source, signal: AbortSignal) => Promise<UsedRange[] | undefined>;
  signal: AbortSignal;
  say(text: string): void;
}

const BLOCK_BYTES = 1024 ** 2;
/** Each pass but the first only finds what changed since the one before. */
const MOST_PASSES = 6;
/** Whoever wants to write waits so long at most. */
const FROZEN_LIMIT_MS = 10_000;

/**
 * Copies a mounted partition until the copy is what the partition holds at one moment: under a freeze where the file
 * system has that and none of our own paths is on it, else until a pass over all of it finds nothing changed. (Whatever
 * was written during such a pass was written behind it, so the copy is the state at its start.)
 * @throws LifeboatError FAILED, NEEDS_ROOT or NO_SPACE; the signal's reason
 */
export async function settle(options: SettleOptions): Promise<SettledCopy> {
  const { device, mountpoint, directory, ownPaths, signal, say } = options;
  const source = await openSource(device, signal);
  try {
    const copy = createScratchCopy(directory, source.sizeBytes);
    try {
      const work: Work = {
        options,
        source,
        copyFd: copy.fd,
        buffers: [alignedBuffer(BLOCK_BYTES), alignedBuffer(BLOCK_BYTES)],
      };
      // So that the one under the freeze has little left to write, to a target that may be slow.
      let pass = await copyOnce(work, undefined, signal);
      if (mayFreeze(mountpoint, [directory, ...ownPaths])) {
        const frozen = await copyFrozen(work, pass.used);
        if (frozen !== undefined) return { ...copy, directFd: undefined, how: 'frozen', used: frozen.used };
      }
      for (let passes = 1; passes < MOST_PASSES; passes++) {
        pass = await copyOnce(work, pass.used, signal);
        if (!pass.hasChanged) return { ...copy, directFd: undefined, how: 'compared', used: pass.used };
      }
      say(`${mountpoint} (${device}) changed each of ${MOST_PASSES} times it was read: it is saved as after a crash`);
      return { ...copy, directFd: undefined, how: 'changing', used: pass.used };
    } catch (error) {
      copy.close();
      throw error;
    }
  } finally {
    source.close();
  }
}

interface Work {
  options: SettleOptions;
  source: Source;
  copyFd: number;
  buffers: [Buffer, Buffer];
}

interface Pass {
  used: UsedRange[] | undefined;
  hasChanged: boolean;
}

async function copyFrozen(work: Work, usedBefore: UsedRange[] | undefined): Promise<Pass | undefined> {
  const { mountpoint, signal, say } = work.options;
  const thaw = await freeze(mountpoint, say);
  if (thaw === undefined) return undefined;
  const limit = AbortSignal.timeout(FROZEN_LIMIT_MS);
  try {
    return await copyOnce(work, usedBefore, AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
    say(
      `${mountpoint} was thawed after ${FROZEN_LIMIT_MS / 1000} s, before all of it was read: it is compared instead`,
    );
    return undefined;
  } finally {
    await thaw();
  }
}

async function copyOnce(work: Work, usedBefore: UsedRange[] | undefined, signal: AbortSignal): Promise<Pass> {
  const { options, source } = work;
  await runCommand('sync', ['--file-system', options.mountpoint], { signal });
  if (source.kind === 'block') flushDeviceCache(source.fd);
  const used = await options.mapUsed?.(source, signal);
  let hasChanged = JSON.stringify(used) !== JSON.stringify(usedBefore);
  for (const { offset, length } of blocksOf(used ?? [{ offset: 0, length: source.sizeBytes }], source.sizeBytes)) {
    signal.throwIfAborted();
    if (await copyBlock(work, offset, length)) hasChanged = true;
  }
  return { used, hasChanged };
}

/** Pieces of one block at most, on the borders that O_DIRECT wants. */
function* blocksOf(ranges: readonly UsedRange[], sizeBytes: number): Generator<UsedRange> {
  let done = 0;
  for (const { offset, length } of ranges) {
    const start = Math.max(done, offset - (offset % DIRECT_ALIGNMENT_BYTES));
    const end = Math.min(sizeBytes, Math.ceil((offset + length) / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES);
    for (let at = start; at < end; at += BLOCK_BYTES) yield { offset: at, length: Math.min(BLOCK_BYTES, end - at) };
    done = Math.max(done, end);
  }
}

/** @returns whether the copy held something else. Zeros stay holes in it, for it is read before it is written. */
async function copyBlock({ options, source, copyFd, buffers }: Work, offset: number, length: number): Promise<boolean> {
  const [now, before] = buffers.map((buffer) => buffer.subarray(0, length)) as [Buffer, Buffer];
  const isAligned = length % DIRECT_ALIGNMENT_BYTES === 0;
  await readWhole(isAligned ? (source.directFd ?? source.fd) : source.fd, now, offset, options.device);
  await readWhole(copyFd, before, offset, options.directory);
  if (now.equals(before)) return false;
  await writeWhole(copyFd, now, offset, options.directory);
  return true;
}
