import { crc32 } from 'node:zlib';
import type { CodecName } from '../codec/codec.js';
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
