import type { StreamDecoder } from '../codec/codec.js';
import {
  hasIndependentBlocks,
  LZ4_SHORT_HEADER_BYTES,
  LZ4_STORED,
  type Lz4Header,
  lz4HeaderBytes,
  parseLz4Header,
  writeLz4BlocksHeader,
  type Xxh32,
} from '../codec/lz4-frame.js';
import { LifeboatError } from '../error.js';
import type { Cursor } from '../format/cursor.js';
import { isSkippableMagic, SKIPPABLE_HEADER_BYTES } from '../format/skippable.js';
import type { Xxh32Stream } from '../native/libxxhash.js';
import { endedEarly, type StreamRead } from './cursors.js';
import { type FrameProvider, sequentialFrames } from './frame-provider.js';
import type { Slot } from './slots.js';

/**
 * Files as lz4(1) writes them: one frame, however large, of blocks that do not refer to each other. A few blocks at a time become
 * a frame of their own, which any decoder takes, so that they are decoded side by side; what only the whole frame proves (its
 * checksum, its size) is checked as their plaintext comes out in order.
 */

const LENGTH_BYTES = 4;
const CHECKSUM_BYTES = 4;
const END_MARK_BYTES = 4;
const LONGEST_HEADER_BYTES = 19;
const SMALLEST_BLOCK_BYTES = 64 * 1024;

/** What the slots of block groups must hold as a frame, in bytes: every block stored, and with a checksum. */
export function blockGroupBound(plainBytes: number): number {
  const blocks = Math.ceil(plainBytes / SMALLEST_BLOCK_BYTES);
  return LZ4_SHORT_HEADER_BYTES + plainBytes + blocks * (LENGTH_BYTES + CHECKSUM_BYTES) + END_MARK_BYTES;
}

/** A frame of the file. */
interface OpenFrame {
  header: Lz4Header;
  offset: number;
  hash: Xxh32Stream | undefined;
  /** Of the groups that came out so far. */
  plainBytes: number;
  /** Where its plaintext begins; undefined before any of it came out. */
  plainOffset: number | undefined;
  /** Some of it could not be decoded, so it cannot be proven any more. */
  isBroken: boolean;
}

interface Group {
  frame: OpenFrame;
  /** The last of its frame, which ends with this checksum. */
  end: { checksum: number | undefined } | undefined;
}

export interface BlockGroupsOptions {
  /** At the file's start. */
  cursor: Cursor & { readAny: StreamRead };
  /** The plaintext that a slot takes: a block of the largest size at least. */
  plainBytes: number;
  xxh32: Xxh32;
  startXxh32: () => Xxh32Stream;
  /** For frames of other kinds, and all behind them. */
  createStreamDecoder: () => StreamDecoder | Promise<StreamDecoder>;
}

