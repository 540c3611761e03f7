import { LZ4_HEADER_BYTES, writeLz4Header, type Xxh32 } from '../codec/lz4-frame.js';
import { BLOCK_BYTES, BLOCK_HEADER_BYTES } from './block.js';

const END_MARK_AND_CHECKSUM_BYTES = 8;

/** The largest frame of blocks of 64 KiB, all of them stored, in bytes. A frame with larger blocks is never larger. */
export function gpuFrameBound(plainBytes: number): number {
  const blocks = Math.ceil(plainBytes / BLOCK_BYTES);
  return LZ4_HEADER_BYTES + plainBytes + BLOCK_HEADER_BYTES * blocks + END_MARK_AND_CHECKSUM_BYTES;
}

/**
 * Makes a standard LZ4 frame of what the device gave: independent blocks of 64 KiB, content size, content checksum.
 * @param out at least `gpuFrameBound(plain.length)` bytes
 * @param body each block behind its header
 * @returns the frame's length in bytes
 */
export function writeGpuFrame(out: Buffer, plain: Buffer, body: Buffer, xxh32: Xxh32): number {
  writeLz4Header(out, plain.length, xxh32, BLOCK_BYTES);
  body.copy(out, LZ4_HEADER_BYTES);
  const end = LZ4_HEADER_BYTES + body.length;
  out.writeUInt32LE(0, end);
  out.writeUInt32LE(xxh32(plain) >>> 0, end + 4);
  return end + END_MARK_AND_CHECKSUM_BYTES;
}
