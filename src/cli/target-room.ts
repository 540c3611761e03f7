import { realpath, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** As the history keeps it: how much room is left where backups go. In bytes. */
export interface TargetRoom {
  target?: { path: string; freeBytes: number; sizeBytes: number };
}

/** Of a directory. Nothing where it cannot be asked: what was saved is saved, and a row counts more than this part of it. */
export async function roomIn(path: string): Promise<TargetRoom> {
  try {
    const { bsize, bavail, blocks } = await statfs(path);
    return { target: { path, freeBytes: bavail * bsize, sizeBytes: blocks * bsize } };
  } catch {
    return {};
  }
}

/** Of the directory that a file is in; nothing of what is no file, a device or a pipe. */
export async function roomBeside(file: string): Promise<TargetRoom> {
  try {
    return (await stat(file)).isFile() ? await roomIn(dirname(await realpath(file))) : {};
  } catch {
    return {};
  }
}
