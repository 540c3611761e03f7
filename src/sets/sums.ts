import { createHash } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { lstat, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';
import { checkRelativePath, PROTECTED_FILE, SUMS_FILE, UNFINISHED_FILE, VERIFIED_FILE } from './set-layout.js';

/** A line of SHA256SUMS: 64 hexadecimal digits, and a path relative to the set. */
export interface Sum {
  path: string;
  sha256: string;
}

/** What comes and goes after the set is made. */
const UNCOUNTED = new Set([SUMS_FILE, UNFINISHED_FILE, PROTECTED_FILE, VERIFIED_FILE]);
const BLOCK_BYTES = 1024 * 1024;
/** A set has some fifty files. */
const MOST_FILES = 100_000;
const MOST_SUMS_BYTES = 64 * 1024 * 1024;

/** As `sha256sum -c` reads it, from within the set. Names with a newline or backslash would need another form. */
export function encodeSums(sums: readonly Sum[]): string {
  for (const { path } of sums) checkRelativePath(path, 'a new set');
  return sums.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join('');
}

/** @throws LifeboatError DAMAGE where a line is none of `sha256sum`, names a file twice or one outside of the set */
export function parseSums(text: string, where: string): Sum[] {
  const seen = new Set<string>();
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else throw new LifeboatError('DAMAGE', `Cannot use "${where}": its last line is cut off`);
  return lines.map((line, index) => {
    const match = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    const path = match?.[2];
    if (match?.[1] === undefined || path === undefined || seen.has(path))
      throw new LifeboatError('DAMAGE', `Cannot use "${where}": line ${index + 1} is damaged`);
    checkRelativePath(path, `"${where}"`);
    seen.add(path);
    return { path, sha256: match[1] };
  });
}

/**
 * Hashes every file of a set. The order is that of the bytes of their names, the largest file last, so that `sha256sum -c`
 * tells soon about the small ones.
 * @param known sums that were made while the file was written, by path: the image is not read again
 */
export async function sumsOf(
  setPath: string,
  options: { signal: AbortSignal; known?: ReadonlyMap<string, string> },
): Promise<Sum[]> {
  const files = await filesOf(setPath);
  const largest = files.reduce((most, file) => (file.sizeBytes > most ? file.sizeBytes : most), -1);
  const ordered = [
    ...files.filter(({ sizeBytes }) => sizeBytes !== largest),
    ...files.filter(({ sizeBytes }) => sizeBytes === largest),
  ].filter(({ path }) => !UNCOUNTED.has(path));
  const sums: Sum[] = [];
  for (const { path } of ordered) {
    const sha256 = options.known?.get(path) ?? (await hashFile(join(setPath, path), options.signal));
    sums.push({ path, sha256 });
  }
  return sums;
}

export interface SumsResult {
  /** In words, one a file. Empty: all files are as they were when the set was made. */
  damage: string[];
  /** Files that no line tells of. */
  unknown: string[];
  checkedBytes: number;
}

/**
 * Checks a set against its SHA256SUMS.
 * @param skip paths that are proven otherwise, as the image is by verify
 * @throws LifeboatError DAMAGE where SHA256SUMS itself is missing or damaged
 */
export async function verifySums(
  setPath: string,
  options: { signal: AbortSignal; skip?: ReadonlySet<string>; onBytes?: (bytes: number) => void },
): Promise<SumsResult> {
  const sums = await readSums(setPath);
  const result: SumsResult = { damage: [], unknown: [], checkedBytes: 0 };
  for (const { path, sha256 } of sums) {
    if (options.skip?.has(path)) continue;
    try {
      const found = await hashFile(join(setPath, path), options.signal, (bytes) => {
        result.checkedBytes += bytes;
        options.onBytes?.(bytes);
      });
      if (found !== sha256) result.damage.push(`"${path}" is damaged: its SHA-256 is another`);
    } catch (error) {
      options.signal.throwIfAborted();
      const { code } = ((error as LifeboatError).cause ?? {}) as NodeJS.ErrnoException;
      result.damage.push(code === 'ENOENT' ? `"${path}" is missing` : (error as Error).message);
    }
  }
  const told = new Set(sums.map(({ path }) => path));
  for (const { path } of await filesOf(setPath)) if (!told.has(path) && !UNCOUNTED.has(path)) result.unknown.push(path);
  return result;
}

async function readSums(setPath: string): Promise<Sum[]> {
  const path = join(setPath, SUMS_FILE);
  try {
    const stats = await lstat(path);
    if (!stats.isFile() || stats.size > MOST_SUMS_BYTES)
      throw new LifeboatError('DAMAGE', `Cannot use "${path}": it is no list of checksums`);
    return parseSums(await readFile(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new LifeboatError('DAMAGE', `Cannot check "${setPath}": it has no ${SUMS_FILE}`, { cause: error });
    throw fromSystem(error, 'read', path);
  }
}

/** Of one directory and those below, without following links; bytewise by name. */
async function filesOf(setPath: string): Promise<{ path: string; sizeBytes: number }[]> {
  const found: { path: string; sizeBytes: number }[] = [];
  const left = [''];
  for (const directory of left) {
    let entries: Dirent[];
    try {
      entries = await readdir(join(setPath, directory), { withFileTypes: true });
    } catch (error) {
      throw fromSystem(error, 'list', join(setPath, directory));
    }
    for (const entry of entries) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) left.push(path);
      else if (entry.isFile()) found.push({ path, sizeBytes: (await lstat(join(setPath, path))).size });
    }
    if (found.length + left.length > MOST_FILES)
      throw new LifeboatError('FAILED', `Cannot check "${setPath}": more than ${MOST_FILES} files are in it`, {
        hint: 'a set has some fifty: look at what put them there',
      });
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** @returns 64 hexadecimal digits. @throws LifeboatError FAILED */
async function hashFile(path: string, signal: AbortSignal, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw new LifeboatError('FAILED', `Cannot read "${path}": it is no file`);
      const block = Buffer.allocUnsafe(BLOCK_BYTES);
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await file.read(block, 0, block.length, null);
        if (bytesRead === 0) return hash.digest('hex');
        hash.update(block.subarray(0, bytesRead));
        onBytes?.(bytesRead);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw fromSystem(error, 'read', path);
  }
}
