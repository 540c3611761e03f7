import { existsSync, lstatSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';
import { type Manifest, parseManifest } from '../format/manifest.js';
import { createPartialFile, type PartialFile } from './partial-file.js';

/** The small files beside an image: what `sha256sum -c` reads, the manifest, the log, a map of what could not be read. */
const SUFFIXES = ['.sha256', '.json', '.log', '.map'] as const;
type Suffix = (typeof SUFFIXES)[number];

/** A manifest with the index of 20 TB of raw disk in it is 80 MB. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;

/** Files with the names of our sidecars are replaced only if they came from us, which a manifest among them shows. */
export function refuseForeignSidecars(imagePath: string): void {
  const there = SUFFIXES.map((suffix) => imagePath + suffix).filter((path) => existsSync(path));
  const first = there[0];
  if (first === undefined || readManifest(imagePath) !== undefined) return;
  throw new LifeboatError('FAILED', `Cannot write "${first}": it exists already and was not written by lifeboat`, {
    hint: '-f replaces it; or choose another name',
  });
}

/** What cannot be replaced by a rename would be found only at the end, with the image half replaced. */
export function refuseOddSidecars(imagePath: string): void {
  for (const suffix of SUFFIXES) {
    const path = imagePath + suffix;
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    throw new LifeboatError('FAILED', `Cannot write "${path}": it is a directory`, {
      hint: 'move it away, or choose another name for the image',
    });
  }
}

export function readManifest(imagePath: string): Manifest | undefined {
  const path = `${imagePath}.json`;
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > MAX_MANIFEST_BYTES) return undefined;
    return parseManifest(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fromSystem(error, 'read', path);
  }
}

/** The SHA-256 that `IMAGE.sha256` tells for it, in hexadecimal. */
export function readChecksumFile(imagePath: string): string | undefined {
  const path = `${imagePath}.sha256`;
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fromSystem(error, 'read', path);
  }
  const name = basename(imagePath);
  return [...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].find((line) => line[2] === name)?.[1];
}

export interface SidecarTexts {
  sha256: string | undefined;
  manifest: string;
  log: string;
  map: string | undefined;
}

/** Writes them all, durably; they get their names with `commit`, before the image does. */
export interface Sidecars {
  commit(): void;
  close(): void;
}

export async function writeSidecars(imagePath: string, texts: SidecarTexts): Promise<Sidecars> {
  const contents: [Suffix, string | undefined][] = [
    ['.sha256', texts.sha256 === undefined ? undefined : `${texts.sha256}  ${basename(imagePath)}\n`],
    ['.json', texts.manifest],
    ['.log', texts.log],
    ['.map', texts.map],
  ];
  const files: PartialFile[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  try {
    for (const [suffix, text] of contents) {
      if (text === undefined) continue;
      const file = createPartialFile(imagePath + suffix, true);
      files.push(file);
      writeText(file, text);
      await file.sync();
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    commit() {
      for (const [suffix, text] of contents) if (text === undefined) rmSync(imagePath + suffix, { force: true });
      for (const file of files) file.commit();
    },
    close,
  };
}

function writeText(file: PartialFile, text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file.fd, bytes, done);
  } catch (error) {
    throw fromSystem(error, 'write', file.partialPath);
  }
}
