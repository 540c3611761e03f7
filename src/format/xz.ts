import { crc32 } from 'node:zlib';
import { LifeboatError } from '../error.js';
import type { Container } from './container.js';
import type { RandomReader } from './cursor.js';
import { createFrameTable, type FrameTable, paddedLength } from './frame-table.js';

/**
 * xz files (xz-file-format.txt 1.1.0): one stream of many blocks. The format's own index and footer are our epilogue:
 * they prove the number and lengths of the blocks, and each block proves its plaintext by a CRC-64.
 */
export const XZ_MAGIC = Buffer.from('fd377a585a00', 'hex');
const FOOTER_MAGIC = Buffer.from('YZ', 'latin1');
const CHECK_CRC64 = 4;
const STREAM_HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
/** Length in bytes of each of the sixteen kinds of check. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

export const xzContainer: Container = {
  codec: 'xz',
  selfProving: true,
  needsFrame: false,
  alignBytes: 4,
  prologueBytes: STREAM_HEADER_BYTES,
  indexedLength: (frame) => parseBlockHeader(frame, CHECK_CRC64, 0).unpaddedBytes,
  prologue: () => streamHeader(CHECK_CRC64),

  /** A stream says nothing of chunks; the blocks themselves do. */
  parsePrologue: (head) =>
    streamHeader(CHECK_CRC64).equals(head.subarray(0, STREAM_HEADER_BYTES)) ? { chunkBytes: 0 } : undefined,

  epilogue: (_chunkBytes, table) => indexAndFooter(table, CHECK_CRC64),
  epilogueBytes: (table) => indexAndFooter(table, CHECK_CRC64).length,

  async readIndex(file) {
    const header = await file.read(0, STREAM_HEADER_BYTES);
    if (!header.equals(streamHeader(CHECK_CRC64))) return undefined;
    const found = await readXzIndex(file);
    return found === undefined ? undefined : { chunkBytes: 0, table: found.table };
  },

  async walkFrame(cursor, into) {
    const start = cursor.position;
    const head = await cursor.peek(1024);
    if (head.length === 0 || head.readUInt8(0) === 0) return undefined;
    const block = parseBlockHeader(head, CHECK_CRC64, start);
    const length = paddedLength(block.unpaddedBytes, 4);
    if (into !== undefined && length > into.length) {
      throw new LifeboatError('DAMAGE', `the xz block at offset ${start} is longer than any of this image can be`, {
        offset: start,
      });
    }
    await cursor.advance(length, into);
    return { length, plainLength: block.plainBytes, checked: true };
  },
};

/**
 * Finds the blocks of a file that is exactly one xz stream, whoever wrote it.
 * @returns undefined for several streams, stream padding, blocks of 4 GiB and more, or anything else that is read from front to back instead
 * @throws LifeboatError DAMAGE if the index of such a stream is broken
 */
export async function readXzIndex(file: RandomReader): Promise<{ table: FrameTable; check: number } | undefined> {
  if (file.sizeBytes < STREAM_HEADER_BYTES + 8 + FOOTER_BYTES) return undefined;
  const header = await file.read(0, STREAM_HEADER_BYTES);
  const footer = await file.read(file.sizeBytes - FOOTER_BYTES, FOOTER_BYTES);
  const check = header.readUInt8(7) & 0x0f;
  if (!header.equals(streamHeader(check)) || !footer.subarray(10).equals(FOOTER_MAGIC)) return undefined;
  // A damaged length could ask for any amount of memory.
  if (footer.readUInt32LE(0) !== crc32(footer.subarray(4, 10))) return undefined;
  const indexBytes = (footer.readUInt32LE(4) + 1) * 4;
  const at = file.sizeBytes - FOOTER_BYTES - indexBytes;
  if (at < STREAM_HEADER_BYTES) return undefined;
  const index = await file.read(at, indexBytes);
  const table = parseIndex(index);
  if (table === undefined) return undefined;
  // A stream that does not begin at offset 0 is the last of several.
  if (STREAM_HEADER_BYTES + table.storedBytes !== at) return undefined;
  if (!Buffer.concat([index, footer]).equals(indexAndFooter(table, check))) {
    throw new LifeboatError('DAMAGE', 'the index of the xz stream is broken', { offset: at });
  }
  return { table, check };
}

function streamHeader(check: number): Buffer {
  const header = Buffer.alloc(STREAM_HEADER_BYTES);
  XZ_MAGIC.copy(header, 0);
  header.writeUInt8(check, 7);
  header.writeUInt32LE(crc32(header.subarray(6, 8)), 8);
  return header;
}

function indexAndFooter(table: FrameTable, check: number): Buffer {
  const index = Buffer.alloc(paddedLength(1 + 9 + table.count * 18, 4) + 4);
  let at = 1;
  const number = (value: number) => {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) index[at++] = (rest % 128) | 0x80;
    index[at++] = rest;
  };
  number(table.count);
  for (let frame = 0; frame < table.count; frame++) {
    number(table.lengthOf(frame));
    number(table.plainLengthOf(frame));
  }
  at = paddedLength(at, 4);
  index.writeUInt32LE(crc32(index.subarray(0, at)), at);
  const indexBytes = at + 4;

  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.writeUInt32LE(indexBytes / 4 - 1, 4);
  footer.writeUInt8(check, 9);
  footer.writeUInt32LE(crc32(footer.subarray(4, 10)), 0);
  FOOTER_MAGIC.copy(footer, 10);
  return Buffer.concat([index.subarray(0, indexBytes), footer]);
}

/** A number in base 128, seven bits a byte, the lowest first; the high bit says that another byte follows. */
function readNumber(bytes: Buffer, at: number): { value: number; next: number } {
  let value = 0;
  let factor = 1;
  for (let next = at; next < bytes.length && next < at + 9; factor *= 128) {
    const byte = bytes.readUInt8(next++);
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, next };
  }
  throw new LifeboatError('DAMAGE', 'a number in the xz headers is broken');
}

/** Undefined where a block is too large for the table, as the only one of `xz -T1` is with a large disk. */
function parseIndex(index: Buffer): FrameTable | undefined {
  const table = createFrameTable(STREAM_HEADER_BYTES, { hasCrc: false, alignBytes: 4 });
  const records = readNumber(index, 1);
  let at = records.next;
  for (let record = 0; record < records.value; record++) {
    const length = readNumber(index, at);
    const plainLength = readNumber(index, length.next);
    if (length.value > 0xffffffff || plainLength.value > 0xffffffff) return undefined;
    table.add(length.value, plainLength.value, 0);
    at = plainLength.next;
  }
  return table;
}

/** Length in bytes of a block from its header, which must tell both sizes as ours do. */
function parseBlockHeader(block: Buffer, check: number, offset: number): { unpaddedBytes: number; plainBytes: number } {
  const broken = (what: string) => new LifeboatError('DAMAGE', `the xz block at offset ${offset} ${what}`, { offset });
  const headerBytes = (block.readUInt8(0) + 1) * 4;
  if (block.length < headerBytes) throw broken('is cut off');
  if (block.readUInt32LE(headerBytes - 4) !== crc32(block.subarray(0, headerBytes - 4)))
    throw broken('has a wrong header');
  if ((block.readUInt8(1) & 0xc0) !== 0xc0) throw broken('does not tell its sizes');
  const stored = readNumber(block, 2);
  const plain = readNumber(block, stored.next);
  return { unpaddedBytes: headerBytes + stored.value + (CHECK_BYTES[check] as number), plainBytes: plain.value };
}
