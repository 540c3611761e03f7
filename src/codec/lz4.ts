import { createLz4Compressor, createLz4Decompressor, createLz4Stream, liblz4 } from '../native/liblz4.js';
import { createXxh32 } from '../native/libxxhash.js';
import type { Codec, Decoder, Encoder } from './codec.js';
import { nativeMissing, packageMissing, requireEncoder, requireEngine } from './engine.js';
import { createFrameStream } from './frame-stream.js';
import { addContentChecksum, checkContentChecksum, hasOnlyContentChecksum } from './lz4-frame.js';
import {
  createPortableDecoder,
  createPortableEncoder,
  createPortableStream,
  LZ4_PACKAGE,
  loadLz4Package,
} from './lz4-portable.js';

const BLOCK_BYTES = 4 * 1024 * 1024;

/** A frame is one LZ4 frame: independent blocks of at most 4 MiB, content size, content checksum. */
export const lz4: Codec = {
  name: 'lz4',
  defaultLevel: 1,
  defaultChunkBytes: BLOCK_BYTES,
  levels: (engine) => (engine === 'native' ? { min: -100, max: 12 } : { min: 1, max: 1 }),
  // A header of 19 bytes at most, a length for each block, end mark and checksum; a block that would grow is stored.
  frameBound: (plainBytes) => 19 + plainBytes + 4 * Math.ceil(plainBytes / BLOCK_BYTES) + 8,
  missing: (engine) =>
    engine === 'native' ? nativeMissing('lz4', liblz4.missing()) : packageMissing('lz4', LZ4_PACKAGE, loadLz4Package),
  createEncoder(engine, { level }) {
    requireEncoder(lz4, engine, level);
    return engine === 'native' ? createNativeEncoder(level) : createPortableEncoder();
  },
  createDecoder(engine) {
    requireEngine(lz4, engine);
    return engine === 'native' ? createNativeDecoder() : createPortableDecoder();
  },
  createStreamDecoder(engine) {
    requireEngine(lz4, engine);
    return engine === 'native' ? createFrameStream(createLz4Stream()) : createPortableStream();
  },
};

/** liblz4's own checksum of the content takes a third of the time to compress, two thirds of that to decompress. */
function createNativeEncoder(level: number): Encoder {
  const xxh32 = createXxh32();
  const { compress } = createLz4Compressor(level, { contentChecksum: xxh32 === undefined });
  if (xxh32 === undefined) return { encode: compress, close() {} };
  return {
    encode: (plain, out) => addContentChecksum(out, compress(plain, out), plain, xxh32),
    close() {},
  };
}

function createNativeDecoder(): Decoder {
  const xxh32 = createXxh32();
  const { decompress, close } = createLz4Decompressor();
  return {
    decode(frame, out) {
      if (xxh32 === undefined || !hasOnlyContentChecksum(frame))
        return decompress(frame, out, { skipChecksums: false });
      const plainBytes = decompress(frame, out, { skipChecksums: true });
      checkContentChecksum(frame, out.subarray(0, plainBytes), xxh32);
      return plainBytes;
    },
    close,
  };
}
