import { crc32 } from 'node:zlib';
import { LifeboatError } from '../error.js';
import {
  GPT_ENTRY,
  GPT_HEADER,
  gptHeaderCrc,
  parseGptHeader,
  type UsedGptEntry,
  usedGptEntries,
} from './gpt-layout.js';
import type { ReadRange } from './partition-table.js';
import { sizeInWords } from './sizes.js';

/**
 * Fits a GUID partition table to a disk of another size: its backup belongs into the last sectors. Done here rather than
 * by `sgdisk -e`, for the rescue system on which it is needed may not have that.
 * Format: UEFI 2.10, sections 5.2.3 and 5.3. Numbers are little-endian, an LBA counts logical sectors.
 */

/** The primary table of a disk, proven by its checksums. */
export interface Gpt {
  sectorBytes: number;
  /** The sector with the protective MBR, the sector with the header, the array of entries in whole sectors. */
  mbr: Buffer;
  header: Buffer;
  array: Buffer;
  arrayLba: number;
  /** Where the backup's header is. */
  alternateLba: number;
  lastUsableLba: number;
  entries: Omit<UsedGptEntry, 'bytes'>[];
}

export interface GptMove {
  /** To be written in this order: at any moment there is a table that is whole. Offsets in bytes. */
  writes: { offset: number; bytes: Buffer; what: string }[];
  lastUsableLba: number;
}

const PRIMARY_LBA = 1;
/** A table has 128 entries; this many take 512 KiB. */
const MOST_ENTRIES = 4096;
const MOST_ENTRY_BYTES = 4096;
/** In bytes it must stay a number that JavaScript counts exactly. */
const MOST_LBA = Number.MAX_SAFE_INTEGER / 4096;

/**
 * Reads the primary table.
 * @param sectorBytes the disk's logical sectors, or those of the disk that was imaged
 * @returns undefined where the disk has none
 * @throws LifeboatError DAMAGE if there is one, but it is not whole
 */
export async function readGpt(read: ReadRange, sectorBytes: number): Promise<Gpt | undefined> {
  const start = await read(0, 2 * sectorBytes);
  const mbr = start.subarray(0, sectorBytes);
  const header = start.subarray(sectorBytes);
  const says = parseGptHeader(header, PRIMARY_LBA);
  if (says === undefined) return undefined;
  if (typeof says === 'string') throw damaged(says);
  const { entryCount, entryBytes, arrayLba, firstUsableLba, lastUsableLba, alternateLba } = says;
  if (entryBytes > MOST_ENTRY_BYTES || entryCount === 0 || entryCount > MOST_ENTRIES)
    throw damaged(`it has ${entryCount} entries of ${entryBytes} bytes`);
  const arraySectors = Math.ceil((entryCount * entryBytes) / sectorBytes);
  if (arrayLba <= PRIMARY_LBA || arrayLba + arraySectors > firstUsableLba)
    throw damaged(`it has entries in sector ${arrayLba}, where partitions may begin in sector ${firstUsableLba}`);
  if (lastUsableLba < firstUsableLba || alternateLba <= lastUsableLba || alternateLba > MOST_LBA)
    throw damaged(`it has partitions up to sector ${lastUsableLba}, and its backup in sector ${alternateLba}`);
  const array = await read(arrayLba * sectorBytes, arraySectors * sectorBytes);
  const entriesBytes = array.subarray(0, entryCount * entryBytes);
  if (crc32(entriesBytes) !== says.arrayCrc) throw damaged('it has a wrong checksum of its entries');
  const entries = usedGptEntries(entriesBytes, entryBytes);
  for (const { number, firstLba, lastLba } of entries) {
    if (firstLba < firstUsableLba || lastLba < firstLba || lastLba > lastUsableLba)
      throw damaged(`it has partition ${number} from sector ${firstLba} to ${lastLba}`);
  }
  return { sectorBytes, mbr, header, array, arrayLba, alternateLba, lastUsableLba, entries };
}

/** The last sector that a partition may have on a disk of this size. */
export function lastUsableLbaOn({ sectorBytes, array }: Gpt, sizeBytes: number): number {
  return Math.floor(sizeBytes / sectorBytes) - 2 - array.length / sectorBytes;
}

/** The smallest disk on which a partition may end with `lastLba`, in bytes. */
export function diskBytesFor({ sectorBytes, array }: Gpt, lastLba: number): number {
  return (lastLba + 2) * sectorBytes + array.length;
}

/**
 * What has to be written for the table to fit a disk of `sizeBytes`. It may be larger or smaller than before.
 * @param shortened by number, the new last sector of partitions that are to be shorter
 * @throws LifeboatError NO_SPACE if a partition would reach into the backup table
 */
