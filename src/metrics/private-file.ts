import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { fromSystem, LifeboatError } from '../error.js';
import { openHistory } from './history-file.js';

/** What is kept beside the history is a few KiB. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * A small file that nobody else can have written.
 * @returns undefined where there is none
 * @throws LifeboatError
 */
export function readPrivateFile(path: string): string | undefined {
  let fd: number;
  try {
    fd = openHistory(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    if (fstatSync(fd).size > MOST_BYTES)
      throw new LifeboatError('FAILED', `Cannot use "${path}": it is larger than ${MOST_BYTES} bytes`, {
        hint: `look at it, and remove it: rm "${path}"`,
      });
    return readFileSync(fd, 'utf8');
  } catch (error) {
    throw fromSystem(error, 'read', path);
  } finally {
    closeSync(fd);
  }
}

/**
 * Gives a file a new text at once: whoever reads it sees the old one or the new one, also after a power cut. A symbolic link
 * of that name is replaced, not followed. The name on the way ends in .partial, which node_exporter does not read.
 * @throws LifeboatError with the file as it was
 */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  const partialPath = `${path}.${randomBytes(6).toString('hex')}.partial`;
  let fd: number;
  try {
    fd = openSync(partialPath, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw fromSystem(error, 'write', path);
  }
  try {
    try {
      writeFileSync(fd, text);
      // Whatever the umask is.
      fchmodSync(fd, mode);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partialPath, path);
  } catch (error) {
    rmSync(partialPath, { force: true });
    throw fromSystem(error, 'write', path);
  }
}
