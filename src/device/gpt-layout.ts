import { crc32 } from 'node:zlib';

/** Where things stand in a GUID partition table. UEFI 2.10, section 5.3; numbers are little-endian, LBAs 64 bits. */
const SIGNATURE = 'EFI PART';
const LEAST_HEADER_BYTES = 92;
const LEAST_ENTRY_BYTES = 128;

/** Offsets in the header. */
export const GPT_HEADER = {
  headerBytes: 12,
  headerCrc: 16,
  myLba: 24,
  alternateLba: 32,
  firstUsableLba: 40,
  lastUsableLba: 48,
  arrayLba: 72,
  entryCount: 80,
  entryBytes: 84,
  arrayCrc: 88,
} as const;

/** Offsets in an entry; a type of zeros is an entry that is not used. */
export const GPT_ENTRY = { type: 0, uuid: 16, firstLba: 32, lastLba: 40, name: 56, nameEnd: 128 } as const;

/** The checksum of the first `headerBytes` of a header, with the field itself taken for zero. */
export function gptHeaderCrc(header: Buffer, headerBytes: number): number {
  const bytes = Buffer.from(header.subarray(0, headerBytes));
  bytes.writeUInt32LE(0, GPT_HEADER.headerCrc);
  return crc32(bytes);
}

/** What a header says. An LBA beyond 2^53 is not exact: whoever compares it with the disk's size refuses it. */
export interface GptHeader {
  alternateLba: number;
  firstUsableLba: number;
  lastUsableLba: number;
  arrayLba: number;
  entryCount: number;
  entryBytes: number;
  arrayCrc: number;
}

/**
 * @param sector the whole of it, which is read from `lba`
 * @returns the header, proven by its checksum; what is wrong with it; undefined where there is none
 */
export function parseGptHeader(sector: Buffer, lba: number): GptHeader | string | undefined {
  if (sector.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE) return undefined;
  const headerBytes = sector.readUInt32LE(GPT_HEADER.headerBytes);
  if (headerBytes < LEAST_HEADER_BYTES || headerBytes > sector.length) return `its header has ${headerBytes} bytes`;
  if (gptHeaderCrc(sector, headerBytes) !== sector.readUInt32LE(GPT_HEADER.headerCrc))
    return "its header's checksum is wrong";
  const myLba = lbaAt(sector, GPT_HEADER.myLba);
  if (myLba !== lba) return `its header says that it is at sector ${myLba}`;
  const entryBytes = sector.readUInt32LE(GPT_HEADER.entryBytes);
  if (entryBytes < LEAST_ENTRY_BYTES || entryBytes % 8 !== 0) return `its entries have ${entryBytes} bytes`;
  return {
    alternateLba: lbaAt(sector, GPT_HEADER.alternateLba),
    firstUsableLba: lbaAt(sector, GPT_HEADER.firstUsableLba),
    lastUsableLba: lbaAt(sector, GPT_HEADER.lastUsableLba),
    arrayLba: lbaAt(sector, GPT_HEADER.arrayLba),
    entryCount: sector.readUInt32LE(GPT_HEADER.entryCount),
    entryBytes,
    arrayCrc: sector.readUInt32LE(GPT_HEADER.arrayCrc),
  };
}

export interface UsedGptEntry {
  /** As in /dev/sda3. */
  number: number;
  firstLba: number;
  /** The last sector that belongs to it. */
  lastLba: number;
  bytes: Buffer;
}

/** @param array whole entries, and nothing behind them */
export function usedGptEntries(array: Buffer, entryBytes: number): UsedGptEntry[] {
  return Array.from({ length: array.length / entryBytes }, (_, index) => {
    const bytes = array.subarray(index * entryBytes, (index + 1) * entryBytes);
    return {
      number: index + 1,
      firstLba: lbaAt(bytes, GPT_ENTRY.firstLba),
      lastLba: lbaAt(bytes, GPT_ENTRY.lastLba),
      bytes,
    };
  }).filter(({ bytes }) => bytes.subarray(GPT_ENTRY.type, GPT_ENTRY.uuid).some((byte) => byte !== 0));
}

function lbaAt(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}
