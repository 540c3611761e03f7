import { damaged } from '../native/frame-error.js';
import { createXzStreamCoder, liblzma } from '../native/liblzma.js';
import { createXzBlockDecoder, createXzBlockEncoder, XZ_CHECKS } from '../native/xz-block.js';
import type { Codec, Decoder } from './codec.js';
import { nativeMissing, noPortableEngine, requireEncoder, requireEngine } from './engine.js';
import { createMemberStream } from './member-stream.js';

/** The number of CRC64 among the check types of https://tukaani.org/xz/xz-file-format.txt, and the one of our blocks. */
export const XZ_CHECK_CRC64 = 4;

/** 64 KiB of plaintext are the most that LZMA2 stores as one piece, behind 3 bytes; one more byte ends the data. */
const LZMA2_PIECE_BYTES = 65_536;
/** What lzma_block_buffer_bound allows for header, padding and the longest check. */
const BLOCK_OVERHEAD_BYTES = 92;

/** A frame is one xz block with both sizes in its header, and a CRC64; the stream around it is the format's matter. */
export const xz: Codec = {
  name: 'xz',
  defaultLevel: 6,
  defaultChunkBytes: 4 * 1024 * 1024,
  levels: (engine) => (engine === 'native' ? { min: 0, max: 9 } : undefined),
  frameBound: (plainBytes) => plainBytes + 3 * Math.ceil(plainBytes / LZMA2_PIECE_BYTES) + 1 + 3 + BLOCK_OVERHEAD_BYTES,
  missing: (engine) =>
    engine === 'native' ? nativeMissing('xz', liblzma.missing()) : noPortableEngine('xz', 'liblzma5'),
  createEncoder(engine, { level, chunkBytes }) {
    requireEncoder(xz, engine, level);
    return { ...createXzBlockEncoder(level, chunkBytes, XZ_CHECK_CRC64), close() {} };
  },
  createDecoder(engine) {
    requireEngine(xz, engine);
    return createXzDecoder(XZ_CHECK_CRC64);
  },
  createStreamDecoder(engine) {
    requireEngine(xz, engine);
    return createMemberStream('xz', createXzStreamCoder(), { firstByte: 0xfd, padding: 'zeros in fours' });
  },
};

/**
 * Decodes the blocks of a foreign stream.
 * @param check the check type that the stream's header names: 0 none, 1 CRC32, 4 CRC64, 10 SHA-256
 * @throws LifeboatError DAMAGE if there is no such check
 */
export function createXzDecoder(check: number): Decoder {
  if (!XZ_CHECKS.has(check)) throw damaged('xz', `an unknown check type, ${check}`);
  return { ...createXzBlockDecoder(check), close() {} };
}
