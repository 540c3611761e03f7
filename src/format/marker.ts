import { crc32 } from 'node:zlib';
import type { CodecName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';
import { codecId } from './index-block.js';

/**
 * The 20 bytes near the start of an image which say that an index must follow at its end (docs/formats.md, "Marker").
 * Without them a file cut just before its index would pass for a whole file of some other tool.
 */
export const MARKER_BYTES = 20;

const MAGIC = Buffer.from('LIFEBOAT', 'latin1');
const VERSION = 1;

export function encodeMarker(codec: CodecName, chunkBytes: number): Buffer {
  const marker = Buffer.alloc(MARKER_BYTES);
  MAGIC.copy(marker, 0);
  marker.writeUInt8(VERSION, 8);
  marker.writeUInt8(codecId(codec), 9);
  marker.writeUInt32LE(chunkBytes, 12);
  marker.writeUInt32LE(crc32(marker.subarray(0, 16)), 16);
  return marker;
}

/** The chunk size in bytes that a marker tells, or undefined if these bytes are not exactly a marker of that codec. */
export function decodeMarker(codec: CodecName, marker: Buffer): number | undefined {
  if (marker.length !== MARKER_BYTES) return undefined;
  const chunkBytes = marker.readUInt32LE(12);
  return encodeMarker(codec, chunkBytes).equals(marker) ? chunkBytes : undefined;
}

export interface MarkedStart {
  /** All of our start for that chunk size. */
  whole(chunkBytes: number): Buffer;
  markerAt: number;
  /** What a file of ours begins with and no file of another tool does. */
  opening: Buffer;
}

/**
 * Reads the start of a file. A damaged start of ours still has either the opening or the marker's magic, so that no flipped
 * bit makes a file of another tool of it, which nobody would miss an index in.
 * @returns undefined for a file of another tool
 * @throws LifeboatError DAMAGE
 */
export function parseMarkedStart(
  codec: CodecName,
  head: Buffer,
  { whole, markerAt, opening }: MarkedStart,
): { chunkBytes: number } | undefined {
  const chunkBytes = decodeMarker(codec, head.subarray(markerAt, markerAt + MARKER_BYTES));
  if (chunkBytes !== undefined) {
    const expected = whole(chunkBytes);
    if (expected.equals(head.subarray(0, expected.length))) return { chunkBytes };
  }
  const isOurs =
    head.subarray(0, opening.length).equals(opening) || head.subarray(markerAt, markerAt + MAGIC.length).equals(MAGIC);
  if (isOurs) throw startIsDamaged();
  return undefined;
}

export function startIsDamaged(): LifeboatError {
  return new LifeboatError('DAMAGE', 'its first bytes are damaged', { offset: 0 });
}
