import { LifeboatError } from '../error.js';
import { damaged } from '../native/frame-error.js';

/** The header of LZ4 frames. https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md */
export const LZ4_MAGIC = 0x184d_2204;
/** XXH32 with seed 0: the checksum of headers, blocks and contents. */
export type Xxh32 = (bytes: Buffer) => number;
/** The high bit of a block's length: the block is not compressed. */
export const LZ4_STORED = 0x8000_0000;

const VERSION_1 = 0x40;
const FLAG = {
  version: 0xc0,
  independentBlocks: 0x20,
  blockChecksums: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  reserved: 0x02,
  dictionary: 0x01,
};
/** Block sizes by number, from 4 on. */
const FIRST_BLOCK_SIZE_ID = 4;
const BLOCK_SIZES = [64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024];

export interface Lz4Header {
  maxBlockBytes: number;
  independentBlocks: boolean;
  hasBlockChecksums: boolean;
  hasContentChecksum: boolean;
  /** Undefined if the header does not say. */
  contentBytes: number | undefined;
}

/** With content size: magic, FLG, BD, content size, header checksum. */
export const LZ4_HEADER_BYTES = 15;

/**
 * Writes the header of our own frames.
 * @param blockBytes what no block is larger than; by default one block takes all of the content
 * @returns the size of their blocks, the smallest that is large enough
 */
export function writeLz4Header(out: Buffer, contentBytes: number, xxh32: Xxh32, blockBytes = contentBytes): number {
  const fitting = BLOCK_SIZES.findIndex((size) => size >= blockBytes);
  const index = fitting < 0 ? BLOCK_SIZES.length - 1 : fitting;
  out.writeUInt32LE(LZ4_MAGIC, 0);
  out.writeUInt8(VERSION_1 | FLAG.independentBlocks | FLAG.contentSize | FLAG.contentChecksum, 4);
  out.writeUInt8((FIRST_BLOCK_SIZE_ID + index) << 4, 5);
  out.writeBigUInt64LE(BigInt(contentBytes), 6);
  out.writeUInt8(headerChecksum(out.subarray(4, 14), xxh32), 14);
  return BLOCK_SIZES[index] ?? 0;
}

/** Magic, FLG, BD, header checksum. */
export const LZ4_SHORT_HEADER_BYTES = 7;

/** Writes the header of a frame of blocks that were taken from another: it tells no size, and has no checksum of its content. */
export function writeLz4BlocksHeader(out: Buffer, from: Lz4Header, xxh32: Xxh32): void {
  out.writeUInt32LE(LZ4_MAGIC, 0);
  out.writeUInt8(VERSION_1 | FLAG.independentBlocks | (from.hasBlockChecksums ? FLAG.blockChecksums : 0), 4);
  out.writeUInt8((FIRST_BLOCK_SIZE_ID + BLOCK_SIZES.indexOf(from.maxBlockBytes)) << 4, 5);
  out.writeUInt8(headerChecksum(out.subarray(4, 6), xxh32), 6);
}

const CHECKSUM_BYTES = 4;
const MAGIC_FLG_BD_BYTES = 6;

/** Adds the checksum of its content to a frame that was made without. @returns the frame's new length in bytes */
export function addContentChecksum(out: Buffer, frameBytes: number, plain: Buffer, xxh32: Xxh32): number {
  const checksumAt = lz4HeaderBytes(out.readUInt8(4)) - 1;
  out.writeUInt8(out.readUInt8(4) | FLAG.contentChecksum, 4);
  out.writeUInt8(headerChecksum(out.subarray(4, checksumAt), xxh32), checksumAt);
  out.writeUInt32LE(xxh32(plain) >>> 0, frameBytes);
  return frameBytes + CHECKSUM_BYTES;
}

/** Whether its content checksum is the only one that a frame has behind its header. */
export function hasOnlyContentChecksum(frame: Buffer): boolean {
  if (frame.length < LZ4_HEADER_BYTES || frame.readUInt32LE() !== LZ4_MAGIC) return false;
  return (frame.readUInt8(4) & (FLAG.blockChecksums | FLAG.contentChecksum)) === FLAG.contentChecksum;
}

/** @throws LifeboatError DAMAGE unless the checksum at the end of `frame` is that of `plain` */
export function checkContentChecksum(frame: Buffer, plain: Buffer, xxh32: Xxh32): void {
  if (frame.readUInt32LE(frame.length - CHECKSUM_BYTES) !== xxh32(plain) >>> 0) {
    throw damaged('lz4', 'wrong checksum of the content');
  }
}

function headerChecksum(descriptor: Buffer, xxh32: Xxh32): number {
  return (xxh32(descriptor) >>> 8) & 0xff;
}

/**
 * Whether a file begins with a frame of blocks that refer to nothing outside of themselves, as those of lz4(1) do.
 * @param head a file's first bytes
 */
export function hasIndependentBlocks(head: Buffer): boolean {
  if (head.length < LZ4_SHORT_HEADER_BYTES || head.readUInt32LE() !== LZ4_MAGIC) return false;
  return (
    (head.readUInt8(4) & (FLAG.version | FLAG.independentBlocks | FLAG.dictionary)) ===
    (VERSION_1 | FLAG.independentBlocks)
  );
}

/** How many bytes the header has, its magic among them. */
export function lz4HeaderBytes(flags: number): number {
  return MAGIC_FLG_BD_BYTES + lz4HeaderRest(flags);
}

/** How many bytes the header has behind its magic and its first two bytes. */
export function lz4HeaderRest(flags: number): number {
  return (flags & FLAG.contentSize ? 8 : 0) + (flags & FLAG.dictionary ? 4 : 0) + 1;
}

/**
 * @param bytes the header from its flags on, without the magic
 * @throws LifeboatError DAMAGE
 */
export function parseLz4Header(bytes: Buffer, xxh32: Xxh32): Lz4Header {
  const flags = bytes.readUInt8(0);
  const block = bytes.readUInt8(1);
  if ((flags & FLAG.version) !== VERSION_1) throw damaged('lz4', 'an unknown version');
  if (flags & FLAG.reserved || block & 0x8f) throw damaged('lz4', 'a reserved bit is set');
  const maxBlockBytes = BLOCK_SIZES[(block >> 4) - FIRST_BLOCK_SIZE_ID];
  if (maxBlockBytes === undefined) throw damaged('lz4', 'an unknown block size');
  const checksumAt = bytes.length - 1;
  if (bytes[checksumAt] !== headerChecksum(bytes.subarray(0, checksumAt), xxh32)) {
    throw damaged('lz4', 'wrong checksum of the header');
  }
  if (flags & FLAG.dictionary) throw new LifeboatError('FAILED', 'the lz4 frame needs a dictionary');
  return {
    maxBlockBytes,
    independentBlocks: (flags & FLAG.independentBlocks) !== 0,
    hasBlockChecksums: (flags & FLAG.blockChecksums) !== 0,
    hasContentChecksum: (flags & FLAG.contentChecksum) !== 0,
    contentBytes: flags & FLAG.contentSize ? Number(bytes.readBigUInt64LE(2)) : undefined,
  };
}
