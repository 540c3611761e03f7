import { constants } from 'node:fs';
import { chmod, lstat, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';
import { type HostFileMaker, NotOnThisHost } from './host-file.js';
import { type HostFileContext, hostFileTable } from './host-file-table.js';
import { withTimeLimit } from './time-limit.js';

export interface HostFile {
  /** In host/. */
  name: string;
  /** The command, with FILE for the file itself, or what else it comes from. */
  madeBy: string;
  sizeBytes: number;
}

export interface MissingHostFile {
  name: string;
  reason: string;
  /**
   * absent: this host has no such thing, which is no failure. failed: it could not be saved. incomplete: it is among the
   * files, but lacks something.
   */
  kind: 'absent' | 'failed' | 'incomplete';
}

export interface HostFilesResult {
  files: HostFile[];
  missing: MissingHostFile[];
}

const LIMIT_MS = 30_000;
/** Most of them wait for a disk or the kernel. More at once would be felt by the guests. */
const AT_ONCE = 4;

/**
 * Saves what a host needs to come back besides its disk: tables, LVM metadata, /etc, package lists, and what the kernel
 * and the firmware tell. To be called before snapshots are made, which would show in LVM's metadata, and
 * before ESPs are read, which proxmox-boot-tool mounts for a moment to look into them.
 * @param dir exists and is nobody else's; each file is new there, mode 0600, durable, and not empty
 * @throws the signal's reason when aborted, LifeboatError when `dir` is no directory; what fails otherwise is in `missing`
 */
export async function collectHostFiles(
  dir: string,
  { signal, ...context }: HostFileContext & { signal: AbortSignal },
): Promise<HostFilesResult> {
  return makeHostFiles(dir, hostFileTable(context), signal);
}

/** Makes the files of a table, a few at a time, and lists them in its order. */
export async function makeHostFiles(
  dir: string,
  makers: readonly HostFileMaker[],
  signal: AbortSignal,
): Promise<HostFilesResult> {
  signal.throwIfAborted();
  const there = await stat(dir).catch((error: unknown) => {
    throw fromSystem(error, 'write host files into', dir);
  });
  if (!there.isDirectory())
    throw new LifeboatError('FAILED', `Cannot write host files into "${dir}": it is no directory`);

  const results: HostFilesResult[] = [];
  const waiting = makers.entries();
  const work = async (): Promise<void> => {
    // One iterator for all of them: each takes the next one.
    for (const [index, maker] of waiting) results[index] = await makeOne(dir, maker, signal);
  };
  // All of them, so that nothing is written any more once this is over.
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return { files: results.flatMap(({ files }) => files), missing: results.flatMap(({ missing }) => missing) };
}

async function makeOne(dir: string, maker: HostFileMaker, signal: AbortSignal): Promise<HostFilesResult> {
  const { name, madeBy } = maker;
  const path = join(dir, name);
  const without = (reason: string, kind: MissingHostFile['kind']): HostFilesResult => ({
    files: [],
    missing: [{ name, reason, kind }],
  });
  let claimed = false;
  try {
    if (maker.needs !== undefined) await requirePath(maker.needs);
    await claim(path);
    claimed = true;
    const lacking = await withTimeLimit(maker.limitMs ?? LIMIT_MS, signal, (inner) => maker.make(path, inner));
    const sizeBytes = await settle(path);
    const missing = lacking === undefined ? [] : [{ name, reason: lacking, kind: 'incomplete' as const }];
    return { files: [{ name, madeBy, sizeBytes }], missing };
  } catch (error) {
    const remains = claimed ? await removed(path) : undefined;
    if (signal.aborted) throw signal.reason;
    if (remains !== undefined) return without(`${reasonOf(error)}; and ${remains}`, 'failed');
    return without(reasonOf(error), error instanceof NotOnThisHost ? 'absent' : 'failed');
  }
}

/** @returns why it is still there */
async function removed(path: string): Promise<string | undefined> {
  try {
    await rm(path, { force: true });
    return undefined;
  } catch (error) {
    return reasonOf(fromSystem(error, 'remove', path));
  }
}

async function requirePath(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw fromSystem(error, 'read', path);
    throw new NotOnThisHost(`this host has no ${path}`);
  }
}

/** Made by us and empty, so that no program creates it with other permissions and nothing is overwritten. */
async function claim(path: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    await (await open(path, flags, 0o600)).close();
  } catch (error) {
    throw fromSystem(error, 'create', path);
  }
}

/** Makes it durable and ours alone, also where a program put another file in the place of ours. Returns its size. */
async function settle(path: string): Promise<number> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new LifeboatError('FAILED', `Cannot save "${path}": it is no regular file`);
    if (stats.size === 0) throw new NotOnThisHost('there is nothing in it');
    if ((stats.mode & 0o077) !== 0) await narrow(path);
    await handle.sync();
    return stats.size;
  } finally {
    await handle.close();
  }
}

async function narrow(path: string): Promise<void> {
  try {
    await chmod(path, 0o600);
  } catch (error) {
    // FAT and some network file systems keep no modes: there the directory's owner decides.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EINVAL')
      throw fromSystem(error, 'narrow the mode of', path);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint = error instanceof LifeboatError ? error.hint : undefined;
  return hint === undefined || hint.startsWith('run that command') ? error.message : `${error.message} (${hint})`;
}
