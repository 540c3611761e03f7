import { crc32 } from 'node:zlib';
import { damaged } from '../native/frame-error.js';
import type { FrameWalk } from './frame-walk.js';

/**
 * gzip members (RFC 1952). Ours all begin with the same 16 bytes and then say how long they are, so that a reader finds
 * the next one without decoding: an extra field with one subfield "LB", of 4 bytes, the member's whole length in bytes.
 */
const HEADER_START = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 8, 0, 0x4c, 0x42, 4, 0]);
export const GZIP_HEADER_BYTES = 20;
/** CRC-32 and length of the plaintext. */
export const GZIP_TRAILER_BYTES = 8;

/** @param memberBytes header, deflate data and trailer together */
export function writeGzipHeader(out: Buffer, memberBytes: number): void {
  HEADER_START.copy(out);
  out.writeUInt32LE(memberBytes, HEADER_START.length);
}

/** The length of a member of ours, given its first bytes; undefined for anything else. */
export function gzipMemberBytes(start: Buffer): number | undefined {
  if (start.length < GZIP_HEADER_BYTES) return undefined;
  if (HEADER_START.compare(start, 0, HEADER_START.length) !== 0) return undefined;
  return start.readUInt32LE(HEADER_START.length);
}

/** @param at where in `out` the deflate data ends */
export function writeGzipTrailer(out: Buffer, at: number, plainCrc: number, plainBytes: number): void {
  out.writeUInt32LE(plainCrc, at);
  out.writeUInt32LE(plainBytes % 2 ** 32, at + 4);
}

/** @throws LifeboatError DAMAGE */
export function checkGzipTrailer(trailer: Buffer, plainCrc: number, plainBytes: number): void {
  if (trailer.readUInt32LE(0) !== plainCrc) throw damaged('gzip', 'wrong CRC-32');
  if (trailer.readUInt32LE(4) !== plainBytes % 2 ** 32) throw damaged('gzip', 'wrong length');
}

const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 };
const FIXED_BYTES = 10;
/** gzip itself has no bound; a name or comment that is longer is no name. */
const MAX_TEXT_BYTES = 65_536;

/** Takes a member's header, whoever wrote it. @throws LifeboatError DAMAGE */
export function* walkGzipHeader(): FrameWalk<void> {
  const fixed = yield FIXED_BYTES;
  let headerCrc = crc32(fixed);
  const flags = fixed.readUInt8(3);
  if (fixed.readUInt16BE() !== 0x1f8b || fixed[2] !== 8) throw damaged('gzip', 'no gzip member begins here');
  if ((flags & FLAG.reserved) !== 0) throw damaged('gzip', 'reserved flags are set');
  if (flags & FLAG.extra) {
    const length = yield 2;
    headerCrc = crc32(length, headerCrc);
    headerCrc = crc32(yield length.readUInt16LE(), headerCrc);
  }
  for (const text of [FLAG.name, FLAG.comment]) {
    if ((flags & text) === 0) continue;
    for (let bytes = 0; ; bytes++) {
      if (bytes > MAX_TEXT_BYTES) throw damaged('gzip', 'the name or comment in the header has no end');
      const character = yield 1;
      headerCrc = crc32(character, headerCrc);
      if (character[0] === 0) break;
    }
  }
  if (flags & FLAG.headerCrc) {
    const stored = yield 2;
    if (stored.readUInt16LE() !== (headerCrc & 0xffff)) throw damaged('gzip', 'wrong CRC of the header');
  }
}
