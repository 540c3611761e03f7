import { crc32 } from 'node:zlib';
import { LifeboatError } from '../error.js';
import { GPT_ENTRY, type GptHeader, parseGptHeader, usedGptEntries } from './gpt-layout.js';
import { type EntryPlace, mbrPartitions, readMbr } from './mbr.js';

export interface Partition {
  number: number;
  /** On the disk, in bytes. */
  offset: number;
  sizeBytes: number;
  /** A GPT type GUID in lower case, or an MBR type as "0x8e". */
  type: string;
  /** As the kernel's PARTUUID: a GUID, or "1b2c3d4e-01" of an MBR that has a disk signature. */
  uuid: string | undefined;
  /** Empty in an MBR, which has no names. */
  name: string;
  role: 'bios-boot' | 'efi-system' | 'lvm' | 'linux' | 'swap' | 'raid' | 'zfs' | 'extended' | 'other';
}

export interface PartitionTable {
  scheme: 'gpt' | 'mbr' | 'none';
  sectorBytes: number;
  /** In the order of their numbers. Logical ones lie inside of the extended one. */
  partitions: Partition[];
  /**
   * What has to be read although it is in no partition: boot code and the gap behind it, tables, EBRs, the backup GPT.
   * Sorted, joined, whole sectors. Empty without a table.
   */
  metadata: { offset: number; length: number }[];
}

/** Reads that many bytes at that offset; a shorter answer is a defect of the reader. */
export type ReadRange = (offset: number, length: number) => Promise<Buffer>;

/**
 * Boot loaders that embed themselves lie between the table and the first partition. GRUB takes less than 1 MiB, the
 * boards' U-Boot up to 16 MiB.
 */
const BOOT_AREA_BYTES = 16 * 1024 ** 2;

/** 128 entries take 16 KiB; nobody makes a table of more than some thousands. */
const LARGEST_ARRAY_BYTES = 16 * 1024 ** 2;
const PROTECTIVE = 0xee;

const GPT_ROLES: Readonly<Record<string, Partition['role']>> = {
  '21686148-6449-6e6f-744e-656564454649': 'bios-boot',
  'c12a7328-f81f-11d2-ba4b-00a0c93ec93b': 'efi-system',
  'e6d6d379-f507-44c2-a23c-238f2a3df928': 'lvm',
  '0fc63daf-8483-4772-8e79-3d69d8477de4': 'linux',
  '4f68bce3-e8cd-4db1-96e7-fbcaf984b709': 'linux',
  'b921b045-1df0-41c3-af44-4c6f280d3fae': 'linux',
  '933ac7e1-2eb4-4f13-b844-0e14e2aef915': 'linux',
  'bc13c2ff-59e6-4262-a352-b275fd6f7172': 'linux',
  '3b8f8425-20e0-4f3b-907f-1a25a76f98e8': 'linux',
  '4d21b016-b534-45c2-a9fb-5c16e091fd2d': 'linux',
  '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'swap',
  'a19d880f-05fc-4d3b-a006-743f0f84911e': 'raid',
  '6a898cc3-1dd2-11b2-99a6-080020736631': 'zfs',
};

/**
 * Reads a disk's partition table: GPT, from its backup if the primary is broken, or MBR with its logical partitions.
 * @param sizeBytes of the whole disk
 * @param sectorBytes the disk's logical sectors, by which tables count
 * @throws LifeboatError FAILED if a table is damaged, or partitions overlap or lie beyond the end: nothing is guessed
 */
export async function readPartitionTable(
  read: ReadRange,
  sizeBytes: number,
  sectorBytes: number,
): Promise<PartitionTable> {
  const none: PartitionTable = { scheme: 'none', sectorBytes, partitions: [], metadata: [] };
  if (sizeBytes < 2 * sectorBytes) return none;
  const mbr = await readMbr(read, { sizeBytes, sectorBytes });
  if (mbr === undefined) return none;
  if (mbr.entries.some((entry) => entry.type === PROTECTIVE)) return readGpt(read, sizeBytes, sectorBytes);
  const { partitions, ebrs } = await mbrPartitions(read, mbr, { sizeBytes, sectorBytes });
  // A file system's boot sector may bear the same signature; with nothing in it, all of the disk may be one.
  if (partitions.length === 0) return none;
  checkPlaces(partitions, sizeBytes);
  const metadata = joinRanges([bootArea(partitions, sizeBytes), ...ebrs], sizeBytes, sectorBytes);
  return { scheme: 'mbr', sectorBytes, partitions, metadata };
}

/** A copy of the table, proven by both its checksums. */
interface GptCopy extends GptHeader {
  array: Buffer;
}

