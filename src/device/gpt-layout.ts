import { crc32 } from 'node:zlib';

/** Where things stand in a GUID partition table. UEFI 2.10, section 5.3; numbers are little-endian, LBAs 64 bits. */
export const GPT_SIGNATURE = 'EFI PART';
export const LEAST_GPT_HEADER_BYTES = 92;
export const LEAST_GPT_ENTRY_BYTES = 128;

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

export function isUnusedGptEntry(entry: Buffer): boolean {
  return entry.subarray(GPT_ENTRY.type, GPT_ENTRY.uuid).every((byte) => byte === 0);
}
