import { LifeboatError } from '../error.js';
import { type BlockFormat, type BlockWalk, walkBlocks } from './block-walk.js';
import type { Container, WalkedFrame } from './container.js';
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
import { OUR_SKIPPABLE_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from './skippable.js';

/**
 * LZ4 files (lz4_Frame_format.md 1.6.2): an empty frame, because a file that begins with a skippable frame is nothing that
 * `file` or `lz4` know by its magic; the marker in a skippable frame; frames; the index in a skippable frame.
 */
export const LZ4_MAGIC = 0x184d2204;
/**
 * Magic, FLG (version 1, independent blocks, content size, content checksum), BD (64 KiB), content size, header checksum,
 * end mark, XXH32 of nothing. liblz4 never writes a content size of 0: a file that begins so is ours, cut or not, and none
 * that somebody made of an empty one.
 */
const EMPTY_FRAME = Buffer.from('04224d186c4000000000000000000900000000055dcc02', 'hex');
const PROLOGUE_BYTES = EMPTY_FRAME.length + SKIPPABLE_HEADER_BYTES + MARKER_BYTES;
const MIN_FRAME_HEADER_BYTES = 7;
const MAX_FRAME_HEADER_BYTES = 19;

export const lz4Container: Container = {
  codec: 'lz4',
  selfProving: true,
  needsFrame: false,
  alignBytes: 1,
  prologueBytes: PROLOGUE_BYTES,
  indexedLength: (frame) => frame.length,
  prologue: (chunkBytes) =>
    Buffer.concat([EMPTY_FRAME, skippableFrame(OUR_SKIPPABLE_MAGIC, encodeMarker('lz4', chunkBytes))]),

  parsePrologue(head) {
    const markerAt = PROLOGUE_BYTES - MARKER_BYTES;
    return parseMarkedStart('lz4', head, { whole: this.prologue, markerAt, opening: EMPTY_FRAME });
  },

  epilogue: (chunkBytes, table) =>
    skippableFrame(OUR_SKIPPABLE_MAGIC, encodeIndexBlock({ codec: 'lz4', chunkBytes, table })),
  epilogueBytes: (table) => SKIPPABLE_HEADER_BYTES + indexBlockBytes(table.count),

  async readIndex(file) {
    if (file.sizeBytes < INDEX_TRAILER_BYTES) return undefined;
    const trailer = await file.read(file.sizeBytes - INDEX_TRAILER_BYTES, INDEX_TRAILER_BYTES);
    const blockBytes = indexBytesFromTrailer(trailer);
    const at = file.sizeBytes - (blockBytes ?? 0) - SKIPPABLE_HEADER_BYTES;
    if (blockBytes === undefined || at < PROLOGUE_BYTES) return undefined;
    const blockAt = at + SKIPPABLE_HEADER_BYTES;
    if (!beginsIndex(await file.read(blockAt, INDEX_HEADER_BYTES), blockBytes)) {
      throw new LifeboatError('DAMAGE', 'the index has no valid start', { offset: at });
    }
    return decodeIndexBlock(await file.read(blockAt, blockBytes), PROLOGUE_BYTES);
  },

  walkFrame: (cursor, into, maxPlainBytes) => walkBlocks(LZ4_BLOCKS, cursor, into, maxPlainBytes),
};

const LZ4_BLOCKS: BlockFormat = {
  name: 'lz4',
  magic: LZ4_MAGIC,
  maxHeaderBytes: MAX_FRAME_HEADER_BYTES,
  walk: walkLz4Frame,
};

async function walkLz4Frame(frame: BlockWalk): Promise<WalkedFrame> {
  const { head, cursor, take, broken, checkSize } = frame;
  if (head.length < MIN_FRAME_HEADER_BYTES) throw broken('is cut off');
  const flags = head.readUInt8(4);
  if (flags >> 6 !== 1) throw broken('is of an unknown version');
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  const hasSize = (flags & 0x08) !== 0;
  const hasChecksum = (flags & 0x04) !== 0;
  const headerBytes = 7 + (hasSize ? 8 : 0) + ((flags & 0x01) === 0 ? 0 : 4);
  if (head.length < headerBytes) throw broken('is cut off');
  const plainLength = hasSize ? Number(head.readBigUInt64LE(6)) : undefined;

  checkSize(plainLength);
  await take(headerBytes);
  let blocks = 0;
  for (; ; blocks++) {
    const blockHead = await cursor.peek(4);
    if (blockHead.length < 4) throw broken('is cut off');
    const block = blockHead.readUInt32LE(0);
    if (block === 0) break;
    await take(4 + (block & 0x7fffffff) + blockChecksumBytes);
  }
  await take(hasChecksum ? 8 : 4);
  return {
    length: frame.length,
    plainLength: plainLength === 0 && blocks > 0 ? undefined : plainLength,
    checked: hasChecksum,
  };
}
