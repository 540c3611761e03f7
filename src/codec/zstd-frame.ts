import { damaged } from '../native/frame-error.js';
import type { FrameWalk } from './frame-walk.js';

/** Frames of zstd as RFC 8878 has them: what can be said of them without decoding. */
export const ZSTD_MAGIC = 0xfd2f_b528;
const MAX_BLOCK_BYTES = 128 * 1024;
/** `zstd --ultra --long=31`. */
const MAX_WINDOW_BYTES = 2 ** 31;
const BLOCK_TYPE = { raw: 0, rle: 1, compressed: 2 };

export interface ZstdFrame {
  /** What the decoder has to hold, in bytes. */
  windowBytes: number;
  /** Undefined if the header does not say. */
  contentBytes: number | undefined;
  /** No decoder gets more plaintext than this out of the blocks. */
  boundBytes: number;
}

export interface ZstdHeader {
  windowBytes: number;
  contentBytes: number | undefined;
  hasChecksum: boolean;
}

/** Takes a frame's header. @throws LifeboatError DAMAGE */
export function* walkZstdHeader(): FrameWalk<ZstdHeader> {
  const start = yield 5;
  if (start.readUInt32LE() !== ZSTD_MAGIC) throw damaged('zstd', 'no zstd frame begins here');
  const descriptor = start.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 4) !== 0;
  if (descriptor & 8) throw damaged('zstd', 'a reserved bit is set');
  let windowBytes = 0;
  if (!singleSegment) {
    const window = (yield 1).readUInt8();
    const base = 2 ** (10 + (window >> 3));
    windowBytes = base + (base / 8) * (window & 7);
  }
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  if (dictionaryIdBytes > 0) yield dictionaryIdBytes;
  const contentBytes = yield* walkContentSize(descriptor >> 6, singleSegment);
  if (singleSegment) windowBytes = contentBytes ?? 0;
  if (windowBytes > MAX_WINDOW_BYTES) throw damaged('zstd', `its window of ${windowBytes} bytes is too large`);
  return { windowBytes, contentBytes, hasChecksum };
}

function* walkContentSize(kind: number, singleSegment: boolean): FrameWalk<number | undefined> {
  switch (kind) {
    case 0:
      return singleSegment ? (yield 1).readUInt8() : undefined;
    case 1:
      return (yield 2).readUInt16LE() + 256;
    case 2:
      return (yield 4).readUInt32LE();
    default:
      return Number((yield 8).readBigUInt64LE());
  }
}

/** Takes a whole frame without decoding it. @throws LifeboatError DAMAGE */
export function* walkZstdFrame(): FrameWalk<ZstdFrame> {
  const { windowBytes, contentBytes, hasChecksum } = yield* walkZstdHeader();
  let boundBytes = 0;
  for (let last = false; !last; ) {
    const header = (yield 3).readUIntLE(0, 3);
    const bytes = header >> 3;
    const type = (header >> 1) & 3;
    last = (header & 1) !== 0;
    if (type > BLOCK_TYPE.compressed || bytes > MAX_BLOCK_BYTES) throw damaged('zstd', 'an invalid block');
    boundBytes += type === BLOCK_TYPE.compressed ? MAX_BLOCK_BYTES : bytes;
    yield type === BLOCK_TYPE.rle ? 1 : bytes;
  }
  if (hasChecksum) yield 4;
  return { windowBytes, contentBytes, boundBytes };
}
