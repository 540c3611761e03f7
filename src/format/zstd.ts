import { type BlockFormat, type BlockWalk, walkBlocks } from './block-walk.js';
import type { Container, WalkedFrame } from './container.js';
import type { RandomReader } from './cursor.js';
import { createFrameTable, type FrameTable, locateFrames } from './frame-table.js';
import { decodeIndexBlock, encodeIndexBlock, indexBlockBytes } from './index-block.js';
import { encodeMarker, MARKER_BYTES, parseMarkedStart } from './marker.js';
import { isSkippableMagic, OUR_SKIPPABLE_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from './skippable.js';

/**
 * Zstandard files (RFC 8878): marker in a skippable frame, frames, index in a skippable frame, and last the seek table of
 * zstd's seekable format 0.1.0 (contrib/seekable_format/zstd_seekable_compression_format.md), so that other seekable
 * readers find the frames too.
 */
export const ZSTD_MAGIC = 0xfd2fb528;
const SEEK_TABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_FOOTER_MAGIC = 0x8f92eab1;
const SEEK_FOOTER_BYTES = 9;
const PROLOGUE_BYTES = SKIPPABLE_HEADER_BYTES + MARKER_BYTES;
const MAX_FRAME_HEADER_BYTES = 18;

export const zstdContainer: Container = {
  codec: 'zstd',
  selfProving: true,
  needsFrame: false,
  alignBytes: 1,
  prologueBytes: PROLOGUE_BYTES,
  indexedLength: (frame) => frame.length,
  prologue: (chunkBytes) => skippableFrame(OUR_SKIPPABLE_MAGIC, encodeMarker('zstd', chunkBytes)),

  parsePrologue(head) {
    const opening = this.prologue(0).subarray(0, SKIPPABLE_HEADER_BYTES);
    return parseMarkedStart('zstd', head, { whole: this.prologue, markerAt: SKIPPABLE_HEADER_BYTES, opening });
  },

  epilogue(chunkBytes, table) {
    const index = skippableFrame(OUR_SKIPPABLE_MAGIC, encodeIndexBlock({ codec: 'zstd', chunkBytes, table }));
    return Buffer.concat([index, seekTable(table, index.length)]);
  },

  epilogueBytes: (table) => SKIPPABLE_HEADER_BYTES + indexBlockBytes(table.count) + seekTableBytes(table.count),

  async readIndex(file) {
    const entries = await readSeekFooter(file);
    if (entries === undefined || entries < 2) return undefined;
    const blockBytes = indexBlockBytes(entries - 2);
    const at = file.sizeBytes - seekTableBytes(entries - 2) - blockBytes - SKIPPABLE_HEADER_BYTES;
    if (at < PROLOGUE_BYTES) return undefined;
    if (!(await isSkippableFrame(file, at, OUR_SKIPPABLE_MAGIC, blockBytes))) return undefined;
    return decodeIndexBlock(await file.read(at + SKIPPABLE_HEADER_BYTES, blockBytes), PROLOGUE_BYTES);
  },

  walkFrame: (cursor, into, maxPlainBytes) => walkBlocks(ZSTD_BLOCKS, cursor, into, maxPlainBytes),
};

const ZSTD_BLOCKS: BlockFormat = {
  name: 'zstd',
  magic: ZSTD_MAGIC,
  maxHeaderBytes: MAX_FRAME_HEADER_BYTES,
  walk: walkZstdFrame,
};

/** The table lists the marker and the index too, as frames without plaintext: its lengths must add up to offsets. */
function seekTableBytes(frames: number): number {
  return SKIPPABLE_HEADER_BYTES + (frames + 2) * 8 + SEEK_FOOTER_BYTES;
}

function seekTable(table: FrameTable, indexFrameBytes: number): Buffer {
  const payload = Buffer.alloc((table.count + 2) * 8 + SEEK_FOOTER_BYTES);
  payload.writeUInt32LE(PROLOGUE_BYTES, 0);
  for (let frame = 0; frame < table.count; frame++) {
    payload.writeUInt32LE(table.lengthOf(frame), 8 + frame * 8);
    payload.writeUInt32LE(table.plainLengthOf(frame), 12 + frame * 8);
  }
  const footerAt = payload.length - SEEK_FOOTER_BYTES;
  payload.writeUInt32LE(indexFrameBytes, footerAt - 8);
  payload.writeUInt32LE(table.count + 2, footerAt);
  payload.writeUInt32LE(SEEKABLE_FOOTER_MAGIC, footerAt + 5);
  return skippableFrame(SEEK_TABLE_MAGIC, payload);
}

async function readSeekFooter(file: RandomReader): Promise<number | undefined> {
  if (file.sizeBytes < SEEK_FOOTER_BYTES) return undefined;
  const footer = await file.read(file.sizeBytes - SEEK_FOOTER_BYTES, SEEK_FOOTER_BYTES);
  if (footer.readUInt32LE(5) !== SEEKABLE_FOOTER_MAGIC || footer.readUInt8(4) !== 0) return undefined;
  return footer.readUInt32LE(0);
}

/** To be asked before memory is taken for what lies in such a frame: a damaged length can be any. */
async function isSkippableFrame(file: RandomReader, at: number, magic: number, payloadBytes: number): Promise<boolean> {
  const header = await file.read(at, SKIPPABLE_HEADER_BYTES);
  return header.readUInt32LE(0) === magic && header.readUInt32LE(4) === payloadBytes;
}

/** The frames of a seekable file that another tool wrote, or undefined if it has no seek table that covers it all. */
export async function readForeignSeekTable(file: RandomReader): Promise<FrameTable | undefined> {
  if (file.sizeBytes < SEEK_FOOTER_BYTES) return undefined;
  const footer = await file.read(file.sizeBytes - SEEK_FOOTER_BYTES, SEEK_FOOTER_BYTES);
  const flags = footer.readUInt8(4);
  if (footer.readUInt32LE(5) !== SEEKABLE_FOOTER_MAGIC || (flags & 0x7c) !== 0) return undefined;
  const entryBytes = (flags & 0x80) === 0 ? 8 : 12;
  const entries = footer.readUInt32LE(0);
  const tableBytes = SKIPPABLE_HEADER_BYTES + entries * entryBytes + SEEK_FOOTER_BYTES;
  const tableAt = file.sizeBytes - tableBytes;
  if (tableAt < 0) return undefined;
  const payloadBytes = tableBytes - SKIPPABLE_HEADER_BYTES;
  if (!(await isSkippableFrame(file, tableAt, SEEK_TABLE_MAGIC, payloadBytes))) return undefined;
  const bytes = await file.read(tableAt, tableBytes);
  const table = createFrameTable(0, { hasCrc: false });
  for (let at = SKIPPABLE_HEADER_BYTES; at < tableBytes - SEEK_FOOTER_BYTES; at += entryBytes) {
    table.add(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), 0);
  }
  return table.storedBytes === tableAt && (await emptyOnesAreSkippable(file, table)) ? table : undefined;
}

