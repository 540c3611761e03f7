import { crc32 } from 'node:zlib';
import type { CodecName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';
import { createFrameTable, type FrameTable } from './frame-table.js';

/**
 * The index as bytes (docs/formats.md, "Index block"): header, one entry a frame, trailer. The trailer stands at a fixed
 * distance from the end, so that the index is found from the end of a file.
 */
export const INDEX_HEADER_BYTES = 40;
export const INDEX_ENTRY_BYTES = 12;
export const INDEX_TRAILER_BYTES = 24;

const MAGIC = Buffer.from('LBINDEX1', 'latin1');
const END_MAGIC = Buffer.from('LBINDEND', 'latin1');
const CODEC_IDS: Readonly<Record<CodecName, number>> = { gzip: 1, zstd: 2, lz4: 3, xz: 4, bzip2: 5, none: 6 };

export function codecId(codec: CodecName): number {
  return CODEC_IDS[codec];
}

export interface IndexFacts {
  codec: CodecName;
  chunkBytes: number;
  table: FrameTable;
}

export function indexBlockBytes(frames: number): number {
  return INDEX_HEADER_BYTES + frames * INDEX_ENTRY_BYTES + INDEX_TRAILER_BYTES;
}

export function encodeIndexBlock({ codec, chunkBytes, table }: IndexFacts): Buffer {
  const block = Buffer.alloc(indexBlockBytes(table.count));
  MAGIC.copy(block, 0);
  block.writeUInt8(codecId(codec), 8);
  block.writeUInt32LE(chunkBytes, 12);
  block.writeBigUInt64LE(BigInt(table.plainBytes), 16);
  block.writeBigUInt64LE(BigInt(table.storedBytes), 24);
  block.writeBigUInt64LE(BigInt(table.count), 32);
  let at = INDEX_HEADER_BYTES;
  for (let frame = 0; frame < table.count; frame++) {
    block.writeUInt32LE(table.lengthOf(frame), at);
    block.writeUInt32LE(table.plainLengthOf(frame), at + 4);
    block.writeUInt32LE(table.crcOf(frame), at + 8);
    at += INDEX_ENTRY_BYTES;
  }
  block.writeBigUInt64LE(BigInt(block.length), at);
  block.writeUInt32LE(crc32(block.subarray(0, at + 12)), at + 12);
  END_MAGIC.copy(block, at + 16);
  return block;
}

/**
 * The length in bytes of the index whose trailer these 24 bytes are, or undefined if they are none. Only the CRC of the
 * whole block proves it.
 */
export function indexBytesFromTrailer(trailer: Buffer): number | undefined {
  if (trailer.length !== INDEX_TRAILER_BYTES || !trailer.subarray(16).equals(END_MAGIC)) return undefined;
  const bytes = Number(trailer.readBigUInt64LE(0));
  const frames = (bytes - INDEX_HEADER_BYTES - INDEX_TRAILER_BYTES) / INDEX_ENTRY_BYTES;
  return Number.isSafeInteger(frames) && frames >= 0 ? bytes : undefined;
}

/**
 * Whether an index of that length begins with these 40 bytes. To be asked before memory is taken for all of it: a damaged
 * length can be any.
 */
export function beginsIndex(header: Buffer, blockBytes: number): boolean {
  if (header.length < INDEX_HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) return false;
  return indexBlockBytes(Number(header.readBigUInt64LE(32))) === blockBytes;
}

/**
 * @param firstOffset where the first frame begins in the file that this index belongs to
 * @throws LifeboatError DAMAGE when anything in it is not as it was written
 */
export function decodeIndexBlock(block: Buffer, firstOffset: number): IndexFacts {
  const trailerAt = block.length - INDEX_TRAILER_BYTES;
  if (trailerAt < INDEX_HEADER_BYTES || indexBytesFromTrailer(block.subarray(trailerAt)) !== block.length) {
    throw new LifeboatError('DAMAGE', 'the index has no valid end');
  }
  if (block.readUInt32LE(trailerAt + 12) !== crc32(block.subarray(0, trailerAt + 12))) {
    throw new LifeboatError('DAMAGE', 'the index does not match its own CRC');
  }
  const id = block.readUInt8(8);
  const codec = (Object.keys(CODEC_IDS) as CodecName[]).find((name) => CODEC_IDS[name] === id);
  if (!block.subarray(0, 8).equals(MAGIC) || codec === undefined) {
    throw new LifeboatError('DAMAGE', 'the index is of a kind that this version does not know');
  }
  const table = createFrameTable(firstOffset);
  for (let at = INDEX_HEADER_BYTES; at < trailerAt; at += INDEX_ENTRY_BYTES) {
    table.add(block.readUInt32LE(at), block.readUInt32LE(at + 4), block.readUInt32LE(at + 8));
  }
  const facts = { codec, chunkBytes: block.readUInt32LE(12), table };
  // One form only for each index: what is not byte for byte what we would write was not written by us.
  if (!encodeIndexBlock(facts).equals(block)) throw new LifeboatError('DAMAGE', 'the index contradicts itself');
  return facts;
}
