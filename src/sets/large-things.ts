import { lstat, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readMounts } from '../device/mounts.js';

/** A directory on the root file system that makes every image of it larger. */
export interface LargeThing {
  path: string;
  /** On the disk, not as the files' lengths have it. */
  bytes: number;
  files: number;
  /** False if there was more than is worth counting: `bytes` is the least it can be. */
  complete: boolean;
}

export interface LargeThingsOptions {
  /** Where / is; tests have another. */
  root?: string;
  signal?: AbortSignal;
  leastBytes?: number;
  /** For each directory. */
  mostEntries?: number;
  /** For all of them. */
  limitMs?: number;
}

/** Where hosts keep what could be fetched or made again, or belongs on another disk. */
const PLACES = [
  '/var/lib/vz/dump',
  '/var/lib/vz/template/iso',
  '/var/lib/vz/template/cache',
  '/var/lib/vz/images',
  '/var/lib/docker',
  '/var/cache/apt/archives',
  '/var/log',
  '/root',
  '/home',
  '/srv',
];
const LEAST_BYTES = 100 * 1024 ** 2;
const MOST_ENTRIES = 20_000;
const LIMIT_MS = 5000;
/** Of `stat.blocks`, whatever the file system's are. */
const BLOCK_BYTES = 512;

/** Dumps, ISO images and the like that lie on the root file system itself, the largest first. */
export async function largeThings(options: LargeThingsOptions = {}): Promise<LargeThing[]> {
  const { root = '/', leastBytes = LEAST_BYTES, mostEntries = MOST_ENTRIES, limitMs = LIMIT_MS, signal } = options;
  const place: Place = {
    device: (await stat(root)).dev,
    // Looked at by name: asking a dead NFS server for the device number would hang.
    others: readMounts().flatMap(({ mountpoint }) =>
      mountpoint.startsWith(join(root, '/')) && mountpoint !== '/' ? [mountpoint] : [],
    ),
  };
  const end = performance.now() + limitMs;
  const found: LargeThing[] = [];
  for (const path of PLACES) {
    const isOver = (entries: number) => signal?.aborted === true || entries >= mostEntries || performance.now() > end;
    const sum = await sumOf(join(root, path), place, isOver);
    signal?.throwIfAborted();
    if (sum.bytes >= leastBytes) found.push({ path, ...sum });
  }
  return found.sort((a, b) => b.bytes - a.bytes);
}

/** The root file system. */
interface Place {
  device: number;
  /** Where others are mounted below it. */
  others: string[];
}

async function liesIn(place: Place, directory: string): Promise<boolean> {
  if (place.others.some((other) => directory === other || directory.startsWith(`${other}/`))) return false;
  return (await unlessGone(stat(directory)))?.dev === place.device;
}

async function sumOf(
  top: string,
  place: Place,
  isOver: (entries: number) => boolean,
): Promise<Omit<LargeThing, 'path'>> {
  const sum = { bytes: 0, files: 0, complete: true };
  let entries = 0;
  const directories = (await liesIn(place, top)) ? [top] : [];
  const linked = new Set<number>();
  // An array hands out what is added while it is walked.
  for (const directory of directories) {
    const listing = await unlessGone(opendir(directory));
    if (listing === undefined) continue;
    for await (const entry of listing) {
      if (isOver(entries++)) return { ...sum, complete: false };
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        if (await liesIn(place, path)) directories.push(path);
      } else if (entry.isFile()) {
        const stats = await unlessGone(lstat(path));
        if (stats === undefined || (stats.nlink > 1 && linked.has(stats.ino))) continue;
        if (stats.nlink > 1) linked.add(stats.ino);
        sum.bytes += stats.blocks * BLOCK_BYTES;
        sum.files++;
      }
    }
  }
  return sum;
}

/** Files come and go on a live system, and without root some are not ours to see. */
async function unlessGone<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}
