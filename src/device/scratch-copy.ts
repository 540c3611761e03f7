import { randomBytes } from 'node:crypto';
import { closeSync, constants, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem } from '../error.js';

export interface ScratchCopy {
  fd: number;
  /** As it was called; for messages. */
  path: string;
  sizeBytes: number;
  /** May be called more than once. */
  close(): void;
}

/**
 * Makes a sparse file for what is copied of a device, private and without a name: nothing is left of it when we are killed.
 * @param directory in the target, for the disk that is being imaged had better not change
 * @throws LifeboatError FAILED or NO_SPACE
 */
export function createScratchCopy(directory: string, sizeBytes: number): ScratchCopy {
  const path = join(directory, `.lifeboat-settled-${randomBytes(6).toString('hex')}`);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw fromSystem(error, 'create', path);
  }
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  try {
    unlinkSync(path);
    ftruncateSync(fd, sizeBytes);
  } catch (error) {
    close();
    throw fromSystem(error, 'prepare', path);
  }
  return { fd, path, sizeBytes, close };
}
