import { damaged, outOfMemory } from './frame-error.js';
import { bindLibrary } from './library.js';
import { createStreamStruct, type MemberCoder, type StreamLayout } from './stream-struct.js';

/** zlib, for gzip members of any size: libdeflate takes whole buffers only. https://zlib.net/manual.html */
export const libz = bindLibrary('libz.so.1', 'zlib1g', (library) => ({
  address: library.address,
  text: library.text,
  inflateInit: library.func('int inflateInit2_(void *stream, int windowBits, const char *version, int bytes)') as (
    stream: Buffer,
    windowBits: number,
    version: string,
    streamBytes: number,
  ) => number,
  inflateReset: library.func('int inflateReset(void *stream)') as (stream: Buffer) => number,
  inflate: library.func('int inflate(void *stream, int flush)') as (stream: Buffer, flush: number) => number,
  inflateEnd: library.func('int inflateEnd(void *stream)') as (stream: Buffer) => number,
}));

const Z_STREAM: StreamLayout = { sizeBytes: 112, nextIn: 0, availIn: 8, nextOut: 24, availOut: 32, availType: 'u32' };
const MESSAGE_OFFSET = 48;

/** 15 for the largest window, 16 for a gzip header and nothing else. */
const GZIP_WINDOW_BITS = 15 + 16;
const NO_FLUSH = 0;
const OK = 0;
const STREAM_END = 1;
const MEM_ERROR = -4;
/** No progress was possible with what it was given; not an error. */
const BUF_ERROR = -5;

/** Decodes gzip members; checks their header, CRC-32 and length. */
export function createGzipMemberCoder(): MemberCoder {
  const { address, text, inflateInit, inflateReset, inflate, inflateEnd } = libz.functions();
  const stream = createStreamStruct(Z_STREAM, address);
  // zlib compares only the first digit of the version.
  if (inflateInit(stream.bytes, GZIP_WINDOW_BITS, '1', Z_STREAM.sizeBytes) !== OK) throw outOfMemory('gzip');
  let open = true;
  return {
    restart() {
      if (open) inflateReset(stream.bytes);
    },
    run(input, output) {
      if (!open) throw new Error('the gzip decoder is closed');
      stream.aim(input, output);
      const code = inflate(stream.bytes, NO_FLUSH);
      if (code === MEM_ERROR) throw outOfMemory('gzip');
      if (code !== OK && code !== STREAM_END && code !== BUF_ERROR) {
        const message = stream.bytes.readBigUInt64LE(MESSAGE_OFFSET);
        throw damaged('gzip', message === 0n ? `zlib error ${code}` : text(message));
      }
      return stream.step(code === STREAM_END);
    },
    close() {
      if (open) inflateEnd(stream.bytes);
      open = false;
    },
  };
}
