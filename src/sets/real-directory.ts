import { lstat } from 'node:fs/promises';
import { fromSystem } from '../error.js';

/** Whether there is a directory; a link to one is none. @throws LifeboatError where it cannot be looked at */
export async function isRealDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fromSystem(error, 'look at', path);
  }
}