export function planGptMove(gpt: Gpt, sizeBytes: number, shortened: ReadonlyMap<number, number> = new Map()): GptMove {
  const { sectorBytes, arrayLba } = gpt;
  const lastLba = Math.floor(sizeBytes / sectorBytes) - 1;
  const lastUsableLba = lastUsableLbaOn(gpt, sizeBytes);
  const leastLba = gpt.header.readBigUInt64LE(GPT_HEADER.firstUsableLba);
  if (lastUsableLba < leastLba)
    throw new LifeboatError('NO_SPACE', `A disk of ${sizeInWords(sizeBytes)} has no room for two partition tables`);
  const array = shorten(gpt, shortened);
  const entries = gpt.entries.map((entry) => ({ ...entry, lastLba: shortened.get(entry.number) ?? entry.lastLba }));
  const beyond = entries.find((entry) => entry.lastLba > lastUsableLba);
  if (beyond !== undefined) {
    const needed = diskBytesFor(gpt, Math.max(...entries.map((entry) => entry.lastLba)));
    throw new LifeboatError(
      'NO_SPACE',
      `Partition ${beyond.number} ends beyond a disk of ${sizeInWords(sizeBytes)}; ${sizeInWords(needed)} are needed`,
    );
  }
  const arrayCrc = crc32(array.subarray(0, entriesBytes(gpt.header)));
  const common = { lastUsableLba, arrayCrc };
  const backupArrayLba = lastUsableLba + 1;
  const backup = headerWith(gpt.header, {
    ...common,
    myLba: lastLba,
    alternateLba: PRIMARY_LBA,
    arrayLba: backupArrayLba,
  });
  const primary = headerWith(gpt.header, { ...common, myLba: PRIMARY_LBA, alternateLba: lastLba, arrayLba });
  const writes: GptMove['writes'] = [
    { offset: backupArrayLba * sectorBytes, bytes: array, what: 'backup partition entries' },
    { offset: lastLba * sectorBytes, bytes: backup, what: 'backup partition table header' },
    { offset: arrayLba * sectorBytes, bytes: array, what: 'partition entries' },
    { offset: PRIMARY_LBA * sectorBytes, bytes: primary, what: 'partition table header' },
    { offset: 0, bytes: protectiveMbr(gpt.mbr, lastLba), what: 'protective MBR' },
  ];
  // A second header would be found by tools that look for a lost table. It may lie under what was just written.
  if (gpt.alternateLba < backupArrayLba)
    writes.push({
      offset: gpt.alternateLba * sectorBytes,
      bytes: Buffer.alloc(sectorBytes),
      what: 'old backup partition table header',
    });
  return { writes, lastUsableLba };
}

function shorten(gpt: Gpt, shortened: ReadonlyMap<number, number>): Buffer {
  const array = Buffer.from(gpt.array);
  const entryBytes = gpt.header.readUInt32LE(GPT_HEADER.entryBytes);
  for (const [number, lastLba] of shortened) {
    const entry = gpt.entries.find((candidate) => candidate.number === number);
    if (entry === undefined || lastLba < entry.firstLba || lastLba > entry.lastLba)
      throw new RangeError(`Partition ${number} cannot end with sector ${lastLba}`);
    array.writeBigUInt64LE(BigInt(lastLba), (number - 1) * entryBytes + GPT_ENTRY.lastLba);
  }
  return array;
}

interface HeaderChange {
  myLba: number;
  alternateLba: number;
  lastUsableLba: number;
  arrayLba: number;
  arrayCrc: number;
}

function headerWith(header: Buffer, change: HeaderChange): Buffer {
  const changed = Buffer.from(header);
  for (const name of ['myLba', 'alternateLba', 'lastUsableLba', 'arrayLba'] as const)
    changed.writeBigUInt64LE(BigInt(change[name]), GPT_HEADER[name]);
  changed.writeUInt32LE(change.arrayCrc, GPT_HEADER.arrayCrc);
  changed.writeUInt32LE(gptHeaderCrc(changed, changed.readUInt32LE(GPT_HEADER.headerBytes)), GPT_HEADER.headerCrc);
  return changed;
}

function entriesBytes(header: Buffer): number {
  return header.readUInt32LE(GPT_HEADER.entryCount) * header.readUInt32LE(GPT_HEADER.entryBytes);
}

const MBR = { entries: 446, entryBytes: 16, type: 4, firstLba: 8, sectors: 12 } as const;
const MBR_PROTECTIVE = 0xee;
const MBR_MOST_SECTORS = 0xffffffff;

/** The one entry that keeps old tools away covers the disk; in a hybrid MBR it does not, and nothing is changed. */
function protectiveMbr(mbr: Buffer, lastLba: number): Buffer {
  const changed = Buffer.from(mbr);
  const entries = [0, 1, 2, 3].map((index) => MBR.entries + index * MBR.entryBytes);
  const used = entries.filter((at) => changed[at + MBR.type] !== 0);
  const [only] = used;
  if (used.length !== 1 || only === undefined || changed[only + MBR.type] !== MBR_PROTECTIVE) return changed;
  if (changed.readUInt32LE(only + MBR.firstLba) !== PRIMARY_LBA) return changed;
  changed.writeUInt32LE(Math.min(lastLba, MBR_MOST_SECTORS), only + MBR.sectors);
  return changed;
}

function damaged(what: string): LifeboatError {
  return new LifeboatError('DAMAGE', `The GUID partition table is not whole: ${what}`, {
    hint: 'sgdisk -v DISK tells more; gdisk repairs it from its backup',
  });
}