export function blockGroups(options: BlockGroupsOptions): FrameProvider {
  const { cursor, plainBytes, xxh32, startXxh32 } = options;
  const groups = new Map<number, Group>();
  let number = 0;
  let frame: OpenFrame | undefined;
  let rest: { provider: FrameProvider; number: number; offset: number } | undefined;

  /** @returns false at the file's end, or where the rest is of another kind */
  async function openNext(): Promise<boolean> {
    for (;;) {
      const head = await cursor.peek(LONGEST_HEADER_BYTES);
      if (head.length === 0) return false;
      if (head.length >= SKIPPABLE_HEADER_BYTES && isSkippableMagic(head.readUInt32LE())) {
        await cursor.advance(SKIPPABLE_HEADER_BYTES + head.readUInt32LE(4));
        continue;
      }
      const headerBytes = hasIndependentBlocks(head) ? lz4HeaderBytes(head.readUInt8(4)) : 0;
      if (headerBytes === 0 || headerBytes > head.length) {
        const provider = sequentialFrames(cursor.readAny, await options.createStreamDecoder(), plainBytes);
        rest = { provider, number, offset: cursor.position };
        return false;
      }
      const header = parseLz4Header(head.subarray(4, headerBytes), xxh32);
      const hash = header.hasContentChecksum ? startXxh32() : undefined;
      frame = { header, offset: cursor.position, hash, plainBytes: 0, plainOffset: undefined, isBroken: false };
      await cursor.advance(headerBytes);
      return true;
    }
  }

  /** Blocks until the slot is full, or the frame ends. */
  async function takeGroup(from: OpenFrame, slot: Slot): Promise<{ length: number; blocks: number; group: Group }> {
    const { header } = from;
    const trailerBytes = header.hasBlockChecksums ? CHECKSUM_BYTES : 0;
    const out = slot.frame;
    writeLz4BlocksHeader(out, header, xxh32);
    let length = LZ4_SHORT_HEADER_BYTES;
    for (let blocks = 0; ; blocks++) {
      const head = await cursor.peek(LENGTH_BYTES);
      if (head.length < LENGTH_BYTES) throw endedEarly(cursor.position + head.length);
      const word = head.readUInt32LE();
      const isEnd = word === 0;
      if (isEnd || (blocks + 1) * header.maxBlockBytes > plainBytes) {
        out.writeUInt32LE(0, length);
        return {
          length: length + END_MARK_BYTES,
          blocks,
          group: { frame: from, end: isEnd ? await takeEnd(header) : undefined },
        };
      }
      const blockBytes = word >= LZ4_STORED ? word - LZ4_STORED : word;
      if (blockBytes === 0 || blockBytes > header.maxBlockBytes)
        throw damage(`a block has ${blockBytes} bytes, where ${header.maxBlockBytes} are the most`, cursor.position);
      const taken = LENGTH_BYTES + blockBytes + trailerBytes;
      await cursor.advance(taken, out.subarray(length, length + taken));
      length += taken;
    }
  }

  async function takeEnd({ hasContentChecksum }: Lz4Header): Promise<{ checksum: number | undefined }> {
    await cursor.advance(END_MARK_BYTES);
    if (!hasContentChecksum) return { checksum: undefined };
    const bytes = Buffer.alloc(CHECKSUM_BYTES);
    await cursor.advance(CHECKSUM_BYTES, bytes);
    return { checksum: bytes.readUInt32LE() };
  }

  return {
    readsInFlight: 1,
    async fetch(slot) {
      while (rest === undefined) {
        if (frame === undefined && !(await openNext())) break;
        const from = frame as OpenFrame;
        const offset = cursor.position;
        const { length, blocks, group } = await takeGroup(from, slot);
        if (group.end !== undefined) frame = undefined;
        if (blocks === 0) {
          const wrong = wrongAtEnd(group);
          closeHash(from);
          if (wrong !== undefined) throw damage(wrong, from.offset);
          continue;
        }
        groups.set(number, group);
        const isLast = group.end !== undefined && (await cursor.peek(1)).length === 0;
        return {
          kind: 'frame',
          number: number++,
          offset,
          shift: 0,
          length,
          plainOffset: undefined,
          plainLength: undefined,
          presumedLength: presumedLength(group, blocks, isLast),
          isProvenLater: from.header.hasContentChecksum,
          crc: undefined,
        };
      }
      const fetched = await rest?.provider.fetch(slot);
      if (rest === undefined || fetched === undefined) return undefined;
      return {
        ...fetched,
        number: rest.number + fetched.number,
        offset: rest.offset + fetched.offset,
        plainOffset: undefined,
      };
    },
    follow(done, plain, plainOffset) {
      const group = groups.get(done);
      if (group === undefined) return undefined;
      groups.delete(done);
      const { frame: of, end } = group;
      of.plainOffset ??= plainOffset;
      if (plain === undefined) of.isBroken = true;
      else {
        of.plainBytes += plain.length;
        if (!of.isBroken) of.hash?.update(plain);
      }
      if (end === undefined) return undefined;
      const reason = of.isBroken ? undefined : wrongAtEnd(group);
      closeHash(of);
      if (reason === undefined) return undefined;
      return { number: done, offset: of.offset, plainOffset: of.plainOffset, plainLength: of.plainBytes, reason };
    },
    close() {
      rest?.provider.close?.();
      if (frame !== undefined) closeHash(frame);
      for (const group of groups.values()) closeHash(group.frame);
    },
  };
}

/** Several groups have the same frame. */
function closeHash(frame: OpenFrame): void {
  frame.hash?.close();
  frame.hash = undefined;
}

/**
 * All blocks but a frame's last are full, as everybody writes them: should some be lost, that tells where the others belong.
 * @returns undefined where it does not
 */
function presumedLength({ frame, end }: Group, blocks: number, isLastOfFile: boolean): number | undefined {
  const { maxBlockBytes, contentBytes } = frame.header;
  if (end === undefined) return blocks * maxBlockBytes;
  const others = (blocks - 1) * maxBlockBytes;
  if (contentBytes !== undefined) return others + (contentBytes % maxBlockBytes || maxBlockBytes);
  return isLastOfFile ? others : undefined;
}

function wrongAtEnd({ frame: { header, plainBytes, hash }, end }: Group): string | undefined {
  if (header.contentBytes !== undefined && header.contentBytes !== plainBytes)
    return `it holds ${plainBytes} bytes, where its header tells ${header.contentBytes}`;
  if (end?.checksum !== undefined && hash !== undefined && end.checksum !== hash.digest() >>> 0)
    return 'wrong checksum of the content, of which no part has one of its own';
  return undefined;
}

function damage(what: string, offset: number): LifeboatError {
  return new LifeboatError('DAMAGE', `${what}, at offset ${offset}`, { offset });
}
