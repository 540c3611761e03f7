import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { fromSystem, LifeboatError } from '../error.js';
import { flockExclusive, renameNoReplace } from '../native/libc.js';

/** A file on its way: written as `PATH.partial`, visible under its own name only when it is whole. */
export interface PartialFile {
  readonly fd: number;
  readonly partialPath: string;
  readonly finalPath: string;
  /** Makes what was written durable. */
  sync(): Promise<void>;
  /** Gives the synced file its name, durably. */
  commit(): void;
  /** Removes what is not committed, and closes. May be called at any time, and twice. */
  close(): void;
}

const MODE = 0o600;
const SECOND_TRIES = 8;

/** Every .partial of this process that is neither committed nor removed. */
const unfinished = new Set<PartialFile>();

/** For an end that nothing can wait for: removes what the run would leave behind. */
export function removeUnfinished(): void {
  for (const file of unfinished) file.close();
}

/**
 * @param force whether an existing file may be replaced
 * @throws LifeboatError FAILED if it exists, BUSY if another run is writing it
 */
export function createPartialFile(path: string, force: boolean): PartialFile {
  const finalPath = resolveFinalPath(path);
  if (!force) refuseExisting(finalPath);
  const partialPath = `${finalPath}.partial`;
  const fd = claim(partialPath);
  let open = true;
  let committed = false;

  const file: PartialFile = {
    fd,
    partialPath,
    finalPath,
    async sync() {
      try {
        await promisify(fsync)(fd);
      } catch (error) {
        throw fromSystem(error, 'write', partialPath);
      }
    },
    commit() {
      try {
        const done = force ? 'unsupported' : renameNoReplace(partialPath, finalPath);
        if (done === false) refuseExisting(finalPath);
        if (done === 'unsupported') {
          if (!force) refuseExisting(finalPath);
          renameSync(partialPath, finalPath);
        }
        committed = true;
        unfinished.delete(file);
        syncDirectory(dirname(finalPath));
      } catch (error) {
        throw fromSystem(error, 'give its name to', finalPath);
      }
    },
    close() {
      if (!open) return;
      open = false;
      unfinished.delete(file);
      if (!committed) removeIfThere(partialPath);
      closeSync(fd);
    },
  };
  unfinished.add(file);
  return file;
}

/** Symbolic links are followed first: the link stays, what it names is replaced. */
export function resolveFinalPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(error, 'write', path);
  }
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new LifeboatError('FAILED', `Cannot write "${path}": it is a symbolic link to nothing`);
  }
  return path;
}

/** A slip in a device's name would make a file in /dev, which is memory. */
export function refuseMissingDevice(action: string, path: string): void {
  if (!/^\/dev\/(?!shm\/)/.test(path)) return;
  throw new LifeboatError('FAILED', `Cannot ${action} "${path}": there is no such device`, {
    hint: 'lsblk -o NAME,SIZE,MODEL,MOUNTPOINTS lists the disks of this host',
  });
}

/** The same checks without writing anything, for a dry run. */
export function checkPartialFile(path: string, force: boolean): void {
  const finalPath = resolveFinalPath(path);
  if (!force) refuseExisting(finalPath);
  try {
    accessSync(dirname(finalPath), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw fromSystem(error, 'create a file in', dirname(finalPath));
  }
}

function refuseExisting(path: string): void {
  if (existsSync(path)) {
    throw new LifeboatError('FAILED', `Cannot write "${path}": it exists already`, {
      hint: '-f replaces it; or choose another name',
    });
  }
}

/**
 * Takes the name for this process. A lock tells the .partial of a live run from that of a dead one, which is removed;
 * ours is always a new file, so that nobody else can have it open or linked.
 */
function claim(path: string): number {
  for (let attempt = 0; attempt < SECOND_TRIES; attempt++) {
    const fd = createNew(path);
    if (fd === undefined) {
      removeDead(path);
      continue;
    }
    try {
      if (flockExclusive(fd) && isStill(path, fd)) return fd;
    } catch (error) {
      if (isStill(path, fd)) unlinkSync(path);
      closeSync(fd);
      throw fromSystem(error, 'lock', path);
    }
    closeSync(fd);
  }
  throw busy(path);
}

/** Undefined where something has the name already. */
function createNew(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, MODE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return undefined;
    if (code !== 'ENOENT') throw fromSystem(error, 'create', path);
    const directory = dirname(path);
    throw new LifeboatError('FAILED', `Cannot create "${path}": there is no directory "${directory}"`, {
      hint: `mount what belongs there, or make it: mkdir -p "${directory}"`,
      cause: error,
    });
  }
}

function removeDead(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code === 'ELOOP') throw notOurs(path, 'a symbolic link');
    throw fromSystem(error, 'replace', path);
  }
  try {
    if (!fstatSync(fd).isFile()) throw notOurs(path, 'no regular file');
    if (!flockExclusive(fd)) throw busy(path);
    if (isStill(path, fd)) unlinkSync(path);
  } finally {
    closeSync(fd);
  }
}

function notOurs(path: string, what: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot replace "${path}": it is ${what}, so no run of lifeboat left it`, {
    hint: `look at it (ls -ld "${path}") and move it away, or choose another name`,
  });
}

function isStill(path: string, fd: number): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const ours = fstatSync(fd);
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}

function busy(path: string): LifeboatError {
  return new LifeboatError('BUSY', `Cannot write "${path}": another run is writing it`, {
    hint: 'wait until it is done, or choose another name',
  });
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some network and FUSE file systems have no such thing.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    closeSync(fd);
  }
}
