import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../error.js';
import { roundSize } from './sizes.js';

const WATCH_MS = 1500;
const LEAST_FREE_SHARE = 0.02;
const MOST_LEAST_FREE_BYTES = 512 * 1024 ** 2;

/**
 * Looks again and again whether a file system is nearly full: what is deleted is not freed while snapshots have it.
 * @param signal ends the watch in silence: the promise never settles then
 * @throws LifeboatError NO_SPACE
 */
export async function watchRoom(topFd: number, device: string, signal: AbortSignal): Promise<never> {
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
