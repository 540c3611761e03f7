import { cannotEncode, damaged, endsEarly, holdsTooMuch, outOfMemory, trailingBytes } from './frame-error.js';
import { bindLibrary, type Pointer } from './library.js';
import { ownPointer } from './owned-pointer.js';
import type { CoderStep } from './stream-struct.js';

/** https://facebook.github.io/zstd/zstd_manual.html. Results below 0 are error codes. */
export const libzstd = bindLibrary('libzstd.so.1', 'libzstd1', (library) => ({
  address: library.address,
  errorName: library.func('const char *ZSTD_getErrorName(int64_t code)') as (code: number) => string,
  createCCtx: library.func('void *ZSTD_createCCtx()') as () => Pointer,
  freeCCtx: library.func('int64_t ZSTD_freeCCtx(void *c)') as (context: Pointer) => number,
  setCParameter: library.func('int64_t ZSTD_CCtx_setParameter(void *c, int parameter, int value)') as (
    context: Pointer,
    parameter: number,
    value: number,
  ) => number,
  compress2: library.func('int64_t ZSTD_compress2(void *c, void *out, size_t room, void *in, size_t n)') as (
    context: Pointer,
    out: Buffer,
    outBytes: number,
    plain: Buffer,
    plainBytes: number,
  ) => number,
  createDCtx: library.func('void *ZSTD_createDCtx()') as () => Pointer,
  freeDCtx: library.func('int64_t ZSTD_freeDCtx(void *d)') as (context: Pointer) => number,
  setDParameter: library.func('int64_t ZSTD_DCtx_setParameter(void *d, int parameter, int value)') as (
    context: Pointer,
    parameter: number,
    value: number,
  ) => number,
  findFrameBytes: library.func('int64_t ZSTD_findFrameCompressedSize(void *in, size_t n)') as (
    frame: Buffer,
    frameBytes: number,
  ) => number,
  decompress: library.func('int64_t ZSTD_decompressDCtx(void *d, void *out, size_t room, void *in, size_t n)') as (
    context: Pointer,
    out: Buffer,
    outBytes: number,
    frame: Buffer,
    frameBytes: number,
  ) => number,
  decompressStream: library.func('int64_t ZSTD_decompressStream(void *d, void *output, void *input)') as (
    context: Pointer,
    output: Buffer,
    input: Buffer,
  ) => number,
}));

const COMPRESSION_LEVEL = 100;
const WINDOW_LOG = 101;
const CHAIN_LOG = 103;
const CONTENT_SIZE_FLAG = 200;
const CHECKSUM_FLAG = 201;
const DECODER_WINDOW_LOG_MAX = 100;
/** `zstd --ultra --long=31`, the most the format's reference decoder takes. */
const LARGEST_WINDOW_LOG = 31;
const MEMORY_ALLOCATION = -64;
const DESTINATION_TOO_SMALL = -70;
const SOURCE_TOO_SMALL = -72;
const MAGIC = 0xfd2f_b528;

export interface ZstdCompressor {
  /** Writes one frame with content size and checksum. */
  compress(plain: Buffer, out: Buffer): number;
  /** From the next frame on. */
  setLevel(level: number): void;
  close(): void;
}

/**
 * Level 3 is libzstd's but for two parameters. A window of 8 MiB covers a whole frame, which libzstd does not use at this
 * level, and pays for a small table of short matches that stays in a core's cache: smaller than with libzstd's own, and 12 %
 * less time (docs/performance.md).
 */
const LEVEL_3_TUNING: readonly [parameter: number, value: number][] = [
  [WINDOW_LOG, 23],
  [CHAIN_LOG, 13],
];
/** libzstd's own for the level. */
const UNTUNED = 0;

