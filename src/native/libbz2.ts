import { cannotEncode, damaged, outOfMemory } from './frame-error.js';
import { bindLibrary } from './library.js';
import { createStreamStruct, type MemberCoder, type StreamLayout } from './stream-struct.js';

/** https://sourceware.org/bzip2/manual/manual.html */
export const libbz2 = bindLibrary('libbz2.so.1.0', 'libbz2-1.0', (library) => ({
  address: library.address,
  compress: library.func(
    'int BZ2_bzBuffToBuffCompress(void *dest, void *destLen, void *source, unsigned int sourceLen, int level, int verbosity, int workFactor)',
  ) as (
    out: Buffer,
    outBytes: Buffer,
    plain: Buffer,
    plainBytes: number,
    level: number,
    verbosity: number,
    workFactor: number,
  ) => number,
  decompressInit: library.func('int BZ2_bzDecompressInit(void *stream, int verbosity, int small)') as (
    stream: Buffer,
    verbosity: number,
    small: number,
  ) => number,
  decompress: library.func('int BZ2_bzDecompress(void *stream)') as (stream: Buffer) => number,
  decompressEnd: library.func('int BZ2_bzDecompressEnd(void *stream)') as (stream: Buffer) => number,
}));

const BZ_STREAM: StreamLayout = { sizeBytes: 80, nextIn: 0, availIn: 8, nextOut: 24, availOut: 32, availType: 'u32' };
const OK = 0;
const STREAM_END = 4;
const MEM_ERROR = -3;
const REASONS: Readonly<Record<number, string>> = {
  [-4]: 'invalid data or wrong checksum',
  [-5]: 'no bzip2 stream begins here',
};

/**
 * Writes one whole bzip2 stream.
 * @param level 1 to 9, the block size in units of 100,000 bytes
 * @returns bytes written
 */
export function compressBzip2(plain: Buffer, out: Buffer, level: number): number {
  const outBytes = Buffer.alloc(4);
  outBytes.writeUInt32LE(out.length);
  // An empty buffer has no address, and bzip2 refuses NULL.
  const source = plain.length === 0 ? outBytes : plain;
  const code = libbz2.functions().compress(out, outBytes, source, plain.length, level, 0, 0);
  if (code === MEM_ERROR) throw outOfMemory('bzip2');
  if (code !== OK) throw cannotEncode('bzip2', `error ${code} of libbz2`);
  return outBytes.readUInt32LE();
}

export function createBzip2StreamCoder(): MemberCoder {
  const { address, decompressInit, decompress, decompressEnd } = libbz2.functions();
  const stream = createStreamStruct(BZ_STREAM, address);
  let open = false;
  const close = () => {
    if (open) decompressEnd(stream.bytes);
    open = false;
  };
  return {
    restart() {
      close();
      if (decompressInit(stream.bytes, 0, 0) !== OK) throw outOfMemory('bzip2');
      open = true;
    },
    run(input, output) {
      if (!open) throw new Error('the bzip2 decoder is closed');
      stream.aim(input, output);
      const code = decompress(stream.bytes);
      if (code === MEM_ERROR) throw outOfMemory('bzip2');
      if (code !== OK && code !== STREAM_END) throw damaged('bzip2', REASONS[code] ?? `error ${code} of libbz2`);
      return stream.step(code === STREAM_END);
    },
    close,
  };
}
