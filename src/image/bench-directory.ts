import { randomBytes, randomFillSync } from 'node:crypto';
import { closeSync, constants, fdatasync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openDirect } from '../device/direct.js';
import { fileSystemFacts } from '../device/file-limits.js';
import { fromSystem } from '../error.js';
import { dropCache } from '../native/libc.js';
import { readSome } from '../stream/read-at.js';
import { directMemory } from '../stream/slots.js';
import { writeAll } from '../stream/write-at.js';

/** How fast files there are written and written over, down to the disk, and read from it. */
export interface DirectorySpeeds {
  writeBytesPerSecond: number;
  /**
   * Of blocks that are the file's already, as those of a disk are that is restored: the file system has nothing to give out.
   * 4.5 GB/s where new ones were written at 2.1 (ext4 on a virtual disk).
   */
  overwriteBytesPerSecond: number;
  readBytesPerSecond: number;
}

const PIECE_BYTES = 4 * 1024 * 1024;
/** More than the write cache of most disks takes at once. */
const MOST_BYTES = 1024 ** 3;
const LIMIT_MS = 4000;
/** Of the room that is free. */
const MOST_SHARE = 0.25;
const AT_ONCE = 4;

const syncData = promisify(fdatasync);

/**
 * Writes a file of at most 1 GiB for at most 4 s, writes over it and reads it back, past the cache. The file has no name from
 * the moment it is open, so that a run that is killed leaves nothing.
 * @returns undefined where there is too little room to try
 * @throws LifeboatError
 */
export async function measureDirectory(directory: string, signal: AbortSignal): Promise<DirectorySpeeds | undefined> {
  const { availableBlocks, blockBytes } = await fileSystemFacts(directory);
  const roomBytes = Math.min(MOST_BYTES, MOST_SHARE * availableBlocks * blockBytes);
  const pieces = Math.floor(roomBytes / PIECE_BYTES);
  if (pieces < AT_ONCE) return undefined;
  const path = join(directory, `.lifeboat-bench-${randomBytes(6).toString('hex')}`);
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  let fd: number | undefined;
  let directFd: number | undefined;
  try {
    fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      directFd = openDirect(path, O_RDWR | O_NOFOLLOW);
    } finally {
      unlinkSync(path);
    }
    // Nothing there can compress it or knows it already.
    const noise = randomFillSync(directMemory(PIECE_BYTES));
    const file = directFd ?? fd;
    const write = async (most: number) => {
      const start = performance.now();
      const written = await eachPiece(most, signal, (piece) => writeAll(file, [noise], piece * PIECE_BYTES));
      await syncData(fd as number);
      return { written, bytesPerSecond: (1000 * written * PIECE_BYTES) / (performance.now() - start) };
    };
    const { written, bytesPerSecond: writeBytesPerSecond } = await write(pieces);
    const { bytesPerSecond: overwriteBytesPerSecond } = await write(written);
    dropCache(fd, 0, 0);
    const buffers = Array.from({ length: AT_ONCE }, () => directMemory(PIECE_BYTES));
    const readStart = performance.now();
    const read = await eachPiece(written, signal, async (piece, turn) => {
      await readSome(file, buffers[turn] as Buffer, PIECE_BYTES, piece * PIECE_BYTES);
    });
    const readMs = performance.now() - readStart;
    ftruncateSync(fd, 0);
    return {
      writeBytesPerSecond,
      overwriteBytesPerSecond,
      readBytesPerSecond: (1000 * read * PIECE_BYTES) / readMs,
    };
  } catch (error) {
    signal.throwIfAborted();
    throw fromSystem(error, 'try the speed of', directory);
  } finally {
    if (directFd !== undefined) closeSync(directFd);
    if (fd !== undefined) closeSync(fd);
  }
}

/** Four at once, until all are done or the time is over. @returns how many were done; they are the first ones */
async function eachPiece(
  pieces: number,
  signal: AbortSignal,
  act: (piece: number, turn: number) => Promise<void>,
): Promise<number> {
  const end = performance.now() + LIMIT_MS;
  let next = 0;
  const lane = async (turn: number) => {
    while (next < pieces && performance.now() < end && !signal.aborted) await act(next++, turn);
  };
  // All are waited for, for the descriptor is closed afterwards.
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, turn) => lane(turn)));
  signal.throwIfAborted();
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  return next;
}