/** The window is capped by libzstd itself, which knows each frame's size beforehand. */
export function createZstdCompressor(level: number): ZstdCompressor {
  const { createCCtx, freeCCtx, setCParameter, compress2, errorName } = libzstd.functions();
  const context = ownPointer('zstd compressor', createCCtx(), freeCCtx);
  const check = (result: number): number => {
    if (result >= 0) return result;
    context.close();
    throw result === MEMORY_ALLOCATION ? outOfMemory('zstd') : cannotEncode('zstd', errorName(result));
  };
  // Parameters stay with the context from frame to frame.
  const setLevel = (to: number): void => {
    check(setCParameter(context.get(), COMPRESSION_LEVEL, to));
    for (const [parameter, value] of LEVEL_3_TUNING)
      check(setCParameter(context.get(), parameter, to === 3 ? value : UNTUNED));
  };
  setLevel(level);
  check(setCParameter(context.get(), CONTENT_SIZE_FLAG, 1));
  check(setCParameter(context.get(), CHECKSUM_FLAG, 1));
  return {
    setLevel,
    compress: (plain, out) => check(compress2(context.get(), out, out.length, plain, plain.length)),
    close: context.close,
  };
}

export interface ZstdDecompressor {
  /** @throws LifeboatError DAMAGE unless `frame` is exactly one valid frame that `out` can take */
  decompress(frame: Buffer, out: Buffer): number;
  close(): void;
}

export function createZstdDecompressor(): ZstdDecompressor {
  const { createDCtx, freeDCtx, findFrameBytes, decompress, errorName } = libzstd.functions();
  const context = ownPointer('zstd decompressor', createDCtx(), freeDCtx);
  const refuse = (code: number, outBytes: number) => {
    if (code === MEMORY_ALLOCATION) return outOfMemory('zstd');
    if (code === DESTINATION_TOO_SMALL) return holdsTooMuch('zstd', outBytes);
    return code === SOURCE_TOO_SMALL ? endsEarly('zstd') : damaged('zstd', errorName(code));
  };
  return {
    decompress(frame, out) {
      if (frame.length < 4) throw endsEarly('zstd');
      // libzstd also takes skippable frames and those of its first versions.
      if (frame.readUInt32LE() !== MAGIC) throw damaged('zstd', 'no zstd frame begins here');
      // libzstd decodes any number of frames in a row; here it has to be one.
      const frameBytes = findFrameBytes(frame, frame.length);
      if (frameBytes < 0) throw refuse(frameBytes, out.length);
      if (frameBytes !== frame.length) throw trailingBytes('zstd');
      const plainBytes = decompress(context.get(), out, out.length, frame, frame.length);
      if (plainBytes < 0) throw refuse(plainBytes, out.length);
      return plainBytes;
    },
    close: context.close,
  };
}

export interface ZstdStream {
  /** Neither buffer may be empty, but for `input` when `output` was filled before. `ended` at the end of each frame. */
  run(input: Buffer, output: Buffer): CoderStep;
  close(): void;
}

/** ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position. */
const BUFFER_STRUCT_BYTES = 24;

export function createZstdStream(): ZstdStream {
  const { address, createDCtx, freeDCtx, setDParameter, decompressStream, errorName } = libzstd.functions();
  const context = ownPointer('zstd decompressor', createDCtx(), freeDCtx);
  setDParameter(context.get(), DECODER_WINDOW_LOG_MAX, LARGEST_WINDOW_LOG);
  const inStruct = Buffer.from(new ArrayBuffer(BUFFER_STRUCT_BYTES));
  const outStruct = Buffer.from(new ArrayBuffer(BUFFER_STRUCT_BYTES));
  // The structs hold addresses only: this keeps the memory alive while a call runs.
  let held: { input: Buffer; output: Buffer } | undefined;
  const aim = (struct: Buffer, bytes: Buffer) => {
    struct.writeBigUInt64LE(address(bytes), 0);
    struct.writeBigUInt64LE(BigInt(bytes.length), 8);
    struct.writeBigUInt64LE(0n, 16);
  };
  return {
    run(input, output) {
      held = { input, output };
      aim(inStruct, held.input);
      aim(outStruct, held.output);
      const result = decompressStream(context.get(), outStruct, inStruct);
      if (result === MEMORY_ALLOCATION) throw outOfMemory('zstd');
      if (result < 0) throw damaged('zstd', errorName(result));
      return {
        consumedBytes: Number(inStruct.readBigUInt64LE(16)),
        producedBytes: Number(outStruct.readBigUInt64LE(16)),
        ended: result === 0,
      };
    },
    close: context.close,
  };
}
