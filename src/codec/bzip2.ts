import { endsEarly, holdsTooMuch, trailingBytes } from '../native/frame-error.js';
import { compressBzip2, createBzip2StreamCoder, libbz2 } from '../native/libbz2.js';
import type { Codec, Decoder } from './codec.js';
import { nativeMissing, noPortableEngine, requireEncoder, requireEngine } from './engine.js';
import { createMemberStream } from './member-stream.js';

/** A frame is one whole bzip2 stream. */
export const bzip2: Codec = {
  name: 'bzip2',
  defaultLevel: 9,
  defaultChunkBytes: 4 * 1024 * 1024,
  levels: (engine) => (engine === 'native' ? { min: 1, max: 9 } : undefined),
  // As bzip2's manual has it: 1 % and 600 bytes.
  frameBound: (plainBytes) => plainBytes + Math.ceil(plainBytes / 100) + 600,
  missing: (engine) =>
    engine === 'native' ? nativeMissing('bzip2', libbz2.missing()) : noPortableEngine('bzip2', 'libbz2-1.0'),
  createEncoder(engine, { level }) {
    requireEncoder(bzip2, engine, level);
    return { encode: (plain, out) => compressBzip2(plain, out, level), close() {} };
  },
  createDecoder(engine) {
    requireEngine(bzip2, engine);
    return createBzip2Decoder();
  },
  createStreamDecoder(engine) {
    requireEngine(bzip2, engine);
    return createMemberStream('bzip2', createBzip2StreamCoder(), { firstByte: 0x42, padding: 'none' });
  },
};

function createBzip2Decoder(): Decoder {
  const coder = createBzip2StreamCoder();
  return {
    decode(frame, out) {
      coder.restart();
      const { consumedBytes, producedBytes, ended } = coder.run(frame, out);
      if (ended && consumedBytes === frame.length) return producedBytes;
      if (ended) throw trailingBytes('bzip2');
      throw consumedBytes < frame.length ? holdsTooMuch('bzip2', out.length) : endsEarly('bzip2');
    },
    close: coder.close,
  };
}
