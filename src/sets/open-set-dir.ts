import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';
import { syncDirectory } from '../image/partial-file.js';
import { flockExclusive } from '../native/libc.js';
import { isRealDirectory } from './real-directory.js';
import { removeOwnFiles } from './remove-own.js';
import {
  HOST_DIRECTORY,
  hostDirectoryName,
  MANIFEST_FILE,
  PARTIAL_SUFFIX,
  SUMS_FILE,
  setNameOf,
  timeOfSetName,
  UNFINISHED_FILE,
} from './set-layout.js';
import { encodeSetManifest, type SetManifest } from './set-manifest.js';
import { encodeOwner, isBeingWritten, thisOwner } from './set-owner.js';
import { encodeSums, sumsOf } from './sums.js';

/** A set on its way: no manifest.json is in its directory, so it is none yet. */
export interface NewSet {
  path: string;
  name: string;
  /** Exists, empty, 0700. */
  hostPath: string;
  /**
   * Makes it a set: sums, everything on the disk, then the manifest by a rename. Every other file must be in its place and
   * closed.
   * @param knownSums made while a file was written, by relative path, so that it is not read again
   */
  finish(
    manifest: SetManifest,
    options: { signal: AbortSignal; knownSums?: ReadonlyMap<string, string> },
  ): Promise<void>;
  /**
   * Removes what the run made, unless it is finished. May be called at any time, and twice.
   * @returns what is left in the directory: somebody else's
   */
  abandon(): Promise<string[]>;
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * Makes the directory of a new set, `DIR/HOSTNAME/TIME`.
 * @param directory exists; its sets' directories are made in it
 * @throws LifeboatError BUSY where a set of this second is there already
 */
export function openSetDir(directory: string, hostname: string, now: Date): NewSet {
  const hostDirectory = join(resolve(directory), hostDirectoryName(hostname));
  const name = setNameOf(now);
  const path = join(hostDirectory, name);
  makeHostDirectory(directory, hostDirectory);
  try {
    mkdirSync(path, { mode: DIRECTORY_MODE });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new LifeboatError('BUSY', `Cannot make the set "${path}": there is one of this second`, {
        hint: 'try again in a second',
        cause: error,
      });
    throw fromSystem(error, 'make', path);
  }
  let lockFd: number | undefined;
  try {
    lockFd = claim(path, hostname);
    const hostPath = join(path, HOST_DIRECTORY);
    mkdirSync(hostPath, { mode: DIRECTORY_MODE });
    syncDirectory(path);
    syncDirectory(hostDirectory);
  } catch (error) {
    if (lockFd !== undefined) closeSync(lockFd);
    // Nobody but us has seen it yet.
    rmSync(path, { recursive: true, force: true });
    throw fromSystem(error, 'make', path);
  }
  return newSet(path, name, hostDirectory, lockFd);
}

function newSet(path: string, name: string, hostDirectory: string, lockFd: number): NewSet {
  let isSet = false;
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(lockFd);
    isOpen = false;
  };
  return {
    path,
    name,
    hostPath: join(path, HOST_DIRECTORY),
    async finish(manifest, { signal, knownSums }) {
      const text = encodeSetManifest(manifest);
      const partial = join(path, MANIFEST_FILE + PARTIAL_SUFFIX);
      const sums = await sumsOf(path, { signal, ...(knownSums === undefined ? {} : { known: knownSums }) });
      const own = { path: MANIFEST_FILE, sha256: createHash('sha256').update(text).digest('hex') };
      write(join(path, SUMS_FILE), encodeSums([own, ...sums]));
      for (const file of sums) syncFile(join(path, file.path));
      syncFile(join(path, SUMS_FILE));
      write(partial, text);
      syncFile(partial);
      syncDirectory(join(path, HOST_DIRECTORY));
      syncDirectory(path);
      signal.throwIfAborted();
      try {
        renameSync(partial, join(path, MANIFEST_FILE));
        isSet = true;
        await unlink(join(path, UNFINISHED_FILE));
        syncDirectory(path);
        syncDirectory(hostDirectory);
      } catch (error) {
        throw fromSystem(error, 'give its name to', join(path, MANIFEST_FILE));
      } finally {
        if (isSet) close();
      }
    },
    async abandon() {
      if (isSet || !isOpen) return [];
      try {
        return await removeOwnFiles(path, { image: undefined, hostFiles: 'all' });
      } finally {
        close();
      }
    },
  };
}

/**
 * Removes what killed runs of this host left in the directory: only where UNFINISHED proves that lifeboat made it on this
 * machine, in a process that is gone.
 * @param say gets a sentence for each
 * @returns how many
 */
export async function removeLeftovers(
  directory: string,
  hostname: string,
  say: (text: string) => void,
): Promise<number> {
  const hostDirectory = join(resolve(directory), hostDirectoryName(hostname));
  let names: string[];
  try {
    names = readdirSync(hostDirectory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw fromSystem(error, 'list', hostDirectory);
  }
  let removed = 0;
  for (const name of names.sort()) {
    const path = join(hostDirectory, name);
    if (timeOfSetName(name) === undefined || !(await isRealDirectory(path))) continue;
    if (isBeingWritten(path) !== 'dead') continue;
    if (await exists(join(path, MANIFEST_FILE))) {
      // Killed between the rename that made it a set and this.
      await unlink(join(path, UNFINISHED_FILE));
      continue;
    }
    const left = await removeOwnFiles(path, { image: undefined, hostFiles: 'all' });
    removed++;
    say(
      left.length === 0
        ? `removed "${path}", which a run that was killed had left`
        : `removed what a run that was killed had left in "${path}"; not lifeboat's, so still there: ${left.join(', ')}`,
    );
  }
  return removed;
}

function makeHostDirectory(directory: string, hostDirectory: string): void {
  try {
    mkdirSync(hostDirectory, { mode: DIRECTORY_MODE });
    syncDirectory(resolve(directory));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new LifeboatError('FAILED', `Cannot make a set in "${directory}": there is no such directory`, {
        hint: `mount what belongs there, or make it: mkdir -p "${directory}"`,
        cause: error,
      });
    if (code !== 'EEXIST') throw fromSystem(error, 'make', hostDirectory);
  }
}

/** @returns a descriptor that holds the lock for as long as it is open */
function claim(path: string, hostname: string): number {
  const marker = join(path, UNFINISHED_FILE);
  const fd = openSync(
    marker,
    constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    FILE_MODE,
  );
  try {
    lockIfPossible(fd);
    writeFileSync(fd, encodeOwner(thisOwner(hostname)));
    fsyncSync(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Shares without locks exist; there the process itself is what tells that it is alive. */
function lockIfPossible(fd: number): void {
  try {
    flockExclusive(fd);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOLCK' && code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
  }
}

function write(path: string, text: string): void {
  try {
    // wx follows no link either.
    writeFileSync(path, text, { mode: FILE_MODE, flag: 'wx' });
  } catch (error) {
    throw fromSystem(error, 'write', path);
  }
}

function syncFile(path: string): void {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fromSystem(error, 'write', path);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fromSystem(error, 'look at', path);
  }
}
