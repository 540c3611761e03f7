import { bindLibrary, type Pointer } from './library.js';
import { ownPointer } from './owned-pointer.js';

/** Raw deflate, whole buffers only, two to three times as fast as zlib. https://github.com/ebiggers/libdeflate */
export const libdeflate = bindLibrary('libdeflate.so.0', 'libdeflate0', (library) => ({
  allocCompressor: library.func('void *libdeflate_alloc_compressor(int level)') as (level: number) => Pointer,
  freeCompressor: library.func('void libdeflate_free_compressor(void *c)') as (compressor: Pointer) => void,
  compress: library.func(
    'int64_t libdeflate_deflate_compress(void *c, void *in, size_t n, void *out, size_t room)',
  ) as (compressor: Pointer, plain: Buffer, plainBytes: number, out: Buffer, outBytes: number) => number,
  allocDecompressor: library.func('void *libdeflate_alloc_decompressor()') as () => Pointer,
  freeDecompressor: library.func('void libdeflate_free_decompressor(void *d)') as (decompressor: Pointer) => void,
  decompress: library.func(
    'int libdeflate_deflate_decompress_ex(void *d, void *in, size_t n, void *out, size_t room, void *actualIn, void *actualOut)',
  ) as (
    decompressor: Pointer,
    deflated: Buffer,
    deflatedBytes: number,
    out: Buffer,
    outBytes: number,
    consumed: Buffer,
    produced: Buffer,
  ) => number,
}));

export interface Deflater {
  /** @returns bytes written, 0 if `out` is too small */
  deflate(plain: Buffer, out: Buffer): number;
  close(): void;
}

/** @param level 0 (stored) to 12 */
export function createDeflater(level: number): Deflater {
  const { allocCompressor, freeCompressor, compress } = libdeflate.functions();
  const compressor = ownPointer('libdeflate compressor', allocCompressor(level), freeCompressor);
  return {
    deflate: (plain, out) => compress(compressor.get(), plain, plain.length, out, out.length),
    close: compressor.close,
  };
}

export type InflateOutcome = 'whole' | 'bad data' | 'output full';

export interface Inflater {
  /** Decodes one deflate stream at the start of `deflated`, which may have other bytes behind it. */
  inflate(deflated: Buffer, out: Buffer): InflateOutcome;
  /** Of the last `inflate` that came back whole. */
  consumedBytes(): number;
  producedBytes(): number;
  close(): void;
}

const SUCCESS = 0;
const INSUFFICIENT_SPACE = 3;

export function createInflater(): Inflater {
  const { allocDecompressor, freeDecompressor, decompress } = libdeflate.functions();
  const decompressor = ownPointer('libdeflate decompressor', allocDecompressor(), freeDecompressor);
  const consumed = Buffer.alloc(8);
  const produced = Buffer.alloc(8);
  return {
    inflate(deflated, out) {
      const code = decompress(decompressor.get(), deflated, deflated.length, out, out.length, consumed, produced);
      if (code === SUCCESS) return 'whole';
      return code === INSUFFICIENT_SPACE ? 'output full' : 'bad data';
    },
    consumedBytes: () => Number(consumed.readBigUInt64LE()),
    producedBytes: () => Number(produced.readBigUInt64LE()),
    close: decompressor.close,
  };
}
