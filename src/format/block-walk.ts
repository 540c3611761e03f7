import { LifeboatError } from '../error.js';
import type { WalkedFrame } from './container.js';
import type { Cursor } from './cursor.js';
import { isSkippableMagic, OUR_SKIPPABLE_MAGIC, SKIPPABLE_HEADER_BYTES } from './skippable.js';

/** A walk over one frame whose blocks tell their lengths, as zstd's and LZ4's do. */
export interface BlockWalk {
  /** The frame's first bytes, as many as its header may have. */
  head: Buffer;
  cursor: Cursor;
  /** Bytes that were taken so far. */
  readonly length: number;
  /** Takes the next bytes of the frame. @throws LifeboatError DAMAGE where they end early, or do not fit */
  take(bytes: number): Promise<void>;
  /**
   * Told what the header says of the plaintext, before any block is looked at.
   * @throws LifeboatError FAILED if the frame is larger than the walk is for, or does not tell
   */
  checkSize(plainLength: number | undefined): void;
  /** The error for a broken frame: "the zstd frame at offset 7 is cut off". */
  broken(what: string): LifeboatError;
}

export interface BlockFormat {
  name: 'zstd' | 'lz4';
  magic: number;
  maxHeaderBytes: number;
  walk(frame: BlockWalk): Promise<WalkedFrame>;
}

/** Walks over a frame of the format, or a skippable one; undefined at our index and at the end of the data. */
export async function walkBlocks(
  format: BlockFormat,
  cursor: Cursor,
  into?: Buffer,
  maxPlainBytes?: number,
): Promise<WalkedFrame | undefined> {
  const start = cursor.position;
  const head = await cursor.peek(Math.max(format.maxHeaderBytes, SKIPPABLE_HEADER_BYTES));
  if (head.length === 0) return undefined;
  const magic = head.length < 4 ? 0 : head.readUInt32LE(0);
  if (magic === OUR_SKIPPABLE_MAGIC) return undefined;
  const broken = (what: string) =>
    new LifeboatError('DAMAGE', `the ${format.name} frame at offset ${start} ${what}`, { offset: start });
  let length = 0;
  const take = async (bytes: number) => {
    if (into !== undefined && length + bytes > into.length) throw broken('is longer than any of this image can be');
    await cursor.advance(bytes, into?.subarray(length));
    length += bytes;
  };
  if (isSkippableMagic(magic) && head.length >= SKIPPABLE_HEADER_BYTES) {
    await take(SKIPPABLE_HEADER_BYTES + head.readUInt32LE(4));
    return { length, plainLength: 0, checked: true };
  }
  if (magic !== format.magic) {
    throw new LifeboatError('DAMAGE', `no ${format.name} frame begins at offset ${start}`, { offset: start });
  }
  return format.walk({
    head,
    cursor,
    take,
    broken,
    checkSize(plainLength) {
      if (maxPlainBytes === undefined || (plainLength !== undefined && plainLength <= maxPlainBytes)) return;
      throw new LifeboatError('FAILED', 'a frame is too large, or does not tell its size', { offset: start });
    },
    get length() {
      return length;
    },
  });
}
