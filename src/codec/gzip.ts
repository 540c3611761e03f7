import { crc32 } from '../native/crc32.js';
import { cannotEncode, damaged, endsEarly, holdsTooMuch, trailingBytes } from '../native/frame-error.js';
import { createDeflater, createInflater, libdeflate } from '../native/libdeflate.js';
import { createIsalDeflater, createIsalMemberCoder, libisal } from '../native/libisal.js';
import { createGzipMemberCoder } from '../native/libz.js';
import type { MemberCoder } from '../native/stream-struct.js';
import type { Codec, Decoder, Encoder } from './codec.js';
import { nativeMissing, requireEncoder, requireEngine } from './engine.js';
import { walkFrame, withHeader } from './frame-walk.js';
import {
  checkGzipTrailer,
  GZIP_HEADER_BYTES,
  GZIP_TRAILER_BYTES,
  walkGzipHeader,
  writeGzipHeader,
  writeGzipTrailer,
} from './gzip-member.js';
import { createPortableDecoder, createPortableEncoder, createPortableStream } from './gzip-portable.js';
import { createMemberStream } from './member-stream.js';

const MIB = 1024 * 1024;

/** A frame is one gzip member; see gzip-member.ts. */
export const gzip: Codec = {
  name: 'gzip',
  defaultLevel: 6,
  // Small, so that the members of one image keep many threads of a reader busy; deflate's window is 32 KiB anyway.
  defaultChunkBytes: MIB,
  levels: (engine) => ({ min: 0, max: engine === 'native' ? 12 : 9 }),
  // libdeflate's bound, 5 bytes for every 5000, is the larger one of both engines.
  frameBound: (plainBytes) =>
    GZIP_HEADER_BYTES + plainBytes + 5 * Math.max(1, Math.ceil(plainBytes / 5000)) + 16 + GZIP_TRAILER_BYTES,
  missing: (engine) => (engine === 'native' ? nativeMissing('gzip', libdeflate.missing()) : undefined),
  createEncoder(engine, { level }) {
    requireEncoder(gzip, engine, level);
    return engine === 'native' ? createNativeEncoder(level) : createPortableEncoder(level);
  },
  createDecoder(engine) {
    requireEngine(gzip, engine);
    return engine === 'native' ? createNativeDecoder() : createPortableDecoder();
  },
  createStreamDecoder: (engine) =>
    engine === 'native'
      ? createMemberStream('gzip', createMemberCoder(), {
          firstByte: 0x1f,
          padding: 'zeros to the end',
        })
      : createPortableStream(),
};

/** ISA-L is twice as fast as libdeflate at level 1; it has nothing that is smaller than libdeflate's level 2. */
const ISAL_LEVEL = 1;

function hasIsal(): boolean {
  return libisal.missing() === undefined;
}

function createMemberCoder(): MemberCoder {
  return hasIsal() ? withHeader(createIsalMemberCoder(), walkGzipHeader) : createGzipMemberCoder();
}

function createNativeEncoder(level: number): Encoder {
  const deflater = level === ISAL_LEVEL && hasIsal() ? { ...createIsalDeflater(), close() {} } : createDeflater(level);
  return {
    encode(plain, out) {
      const room = out.subarray(GZIP_HEADER_BYTES, out.length - GZIP_TRAILER_BYTES);
      const deflatedBytes = deflater.deflate(plain, room);
      if (deflatedBytes === 0) throw cannotEncode('gzip', `${out.length} bytes are too few for the member`);
      const trailerAt = GZIP_HEADER_BYTES + deflatedBytes;
      writeGzipHeader(out, trailerAt + GZIP_TRAILER_BYTES);
      writeGzipTrailer(out, trailerAt, crc32(plain), plain.length);
      return trailerAt + GZIP_TRAILER_BYTES;
    },
    close: deflater.close,
  };
}

function createNativeDecoder(): Decoder {
  const inflater = createInflater();
  return {
    decode(frame, out) {
      const { bytes: headerBytes } = walkFrame('gzip', walkGzipHeader(), frame);
      const outcome = inflater.inflate(frame.subarray(headerBytes), out);
      if (outcome === 'output full') throw holdsTooMuch('gzip', out.length);
      if (outcome === 'bad data') throw damaged('gzip', 'invalid deflate data');
      const trailer = frame.subarray(headerBytes + inflater.consumedBytes());
      if (trailer.length < GZIP_TRAILER_BYTES) throw endsEarly('gzip');
      if (trailer.length > GZIP_TRAILER_BYTES) throw trailingBytes('gzip');
      const plainBytes = inflater.producedBytes();
      checkGzipTrailer(trailer, crc32(out.subarray(0, plainBytes)), plainBytes);
      return plainBytes;
    },
    close: inflater.close,
  };
}
