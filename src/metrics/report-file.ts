import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { fromSystem, LifeboatError } from '../error.js';
import { replaceFile } from './private-file.js';

const HEAD_BYTES = 512;

/**
 * Writes a report, at once, over the one that is there. A slip in its name costs nobody a file: what has no mark of ours in
 * its first lines is not replaced.
 * @param mark what tells a report of this kind
 * @throws LifeboatError
 */
export function writeReport(path: string, text: string, { mark, mode }: { mark: string; mode: number }): void {
  const head = headOf(path);
  if (head !== undefined && !head.includes(mark))
    throw new LifeboatError('FAILED', `Cannot write "${path}": it exists already and is no report of lifeboat`, {
      hint: 'choose another name, or move it away',
    });
  replaceFile(path, text, mode);
}

/** @returns undefined where there is nothing; empty for what is no file */
function headOf(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    // A symbolic link, a socket.
    if (code === 'ELOOP' || code === 'ENXIO') return '';
    throw fromSystem(error, 'write', path);
  }
  try {
    if (!fstatSync(fd).isFile()) return '';
    const head = Buffer.alloc(HEAD_BYTES);
    return head.toString('latin1', 0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } catch (error) {
    throw fromSystem(error, 'write', path);
  } finally {
    closeSync(fd);
  }
}
