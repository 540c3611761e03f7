import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import type { BootDisk } from '../device/boot-disk.js';
import { fromSystem, LifeboatError, messageOf } from '../error.js';
import { withTimeLimit } from '../host/time-limit.js';
import { requireMount } from '../sets/require-mount.js';
import { checkRoom, estimateRoom } from '../sets/room.js';
import type { DiskAndSets } from './last-set.js';

/** An NFS server that is gone lets a look at its share wait for ever. */
const ANSWER_LIMIT_MS = 30_000;

/**
 * Checks that sets can be written to a directory, as far as that can be told beforehand.
 * @param mountpoint `require-mount` of the configuration
 * @throws LifeboatError with what to do
 */
export async function checkDirectory(to: string, mountpoint: string | boolean, signal: AbortSignal): Promise<void> {
  try {
    await withTimeLimit(ANSWER_LIMIT_MS, signal, () => stat(`${to}/.`));
  } catch (error) {
    signal.throwIfAborted();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new LifeboatError('FAILED', `Cannot put a set in "${to}": there is no such directory`, {
        hint: `mount what belongs there, or make it: mkdir -p "${to}"`,
        cause: error,
      });
    if (error instanceof LifeboatError)
      throw new LifeboatError('FAILED', `Cannot put a set in "${to}": it does not answer (${error.message})`, {
        hint: `is its server up? findmnt -T "${to}" shows where it is mounted from`,
        cause: error,
      });
    throw fromSystem(error, 'look at', to);
  }
  if (mountpoint !== false) requireMount(to, mountpoint === true ? undefined : mountpoint);
  try {
    await access(to, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new LifeboatError('FAILED', `Cannot put a set in "${to}": ${reasonOf(error)}`, {
      hint: `findmnt -T "${to}" shows how it is mounted; an NFS server has to allow root (no_root_squash)`,
      cause: error,
    });
  }
}

/** @throws LifeboatError NO_SPACE */
export async function checkRoomForSet(to: string, { disk, sets }: DiskAndSets): Promise<void> {
  const last = sets.flatMap(({ manifest, time, sizeBytes }) =>
    manifest === undefined ? [] : [{ time, sizeBytes, imageSizeBytes: manifest.imageSizeBytes }],
  );
  await checkRoom(to, estimateRoom(last, last.length > 0 ? 0 : await usedBytesOf(disk)));
}

/** What the mounted file systems of a disk hold, as df tells: the first run has nothing better to go by. */
async function usedBytesOf(disk: BootDisk): Promise<number> {
  const places = new Map(disk.mounts.map(({ device, mountpoint }) => [device, mountpoint]));
  let bytes = 0;
  for (const mountpoint of places.values()) {
    try {
      const { bsize, blocks, bfree } = await statfs(mountpoint);
      bytes += (blocks - bfree) * bsize;
    } catch (error) {
      throw fromSystem(error, 'look at the file system of', mountpoint);
    }
  }
  return bytes;
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EROFS':
      return 'its file system is mounted read-only';
    case 'EACCES':
      return 'it may not be written to';
    default:
      return messageOf(error);
  }
}
