import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { fromSystem, LifeboatError } from '../error.js';
import { blockDeviceSize, logicalSectorBytes } from '../native/libc.js';
import { openDirect } from './direct.js';

/** A file has no sectors; this is what a disk made of it would have. */
const FILE_SECTOR_BYTES = 512;

export interface Source {
  kind: 'block' | 'file';
  /** As it was given. */
  path: string;
  realPath: string;
  /** A block device's number, as `liesOn` takes it; undefined for a file. */
  rdev: number | undefined;
  fd: number;
  /** A second descriptor with O_DIRECT; undefined where the file system refuses that. */
  directFd: number | undefined;
  sizeBytes: number;
  logicalSectorBytes: number;
  /** May be called more than once. */
  close(): void;
}

/**
 * Opens a block device or a regular file for reading.
 * @throws LifeboatError FAILED or NEEDS_ROOT; USAGE for what can never be imaged by its path; the signal's reason
 */
export async function openSource(path: string, signal?: AbortSignal): Promise<Source> {
  if (path === '')
    throw new LifeboatError('USAGE', 'Cannot open the source: its path is empty', {
      hint: 'name a block device or a file, or - for stdin',
    });
  const found = await findSource(path);
  signal?.throwIfAborted();
  refuseOtherKinds(path, found.stats);
  const opened: number[] = [];
  try {
    const fd = openSync(found.realPath, constants.O_RDONLY);
    opened.push(fd);
    const stats = fstatSync(fd);
    refuseOtherKinds(path, stats);
    const isBlock = stats.isBlockDevice();
    const sizeBytes = isBlock ? blockDeviceSize(fd) : stats.size;
    if (isBlock && sizeBytes === 0) throw emptyDevice(path);
    const directFd = openDirect(found.realPath, constants.O_RDONLY);
    if (directFd !== undefined) opened.push(directFd);
    return {
      kind: isBlock ? 'block' : 'file',
      path,
      realPath: found.realPath,
      rdev: isBlock ? stats.rdev : undefined,
      fd,
      directFd,
      sizeBytes,
      logicalSectorBytes: isBlock ? logicalSectorBytes(fd) : FILE_SECTOR_BYTES,
      close: () => closeAll(opened),
    };
  } catch (error) {
    closeAll(opened);
    throw fromSystem(error, 'open', path);
  }
}

function closeAll(opened: number[]): void {
  for (const fd of opened.splice(0)) closeSync(fd);
}

async function findSource(path: string): Promise<{ realPath: string; stats: Stats }> {
  try {
    const realPath = await realpath(path);
    return { realPath, stats: await stat(realPath) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new LifeboatError('FAILED', `Cannot open "${path}": there is no such file or device`, {
        hint: 'lsblk -o NAME,SIZE,MODEL,MOUNTPOINTS lists the disks of this host',
        cause: error,
      });
    throw fromSystem(error, 'open', path);
  }
}

function refuseOtherKinds(path: string, stats: Stats): void {
  if (stats.isBlockDevice() || stats.isFile()) return;
  if (stats.isDirectory())
    throw new LifeboatError('USAGE', `Cannot read "${path}": it is a directory`, {
      hint: 'name the disk or partition that holds it (findmnt -T PATH shows it)',
    });
  const kind = stats.isFIFO() ? 'a pipe' : stats.isSocket() ? 'a socket' : 'a character device';
  throw new LifeboatError('USAGE', `Cannot read "${path}": it is ${kind}, which has no size`, {
    hint: `use - for a stream: lifeboat image - -o OUT < "${path}"`,
  });
}

function emptyDevice(path: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot read "${path}": the device has a size of 0 bytes`, {
    hint: 'put the medium in (a card reader without a card is empty), or attach a file to the loop device',
  });
}
