import { createHash } from 'node:crypto';
import { fchmodSync, readFileSync, statSync, write } from 'node:fs';
import { machine } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { fromSystem, LifeboatError } from '../error.js';
import { createPartialFile } from '../image/partial-file.js';
import type { RunReport } from '../image/report.js';
import { VERSION } from '../version.js';
import { type KitSources, kitEntries, loaderOf, ownSources } from './kit-contents.js';
import type { KitFacts } from './kit-words.js';
import { entryBytes, type TarEntry, tarArchive } from './tar-archive.js';

export interface RescueKitOptions {
  /** Where the tarball is to lie: beside the sets. It must be there. */
  directory: string;
  signal: AbortSignal;
  /** Instead of the program that runs. */
  sources?: KitSources;
}

export interface RescueKit {
  path: string;
  sizeBytes: number;
  sha256: string;
  /** False where the same one was there already. */
  isNew: boolean;
}

/** What the .json beside a kit says, so that an unchanged one is not made again. */
interface KitRecord {
  format: typeof RECORD_FORMAT;
  formatVersion: 1;
  lifeboatVersion: string;
  nodeVersion: string;
  arch: string;
  /** SHA-256 of the names, modes and contents of its files. */
  fingerprint: string;
  sizeBytes: number;
  /** Of the tarball. */
  sha256: string;
}

const RECORD_FORMAT = 'lifeboat-rescue-kit';
/** There is nothing secret in it. */
const PUBLIC_MODE = 0o644;
/** A live system has gzip in any case; level 6 takes 4 s of one processor for a node of 100 MB. */
const GZIP_LEVEL = 6;

/**
 * Writes a tarball by which any live system can restore, unless the one that is there holds the very same.
 * @throws LifeboatError FAILED where the program, node or a library is not as it should be, NO_SPACE, BUSY
 */
export async function keepRescueKitCurrent(options: RescueKitOptions, report: RunReport): Promise<RescueKit> {
  const { directory, signal } = options;
  refuseNoDirectory(directory);
  const sources = options.sources ?? ownSources();
  const facts = await factsOf(sources, signal);
  const path = join(directory, `lifeboat-rescue-kit-${facts.arch}-${facts.version}.tar.gz`);
  const recordPath = path.replace(/\.tar\.gz$/, '.json');
  const entries = await kitEntries(sources, facts, signal);
  const fingerprint = await fingerprintOf(entries, signal);
  const there = readRecord(recordPath);
  if (there?.fingerprint === fingerprint && (await isWhole(path, there, signal))) {
    report.detail(`${path} is current`);
    return { path, sizeBytes: there.sizeBytes, sha256: there.sha256, isNew: false };
  }
  const written = await writeArchive(path, entries, signal, report);
  const record: KitRecord = {
    format: RECORD_FORMAT,
    formatVersion: 1,
    lifeboatVersion: facts.version,
    nodeVersion: facts.nodeVersion,
    arch: facts.arch,
    fingerprint,
    ...written,
  };
  await writeWhole(recordPath, `${JSON.stringify(record, undefined, 2)}\n`);
  return { path, ...written, isNew: true };
}

function refuseNoDirectory(directory: string): void {
  try {
    if (statSync(directory).isDirectory()) return;
  } catch (error) {
    throw fromSystem(error, 'write a rescue kit into', directory);
  }
  throw new LifeboatError('USAGE', `Cannot write a rescue kit into "${directory}": it is no directory`, {
    hint: 'name the directory that has, or will have, the sets',
  });
}

async function factsOf({ node, builtins }: KitSources, signal: AbortSignal): Promise<KitFacts> {
  const loader = await loaderOf(node, signal);
  return {
    version: VERSION,
    nodeVersion: process.version,
    arch: machine(),
    loader: loader === undefined ? undefined : basename(loader),
    builtins,
  };
}

async function fingerprintOf(entries: readonly TarEntry[], signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, mode, content } of entries) {
    const sizeBytes = Buffer.isBuffer(content) ? content.length : content.sizeBytes;
    hash.update(`${name}\0${mode}\0${sizeBytes}\0`);
    for await (const bytes of entryBytes(content)) {
      signal.throwIfAborted();
      hash.update(bytes);
    }
  }
  return hash.digest('hex');
}

/** @returns undefined where there is none, or it is not one of ours */
function readRecord(path: string): KitRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as Partial<KitRecord> | null;
    return record?.format === RECORD_FORMAT && record.formatVersion === 1 ? (record as KitRecord) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fromSystem(error, 'read', path);
  }
}

async function isWhole(path: string, { sizeBytes, sha256 }: KitRecord, signal: AbortSignal): Promise<boolean> {
  if (statSync(path, { throwIfNoEntry: false })?.size !== sizeBytes) return false;
  const hash = createHash('sha256');
  for await (const bytes of entryBytes({ path, sizeBytes })) {
    signal.throwIfAborted();
    hash.update(bytes);
  }
  return hash.digest('hex') === sha256;
}

const writeAt = promisify(write);

async function writeArchive(
  path: string,
  entries: readonly TarEntry[],
  signal: AbortSignal,
  report: RunReport,
): Promise<{ sizeBytes: number; sha256: string }> {
  const file = createPartialFile(path, true);
  const totalBytes = entries.reduce(
    (sum, { content }) => sum + (Buffer.isBuffer(content) ? content.length : content.sizeBytes),
    0,
  );
  let doneBytes = 0;
  let sizeBytes = 0;
  const stopFollowing = report.follow('rescue kit', () => ({
    doneBytes,
    totalBytes,
    readBytes: doneBytes,
    writtenBytes: sizeBytes,
  }));
  const hash = createHash('sha256');
  async function* counted() {
    for await (const bytes of tarArchive(entries)) {
      doneBytes = Math.min(totalBytes, doneBytes + bytes.length);
      yield bytes;
    }
  }
  try {
    await pipeline(
      counted(),
      createGzip({ level: GZIP_LEVEL, chunkSize: 256 * 1024 }),
      async (compressed: AsyncIterable<Buffer>) => {
        for await (const bytes of compressed) {
          hash.update(bytes);
          for (let done = 0; done < bytes.length; )
            done += (await writeAt(file.fd, bytes, done, bytes.length - done, sizeBytes + done)).bytesWritten;
          sizeBytes += bytes.length;
        }
      },
      { signal },
    );
    fchmodSync(file.fd, PUBLIC_MODE);
    await file.sync();
    file.commit();
    return { sizeBytes, sha256: hash.digest('hex') };
  } catch (error) {
    signal.throwIfAborted();
    throw fromSystem(error, 'write', path);
  } finally {
    stopFollowing();
    file.close();
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const file = createPartialFile(path, true);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; )
      done += (await writeAt(file.fd, bytes, done, bytes.length - done, done)).bytesWritten;
    fchmodSync(file.fd, PUBLIC_MODE);
    await file.sync();
    file.commit();
  } catch (error) {
    throw fromSystem(error, 'write', path);
  } finally {
    file.close();
  }
}
