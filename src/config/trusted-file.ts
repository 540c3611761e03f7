import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';

/** A configuration is a few KiB. */
const MOST_BYTES = 256 * 1024;
const MOST_LINKS = 40;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * The text of a file that decides what root does: nobody but root, or who runs this, may have a say in it.
 * @returns undefined where there is no such file
 * @throws LifeboatError CONFIG
 */
export function readTrustedFile(path: string): string | undefined {
  const realPath = requireTrusted(path);
  if (realPath === undefined) return undefined;
  try {
    const fd = openSync(realPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) throw distrust(path, 'it is no regular file', 'put a file there');
      if (stats.size > MOST_BYTES)
        throw distrust(path, `it is larger than ${MOST_BYTES} bytes`, 'put the right file there');
      return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new LifeboatError('CONFIG', `Cannot read "${path}": it is not UTF-8`, {
        hint: `file "${path}" tells what it is`,
      });
    throw fromSystem(error, 'read', path);
  }
}

/**
 * Sees to it that nobody but root, or who runs this, can change what a path leads to, as sshd's StrictModes does: neither the
 * thing itself, nor a directory on the way to it, nor a link, nor what that leads through. On the way, a directory that all
 * may write to, but in which each may only remove their own (/tmp), will do, since what comes next is looked at too.
 * @returns the path without links; undefined where there is nothing
 * @throws LifeboatError CONFIG
 */
export function requireTrusted(path: string): string | undefined {
  let real: string = sep;
  // ".." stays, for behind a link it leads elsewhere than the text says.
  let parts = partsOf(isAbsolute(path) ? path : `${process.cwd()}${sep}${path}`);
  let links = 0;
  try {
    judge(real, lstatSync(real), parts.length === 0);
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const next = join(real, part);
      const stats = lstatSync(next);
      judge(next, stats, parts.length === 0);
      if (stats.isSymbolicLink()) {
        links++;
        if (links > MOST_LINKS)
          throw distrust(path, 'its symbolic links lead in a circle', `look at it: namei -l "${path}"`);
        const target = readlinkSync(next);
        parts = [...partsOf(target), ...parts];
        if (isAbsolute(target)) real = sep;
      } else if (parts.length > 0 && !stats.isDirectory()) throw noDirectory(path);
      else real = next;
    }
    return real;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR') throw noDirectory(path);
    throw fromSystem(error, 'read', path);
  }
}

function judge(path: string, stats: Stats, isLast: boolean): void {
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
    throw distrust(
      path,
      `it belongs to user ${stats.uid}, not to root`,
      `look into it, then: chown root:root "${path}"`,
    );
  // The mode of a link means nothing.
  if (stats.isSymbolicLink() || (stats.mode & OTHERS_WRITE) === 0) return;
  if (stats.isDirectory() && (stats.mode & STICKY) !== 0 && !isLast) return;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  throw distrust(
    path,
    `others than its owner can write to it (mode ${mode})`,
    `look into it, then: chmod go-w "${path}"`,
  );
}

function partsOf(path: string): string[] {
  return path.split(sep).filter((part) => part !== '' && part !== '.');
}

function noDirectory(path: string): LifeboatError {
  return distrust(path, 'something on the way to it is no directory', `look at it: namei -l "${path}"`);
}

function distrust(path: string, why: string, hint: string): LifeboatError {
  return new LifeboatError('CONFIG', `Cannot trust "${path}": ${why}`, { hint });
}