async function readGpt(read: ReadRange, sizeBytes: number, sectorBytes: number): Promise<PartitionTable> {
  const lastLba = Math.floor(sizeBytes / sectorBytes) - 1;
  const at = (lba: number) => gptCopy(read, lba, lastLba, sectorBytes);
  const primary = await at(1);
  const backupLba = typeof primary === 'string' ? lastLba : primary.alternateLba;
  const backup = await at(backupLba);
  const header = typeof primary === 'string' ? backup : primary;
  if (typeof header === 'string')
    throw broken(`the GPT is damaged: ${primary}; and its backup at sector ${backupLba}: ${header}`);
  const partitions = gptPartitions(header, sectorBytes);
  checkPlaces(partitions, sizeBytes);
  const arrayOf = ({ arrayLba, array }: GptCopy) => ({ offset: arrayLba * sectorBytes, length: array.length });
  const tables = [primary, backup].flatMap((copy) => (typeof copy === 'string' ? [] : [arrayOf(copy)]));
  // A broken backup is saved as it is, where it should be: its array lies before it. On a disk that has grown, it is not
  // at the end; what firmware or a tool left there is kept too.
  const backups = [backupLba, lastLba].map((lba) => {
    const sectors = Math.ceil(header.array.length / sectorBytes) + 1;
    return { offset: Math.max(0, lba - sectors + 1) * sectorBytes, length: Math.min(sectors, lba + 1) * sectorBytes };
  });
  const metadata = joinRanges([bootArea(partitions, sizeBytes), ...tables, ...backups], sizeBytes, sectorBytes);
  return { scheme: 'gpt', sectorBytes, partitions, metadata };
}

/** The copy whose header is at `lba`, or what is wrong with it. */
async function gptCopy(read: ReadRange, lba: number, lastLba: number, sectorBytes: number): Promise<GptCopy | string> {
  if (lba < 1 || lba > lastLba) return 'it lies beyond the end of the disk';
  const header = parseGptHeader(await read(lba * sectorBytes, sectorBytes), lba);
  if (header === undefined) return 'there is no header';
  if (typeof header === 'string') return header;
  const { entryCount, entryBytes, arrayLba } = header;
  const arrayBytes = entryCount * entryBytes;
  if (arrayBytes > LARGEST_ARRAY_BYTES) return `it has ${entryCount} entries`;
  if (arrayLba < 2 || arrayLba * sectorBytes + arrayBytes > (lastLba + 1) * sectorBytes)
    return 'its entries lie beyond the end of the disk';
  const sectors = Math.ceil(arrayBytes / sectorBytes);
  const array = (await read(arrayLba * sectorBytes, sectors * sectorBytes)).subarray(0, arrayBytes);
  if (crc32(array) !== header.arrayCrc) return "its entries' checksum is wrong";
  return { ...header, array };
}

function gptPartitions(
  { array, entryBytes, firstUsableLba, lastUsableLba }: GptCopy,
  sectorBytes: number,
): Partition[] {
  return usedGptEntries(array, entryBytes).map(({ number, firstLba, lastLba, bytes }) => {
    if (firstLba < firstUsableLba || lastLba > lastUsableLba || lastLba < firstLba)
      throw broken(
        `partition ${number} is from sector ${firstLba} to ${lastLba}, ` +
          `which is not between ${firstUsableLba} and ${lastUsableLba}`,
      );
    const type = guidAt(bytes, GPT_ENTRY.type);
    return {
      number,
      offset: firstLba * sectorBytes,
      sizeBytes: (lastLba - firstLba + 1) * sectorBytes,
      type,
      uuid: guidAt(bytes, GPT_ENTRY.uuid),
      name: bytes.toString('utf16le', GPT_ENTRY.name, GPT_ENTRY.nameEnd).replace(/\0.*$/s, ''),
      role: GPT_ROLES[type] ?? 'other',
    };
  });
}

/** The first three groups are numbers in little-endian, the others bytes. */
function guidAt(bytes: Buffer, at: number): string {
  const hex = (start: number, end: number) => bytes.toString('hex', at + start, at + end);
  const number = (start: number, end: number) =>
    Buffer.from(bytes.subarray(at + start, at + end))
      .reverse()
      .toString('hex');
  return [number(0, 4), number(4, 6), number(6, 8), hex(8, 10), hex(10, 16)].join('-');
}

function checkPlaces(partitions: Partition[], sizeBytes: number): void {
  let end = 0;
  let before = 0;
  for (const { number, offset, sizeBytes: length } of partitions
    .filter((partition) => partition.role !== 'extended')
    .sort((a, b) => a.offset - b.offset)) {
    if (offset < end) throw broken(`partitions ${before} and ${number} overlap at byte ${offset}`);
    if (offset + length > sizeBytes)
      throw broken(`partition ${number} ends at byte ${offset + length}, the disk at ${sizeBytes}`);
    end = offset + length;
    before = number;
  }
}

function bootArea(partitions: EntryPlace[], sizeBytes: number): { offset: number; length: number } {
  const first = Math.min(sizeBytes, ...partitions.map((partition) => partition.offset));
  return { offset: 0, length: Math.min(first, BOOT_AREA_BYTES) };
}

function joinRanges(
  ranges: { offset: number; length: number }[],
  sizeBytes: number,
  sectorBytes: number,
): { offset: number; length: number }[] {
  const joined: { offset: number; length: number }[] = [];
  for (const range of ranges.sort((a, b) => a.offset - b.offset)) {
    const start = Math.floor(range.offset / sectorBytes) * sectorBytes;
    const end = Math.min(sizeBytes, Math.ceil((range.offset + range.length) / sectorBytes) * sectorBytes);
    const last = joined.at(-1);
    if (last && start <= last.offset + last.length) last.length = Math.max(last.length, end - last.offset);
    else if (end > start) joined.push({ offset: start, length: end - start });
  }
  return joined;
}

function broken(what: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot understand the partition table: ${what}`, {
    hint: 'sgdisk --verify DISK (or sfdisk --verify DISK) tells more; repair it first, for it would not boot either',
  });
}
