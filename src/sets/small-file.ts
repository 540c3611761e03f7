import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { fromSystem, LifeboatError } from '../error.js';

const MOST_BYTES = 16 * 1024 * 1024;

/**
 * A text from where others may write: no link is followed, no pipe waited for, no memory filled.
 * @throws LifeboatError
 */
export function readSmallFile(path: string): string {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.size > MOST_BYTES)
        throw new LifeboatError('DAMAGE', `Cannot use "${path}": no run of lifeboat makes such a file`);
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fromSystem(error, 'read', path);
  }
}
