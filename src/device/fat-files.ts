import { LifeboatError } from '../error.js';
import { DIRECTORY_ENTRY_BYTES, type Fat, FIRST_CLUSTER, openFat } from './fat.js';
import type { ReadRange } from './partition-table.js';

/** Looks into an EFI system partition without mounting it: which boot loaders are there. */

export interface FatFile {
  /** The long name where there is one, else the short one. FAT takes upper and lower case for the same. */
  name: string;
  isDirectory: boolean;
}

interface DirectoryEntry extends FatFile {
  cluster: number;
}

/** A directory of an EFI system partition has some entries; one that does not end is none. */
const MOST_DIRECTORY_BYTES = 2 * 1024 * 1024;
const ATTRIBUTE = { volume: 0x08, directory: 0x10, longName: 0x0f } as const;

/**
 * What is in a directory.
 * @param read of the partition, not of the disk; offsets in bytes
 * @param path its parts, none for the root directory; case does not matter
 * @returns undefined where there is no such directory, or this is no FAT16 or FAT32
 * @throws LifeboatError DAMAGE where a directory does not end
 */
export async function listFatDirectory(read: ReadRange, path: readonly string[]): Promise<FatFile[] | undefined> {
  const fat = await openFat(read);
  if (fat === undefined) return undefined;
  let entries = entriesOf(await readRoot(fat), fat);
  for (const part of path) {
    const found = entries.find(({ name, isDirectory }) => isDirectory && name.toLowerCase() === part.toLowerCase());
    if (found === undefined) return undefined;
    entries = entriesOf(await readChain(fat, found.cluster), fat);
  }
  return entries
    .filter(({ name }) => name !== '.' && name !== '..')
    .map(({ name, isDirectory }) => ({ name, isDirectory }));
}

function readRoot(fat: Fat): Promise<Buffer> {
  const { root } = fat;
  return 'cluster' in root ? readChain(fat, root.cluster) : fat.read(root.offset, root.length);
}

async function readChain(fat: Fat, first: number): Promise<Buffer> {
  const { read, clusterBytes, clusterCount, fatOffset, dataOffset, entryBytes } = fat;
  const clusters: Buffer[] = [];
  for (let cluster = first; cluster < FIRST_CLUSTER + clusterCount; ) {
    if (cluster < FIRST_CLUSTER || clusters.length * clusterBytes >= MOST_DIRECTORY_BYTES)
      throw new LifeboatError('DAMAGE', `The FAT file system has a directory that does not end, from cluster ${first}`);
    clusters.push(await read(dataOffset + (cluster - FIRST_CLUSTER) * clusterBytes, clusterBytes));
    const next = await read(fatOffset + cluster * entryBytes, entryBytes);
    cluster = entryBytes === 4 ? next.readUInt32LE(0) & 0x0fffffff : next.readUInt16LE(0);
  }
  return Buffer.concat(clusters);
}

function entriesOf(directory: Buffer, { entryBytes }: Fat): DirectoryEntry[] {
  const found: DirectoryEntry[] = [];
  let longName = '';
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= directory.length; at += DIRECTORY_ENTRY_BYTES) {
    const entry = directory.subarray(at, at + DIRECTORY_ENTRY_BYTES);
    const first = entry.readUInt8(0);
    if (first === 0) break;
    const attributes = entry.readUInt8(11);
    if (first === 0xe5) longName = '';
    // The parts of a long name stand before its entry, the last one first.
    else if ((attributes & 0x3f) === ATTRIBUTE.longName) longName = longPart(entry) + longName;
    else {
      // In FAT16 the upper half is something else.
      const high = entryBytes === 4 ? entry.readUInt16LE(20) : 0;
      const cluster = high * 0x10000 + entry.readUInt16LE(26);
      const name = longName === '' ? shortName(entry) : longName;
      const isDirectory = (attributes & ATTRIBUTE.directory) !== 0;
      if ((attributes & ATTRIBUTE.volume) === 0) found.push({ name, isDirectory, cluster });
      longName = '';
    }
  }
  return found;
}

function longPart(entry: Buffer): string {
  const text = Buffer.concat([entry.subarray(1, 11), entry.subarray(14, 26), entry.subarray(28, 32)]).toString(
    'utf16le',
  );
  return text.split('\0', 1)[0] ?? '';
}

/** How Windows NT, and Linux, mark a short name that is meant in lower case. */
const LOWER_CASE = { at: 12, base: 0x08, extension: 0x10 } as const;

function shortName(entry: Buffer): string {
  const marks = entry.readUInt8(LOWER_CASE.at);
  const inCase = (text: string, mark: number) => ((marks & mark) === 0 ? text : text.toLowerCase());
  const base = inCase(entry.toString('latin1', 0, 8).trimEnd(), LOWER_CASE.base);
  const extension = inCase(entry.toString('latin1', 8, 11).trimEnd(), LOWER_CASE.extension);
  return extension === '' ? base : `${base}.${extension}`;
}
