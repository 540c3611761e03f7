import { LifeboatError } from '../error.js';
import type { Container } from './container.js';
import type { RandomReader } from './cursor.js';
import {
  beginsIndex,
  decodeIndexBlock,
  encodeIndexBlock,
  INDEX_HEADER_BYTES,
  INDEX_TRAILER_BYTES,
  indexBlockBytes,
  indexBytesFromTrailer,
} from './index-block.js';
import { encodeMarker, MARKER_BYTES, parseMarkedStart } from './marker.js';

/**
 * gzip files (RFC 1952): an empty member with the marker in its extra field; one member a chunk, whose extra field tells
 * its length; empty members with the index in their extra fields.
 */
const FIXED_HEADER = Buffer.from('1f8b0804000000000003', 'hex');
/** A final deflate block without content, CRC-32 and length of nothing. */
const EMPTY_BODY = Buffer.from('03000000000000000000', 'hex');
const HEADER_BYTES = FIXED_HEADER.length + 2 + 4;
/** Busybox's gunzip fails on extra fields of 32,000 bytes; 16,380 were tried and work. */
const INDEX_PIECE_BYTES = 15_996;
const EMPTY_MEMBER_BYTES = HEADER_BYTES + EMPTY_BODY.length;
const PROLOGUE_BYTES = EMPTY_MEMBER_BYTES + MARKER_BYTES;
const END_MEMBER_BYTES = EMPTY_MEMBER_BYTES + INDEX_TRAILER_BYTES;

/** Subfields: a frame's own length, the marker, a piece of the index, the index's trailer; BGZF's block length. */
const FRAME_FIELD = 'LB';
const MARKER_FIELD = 'LM';
const INDEX_FIELD = 'LI';
const END_FIELD = 'LE';
const BGZF_FIELD = 'BC';

export const gzipContainer: Container = {
  codec: 'gzip',
  selfProving: true,
  needsFrame: false,
  alignBytes: 1,
  prologueBytes: PROLOGUE_BYTES,
  indexedLength: (frame) => frame.length,
  prologue: (chunkBytes) => emptyMember(MARKER_FIELD, encodeMarker('gzip', chunkBytes)),

  parsePrologue(head) {
    const opening = this.prologue(0).subarray(0, HEADER_BYTES);
    return parseMarkedStart('gzip', head, { whole: this.prologue, markerAt: HEADER_BYTES, opening });
  },

  epilogue(chunkBytes, table) {
    const block = encodeIndexBlock({ codec: 'gzip', chunkBytes, table });
    const trailerAt = block.length - INDEX_TRAILER_BYTES;
    const members: Buffer[] = [];
    for (let at = 0; at < trailerAt; at += INDEX_PIECE_BYTES) {
      members.push(emptyMember(INDEX_FIELD, block.subarray(at, Math.min(at + INDEX_PIECE_BYTES, trailerAt))));
    }
    members.push(emptyMember(END_FIELD, block.subarray(trailerAt)));
    return Buffer.concat(members);
  },

  epilogueBytes: (table) => epilogueBytes(indexBlockBytes(table.count)),

  async readIndex(file) {
    const blockBytes = await readBlockLength(file);
    const at = file.sizeBytes - epilogueBytes(blockBytes ?? 0);
    if (blockBytes === undefined || at < PROLOGUE_BYTES) return undefined;
    if (!beginsIndex(await file.read(at + HEADER_BYTES, INDEX_HEADER_BYTES), blockBytes)) {
      throw new LifeboatError('DAMAGE', 'the index has no valid start', { offset: at });
    }
    const bytes = await file.read(at, file.sizeBytes - at);
    const pieces: Buffer[] = [];
    // Where the pieces lie follows from the length of all: what their members' headers say may be damaged.
    const trailerAt = bytes.length - END_MEMBER_BYTES;
    for (let member = 0; member < trailerAt; member += EMPTY_MEMBER_BYTES + INDEX_PIECE_BYTES) {
      const next = Math.min(member + EMPTY_MEMBER_BYTES + INDEX_PIECE_BYTES, trailerAt);
      pieces.push(bytes.subarray(member + HEADER_BYTES, next - EMPTY_BODY.length));
    }
    pieces.push(bytes.subarray(trailerAt + HEADER_BYTES, bytes.length - EMPTY_BODY.length));
    return decodeIndexBlock(Buffer.concat(pieces), PROLOGUE_BYTES);
  },

  async walkFrame(cursor, into) {
    const start = cursor.position;
    const head = await cursor.peek(HEADER_BYTES + 4);
    if (head.length === 0) return undefined;
    const field = head.length < HEADER_BYTES + 2 ? '' : head.toString('latin1', HEADER_BYTES - 4, HEADER_BYTES - 2);
    if (field === INDEX_FIELD || field === END_FIELD) return undefined;
    const length =
      field === FRAME_FIELD && head.length === HEADER_BYTES + 4
        ? head.readUInt32LE(HEADER_BYTES)
        : field === BGZF_FIELD
          ? head.readUInt16LE(HEADER_BYTES) + 1
          : 0;
    if (length < HEADER_BYTES + EMPTY_BODY.length || (head.readUInt8(3) & 0x04) === 0) {
      throw new LifeboatError('DAMAGE', `no gzip member that tells its length begins at offset ${start}`, {
        offset: start,
      });
    }
    if (into !== undefined && length > into.length) {
      throw new LifeboatError('DAMAGE', `the gzip member at offset ${start} is longer than any of this image can be`, {
        offset: start,
      });
    }
    await cursor.advance(length - 4, into);
    const sizeField = await cursor.peek(4);
    await cursor.advance(4, into?.subarray(length - 4));
    const plainLength = sizeField.readUInt32LE(0);
    const hasRoom = length > HEADER_BYTES + head.readUInt16LE(HEADER_BYTES - 2) + EMPTY_BODY.length;
    return { length, plainLength: plainLength === 0 && hasRoom ? undefined : plainLength, checked: true };
  },
};

function emptyMember(field: string, payload: Buffer): Buffer {
  const extra = Buffer.alloc(6);
  extra.writeUInt16LE(4 + payload.length, 0);
  extra.write(field, 2, 'latin1');
  extra.writeUInt16LE(payload.length, 4);
  return Buffer.concat([FIXED_HEADER, extra, payload, EMPTY_BODY]);
}

function epilogueBytes(blockBytes: number): number {
  const piecesBytes = blockBytes - INDEX_TRAILER_BYTES;
  const pieces = Math.ceil(piecesBytes / INDEX_PIECE_BYTES);
  return piecesBytes + pieces * EMPTY_MEMBER_BYTES + END_MEMBER_BYTES;
}

async function readBlockLength(file: RandomReader): Promise<number | undefined> {
  if (file.sizeBytes < END_MEMBER_BYTES) return undefined;
  const end = await file.read(file.sizeBytes - END_MEMBER_BYTES, END_MEMBER_BYTES);
  const trailer = end.subarray(HEADER_BYTES, HEADER_BYTES + INDEX_TRAILER_BYTES);
  return emptyMember(END_FIELD, trailer).equals(end) ? indexBytesFromTrailer(trailer) : undefined;
}
