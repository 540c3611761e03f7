import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fromSystem } from '../error.js';
import { syncDirectory } from '../image/partial-file.js';
import { isRealDirectory } from './real-directory.js';
import { HOST_DIRECTORY, ownFileNames, REMOVING_FILE, UNFINISHED_FILE } from './set-layout.js';

/** What is removed of a set's directory. */
export interface OwnFiles {
  /** The image's name; undefined: any that a set may have. */
  image: string | undefined;
  /** Files of host/, relative to it; `all` where the set was never finished, and host/ is nobody's but its run's. */
  hostFiles: readonly string[] | 'all';
}

/**
 * Removes a set's own files, and the directory if nothing else is in it.
 * @returns what is left, in relative paths: somebody else's. Empty where the directory is gone
 * @throws LifeboatError where a file of ours cannot be removed
 */
export async function removeOwnFiles(setPath: string, own: OwnFiles): Promise<string[]> {
  const names = ownFileNames(own.image);
  // What proves that all this is ours goes last, so that whoever comes after a kill can go on.
  const proofs = [REMOVING_FILE, UNFINISHED_FILE];
  const left: string[] = [];
  const hostPath = join(setPath, HOST_DIRECTORY);
  for (const name of await entriesOf(setPath)) {
    const path = join(setPath, name);
    if (name === HOST_DIRECTORY && (await isRealDirectory(path)))
      left.push(...(await removeHostFiles(hostPath, setPath, own.hostFiles)));
    else if (!names.has(name) || (await isRealDirectory(path))) left.push(name);
    else if (!proofs.includes(name)) await remove(path);
  }
  for (const name of proofs) await remove(join(setPath, name));
  if (left.length === 0) await removeDirectory(setPath, left, '');
  if (left.length > 0) syncDirectory(setPath);
  return left.sort();
}

async function removeHostFiles(hostPath: string, setPath: string, files: readonly string[] | 'all'): Promise<string[]> {
  const left: string[] = [];
  // Something mounted here is not ours, whatever it is named.
  if ((await lstat(hostPath)).dev !== (await lstat(setPath)).dev) return [HOST_DIRECTORY];
  const own = files === 'all' ? undefined : new Set(files.flatMap((name) => [name, `${name}.partial`]));
  const isOwnDirectory = (path: string) => files === 'all' || files.some((name) => name.startsWith(`${path}/`));
  const walk = async (below: string): Promise<void> => {
    for (const name of await entriesOf(join(hostPath, below))) {
      const relative = below === '' ? name : `${below}/${name}`;
      const path = join(hostPath, relative);
      if (await isRealDirectory(path)) {
        const isMount = (await lstat(path)).dev !== (await lstat(hostPath)).dev;
        if (isMount || !isOwnDirectory(relative)) left.push(`${HOST_DIRECTORY}/${relative}`);
        else await walk(relative);
      } else if (own === undefined || own.has(relative)) await remove(path);
      else left.push(`${HOST_DIRECTORY}/${relative}`);
    }
    await removeDirectory(join(hostPath, below), left, below === '' ? HOST_DIRECTORY : `${HOST_DIRECTORY}/${below}`);
  };
  await walk('');
  return left;
}

async function entriesOf(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fromSystem(error, 'list', path);
  }
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(error, 'remove', path);
  }
}

/** One that somebody else uses stays; `left` is told of it unless it has something in it already. */
async function removeDirectory(path: string, left: string[], name: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        return;
      case 'ENOTEMPTY':
      case 'EEXIST':
      case 'EBUSY':
        if (!left.some((other) => name === '' || other.startsWith(`${name}/`))) left.push(name === '' ? '.' : name);
        return;
    }
    throw fromSystem(error, 'remove', path);
  }
}