/** Frames without plaintext are passed over, so that a table which says 0 of a frame with data would lose it unseen. */
async function emptyOnesAreSkippable(file: RandomReader, table: FrameTable): Promise<boolean> {
  for (const { offset, length, plainLength } of locateFrames(table)) {
    if (plainLength > 0) continue;
    if (length < SKIPPABLE_HEADER_BYTES) return false;
    const header = await file.read(offset, SKIPPABLE_HEADER_BYTES);
    const isSkippable = isSkippableMagic(header.readUInt32LE(0));
    if (!isSkippable || header.readUInt32LE(4) !== length - SKIPPABLE_HEADER_BYTES) return false;
  }
  return true;
}

async function walkZstdFrame(frame: BlockWalk): Promise<WalkedFrame> {
  const { head, cursor, take, broken, checkSize } = frame;
  if (head.length < 6) throw broken('is cut off');
  const descriptor = head.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] as number;
  const sizeAt = 5 + (singleSegment ? 0 : 1) + dictionaryIdBytes;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const headerBytes = sizeAt + sizeBytes;
  if ((descriptor & 0x08) !== 0) throw broken('has a reserved bit set');
  if (head.length < headerBytes) throw broken('is cut off');
  const plainLength = contentSize(head, sizeAt, sizeBytes);

  checkSize(plainLength);
  await take(headerBytes);
  let blockBytes = 0;
  for (let last = false; !last; ) {
    const blockHead = await cursor.peek(3);
    if (blockHead.length < 3) throw broken('is cut off');
    const block = blockHead.readUIntLE(0, 3);
    const type = (block >> 1) & 3;
    if (type === 3) throw broken('has a block of an unknown type');
    last = (block & 1) !== 0;
    blockBytes += block >> 3;
    await take(3 + (type === 1 ? 1 : block >> 3));
  }
  if (hasChecksum) await take(4);
  return {
    length: frame.length,
    plainLength: plainLength === 0 && blockBytes > 0 ? undefined : plainLength,
    checked: hasChecksum,
  };
}

function contentSize(head: Buffer, at: number, bytes: number): number | undefined {
  switch (bytes) {
    case 1:
      return head.readUInt8(at);
    case 2:
      return head.readUInt16LE(at) + 256;
    case 4:
      return head.readUInt32LE(at);
    case 8:
      return Number(head.readBigUInt64LE(at));
    default:
      return undefined;
  }
}
