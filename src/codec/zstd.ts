import { createZstdCompressor, createZstdDecompressor, createZstdStream, libzstd } from '../native/libzstd.js';
import type { Codec, Decoder, Encoder } from './codec.js';
import { nativeMissing, packageMissing, requireEncoder, requireEngine } from './engine.js';
import { createFrameStream } from './frame-stream.js';
import {
  createPortableDecoder,
  createPortableEncoder,
  createPortableStream,
  loadZstdPackage,
  ZSTD_PACKAGE,
} from './zstd-portable.js';

const MIB = 1024 * 1024;

/** A frame is one zstd frame with content size and checksum. */
export const zstd: Codec = {
  name: 'zstd',
  defaultLevel: 3,
  // Frames of 4 MiB are 2 % larger in sum and no quicker (docs/performance.md).
  defaultChunkBytes: 8 * MIB,
  // libzstd takes levels down to -131072, but they differ in nothing long before.
  levels: () => ({ min: -100, max: 22 }),
  // ZSTD_COMPRESSBOUND, and the checksum and longer header that the portable engine adds.
  frameBound: (plainBytes) =>
    plainBytes + Math.floor(plainBytes / 256) + Math.max(0, Math.floor((128 * 1024 - plainBytes) / 2048)) + 16,
  missing: (engine) =>
    engine === 'native'
      ? nativeMissing('zstd', libzstd.missing())
      : packageMissing('zstd', ZSTD_PACKAGE, loadZstdPackage),
  createEncoder(engine, { level }) {
    requireEncoder(zstd, engine, level);
    return engine === 'native' ? createNativeEncoder(level) : createPortableEncoder(level);
  },
  createDecoder(engine) {
    requireEngine(zstd, engine);
    return engine === 'native' ? createNativeDecoder() : createPortableDecoder();
  },
  createStreamDecoder(engine) {
    requireEngine(zstd, engine);
    return engine === 'native' ? createFrameStream(createZstdStream()) : createPortableStream();
  },
};

function createNativeEncoder(level: number): Encoder {
  const { compress, setLevel, close } = createZstdCompressor(level);
  return { encode: compress, setLevel, close };
}

function createNativeDecoder(): Decoder {
  const { decompress, close } = createZstdDecompressor();
  return { decode: decompress, close };
}
