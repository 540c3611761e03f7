import { crc32, deflateRawSync, type InflateRaw, inflateRawSync } from 'node:zlib';
import { cannotEncode, damaged, endsEarly, holdsTooMuch, outOfMemory, trailingBytes } from '../native/frame-error.js';
import type { Decoder, Encoder, StreamDecoder } from './codec.js';
import { walkFrame } from './frame-walk.js';
import {
  checkGzipTrailer,
  GZIP_HEADER_BYTES,
  GZIP_TRAILER_BYTES,
  walkGzipHeader,
  writeGzipHeader,
  writeGzipTrailer,
} from './gzip-member.js';
import { createPullStream, type PullProgram, takeWalk } from './pull-stream.js';
import { createRawInflater } from './raw-inflater.js';

/** gzip through node:zlib. */
export function createPortableEncoder(level: number): Encoder {
  return {
    encode(plain, out) {
      const deflated = deflateRawSync(plain, { level, chunkSize: Math.max(64, out.length) });
      const memberBytes = GZIP_HEADER_BYTES + deflated.length + GZIP_TRAILER_BYTES;
      if (memberBytes > out.length) throw cannotEncode('gzip', `${out.length} bytes are too few for the member`);
      writeGzipHeader(out, memberBytes);
      deflated.copy(out, GZIP_HEADER_BYTES);
      writeGzipTrailer(out, GZIP_HEADER_BYTES + deflated.length, crc32(plain), plain.length);
      return memberBytes;
    },
    close() {},
  };
}

export function createPortableDecoder(): Decoder {
  return {
    decode(frame, out) {
      const { bytes: headerBytes } = walkFrame('gzip', walkGzipHeader(), frame);
      const { plain, consumedBytes } = inflateAtOnce(frame.subarray(headerBytes), out.length);
      const trailer = frame.subarray(headerBytes + consumedBytes);
      if (trailer.length < GZIP_TRAILER_BYTES) throw endsEarly('gzip');
      if (trailer.length > GZIP_TRAILER_BYTES) throw trailingBytes('gzip');
      checkGzipTrailer(trailer, crc32(plain), plain.length);
      plain.copy(out);
      return plain.length;
    },
    close() {},
  };
}

function inflateAtOnce(deflated: Buffer, outBytes: number): { plain: Buffer; consumedBytes: number } {
  const options = { info: true, maxOutputLength: Math.max(1, outBytes), chunkSize: Math.max(64, outBytes) };
  let plain: Buffer;
  let consumedBytes: number;
  try {
    // The declaration of Node's types does not know what `info` changes.
    const result = inflateRawSync(deflated, options) as unknown as { buffer: Buffer; engine: InflateRaw };
    plain = result.buffer;
    consumedBytes = result.engine.bytesWritten;
  } catch (error) {
    throw zlibFailure(error, outBytes);
  }
  if (plain.length > outBytes) throw holdsTooMuch('gzip', outBytes);
  return { plain, consumedBytes };
}

function zlibFailure(error: unknown, outBytes: number): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ERR_BUFFER_TOO_LARGE':
      return holdsTooMuch('gzip', outBytes);
    case 'Z_BUF_ERROR':
      return endsEarly('gzip');
    case 'Z_DATA_ERROR':
      return damaged('gzip', (error as Error).message);
    case 'Z_MEM_ERROR':
      return outOfMemory('gzip');
  }
  return error;
}

/** Deflate expands 1032 times at most, so that a piece of this size gives 16 MiB at most. */
const PIECE_BYTES = 16 * 1024;

/** Node's own Gunzip passes over whatever lies behind a member; this one must not. */
export function createPortableStream(): StreamDecoder {
  return createPullStream(decodeMembers());
}

async function* decodeMembers(): PullProgram {
  for (let members = 0; ; members++) {
    const first = yield { take: 1, fileMayEnd: members > 0 };
    if (members > 0 && first[0] === 0) yield* takeZerosToTheEnd();
    yield { giveBack: first };
    yield* takeWalk(walkGzipHeader());
    yield* decodeBody();
  }
}

/** gzip does not mind zeros behind the last member, as they come from tapes and block devices. */
async function* takeZerosToTheEnd(): PullProgram {
  for (;;) {
    const padding = yield { takeSome: PIECE_BYTES, fileMayEnd: true };
    if (padding.some((byte) => byte !== 0)) throw trailingBytes('gzip');
  }
}

async function* decodeBody(): PullProgram {
  const inflater = createRawInflater();
  let plainCrc = 0;
  let plainBytes = 0;
  try {
    for (let ended = false; !ended; ) {
      const piece = yield { takeSome: PIECE_BYTES };
      const step = await inflater.run(piece).catch((error) => {
        throw zlibFailure(error, 0);
      });
      for (const plain of step.plain) {
        plainCrc = crc32(plain, plainCrc);
        plainBytes += plain.length;
        yield { put: plain };
      }
      if (step.ended) yield { giveBack: piece.subarray(step.consumedBytes) };
      ended = step.ended;
    }
  } finally {
    inflater.close();
  }
  checkGzipTrailer(yield { take: GZIP_TRAILER_BYTES }, plainCrc, plainBytes);
}
