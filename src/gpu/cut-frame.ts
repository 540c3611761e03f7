import {
  LZ4_MAGIC,
  LZ4_SHORT_HEADER_BYTES,
  LZ4_STORED,
  lz4HeaderBytes,
  parseLz4Header,
  type Xxh32,
} from '../codec/lz4-frame.js';
import { LifeboatError } from '../error.js';
import { BLOCK_HEADER_BYTES } from './block.js';

/** A frame whose blocks the device can decode side by side; offsets in bytes from the frame's start. */
export interface CutFrame {
  frame: Buffer;
  /** Plaintext of each block but the last. */
  blockBytes: number;
  blocks: { offset: number; bytes: number; isStored: boolean }[];
  /** Undefined if the frame does not say. */
  contentBytes: number | undefined;
  /** Undefined if something else proves what comes out. */
  contentChecksum: number | undefined;
}

const CHECKSUM_BYTES = 4;

/**
 * Finds the blocks of one LZ4 frame, ours or that of `lz4 -BI` with blocks of any size, and checks the checksums that they have.
 * @param isProvenLater by somebody else, and not by a checksum of the frame's own
 * @returns undefined for anything else, damaged or not: the processor's decoder says what it is
 */
export function cutFrame(frame: Buffer, xxh32: Xxh32, isProvenLater = false): CutFrame | undefined {
  if (frame.length < LZ4_SHORT_HEADER_BYTES || frame.readUInt32LE() !== LZ4_MAGIC) return undefined;
  const headerEnd = lz4HeaderBytes(frame.readUInt8(4));
  if (frame.length < headerEnd) return undefined;
  let header: ReturnType<typeof parseLz4Header>;
  try {
    header = parseLz4Header(frame.subarray(4, headerEnd), xxh32);
  } catch (error) {
    if (error instanceof LifeboatError) return undefined;
    throw error;
  }
  // Without the checksum nothing would prove what comes out.
  if (!header.hasContentChecksum && !isProvenLater) return undefined;
  const blockBytes = header.maxBlockBytes;
  const trailerBytes = header.hasBlockChecksums ? CHECKSUM_BYTES : 0;
  const blocks: CutFrame['blocks'] = [];
  let at = headerEnd;
  for (;;) {
    if (frame.length - at < BLOCK_HEADER_BYTES) return undefined;
    const length = frame.readUInt32LE(at);
    at += BLOCK_HEADER_BYTES;
    if (length === 0) break;
    const isStored = length >= LZ4_STORED;
    const bytes = isStored ? length - LZ4_STORED : length;
    if (bytes === 0 || bytes > blockBytes || bytes + trailerBytes > frame.length - at) return undefined;
    const content = frame.subarray(at, at + bytes);
    if (trailerBytes > 0 && frame.readUInt32LE(at + bytes) !== xxh32(content) >>> 0) return undefined;
    blocks.push({ offset: at, bytes, isStored });
    at += bytes + trailerBytes;
  }
  if (frame.length - at !== (header.hasContentChecksum ? CHECKSUM_BYTES : 0)) return undefined;
  if (!header.independentBlocks && blocks.length > 1) return undefined;
  const { contentBytes } = header;
  if (contentBytes !== undefined && Math.ceil(contentBytes / blockBytes) !== blocks.length) return undefined;
  const contentChecksum = header.hasContentChecksum ? frame.readUInt32LE(at) : undefined;
  return { frame, blockBytes, blocks, contentBytes, contentChecksum };
}
