import { cannotEncode, damaged, endsEarly, holdsTooMuch, outOfMemory, trailingBytes } from './frame-error.js';
import { bindLibrary, type Pointer } from './library.js';
import { ownPointer } from './owned-pointer.js';
import type { CoderStep } from './stream-struct.js';

/** The frame functions of https://github.com/lz4/lz4 (lz4frame.h). Results below 0 are error codes. */
export const liblz4 = bindLibrary('liblz4.so.1', 'liblz4-1', (library) => ({
  errorName: library.func('const char *LZ4F_getErrorName(int64_t code)') as (code: number) => string,
  compressFrame: library.func(
    'int64_t LZ4F_compressFrame(void *out, size_t room, void *in, size_t n, void *preferences)',
  ) as (out: Buffer, outBytes: number, plain: Buffer, plainBytes: number, preferences: Buffer) => number,
  createContext: library.func('int64_t LZ4F_createDecompressionContext(void *place, unsigned int version)') as (
    place: Buffer,
    version: number,
  ) => number,
  freeContext: library.func('int64_t LZ4F_freeDecompressionContext(void *d)') as (context: Pointer) => number,
  resetContext: library.func('void LZ4F_resetDecompressionContext(void *d)') as (context: Pointer) => void,
  decompress: library.func(
    'int64_t LZ4F_decompress(void *d, void *out, void *outBytes, void *in, void *inBytes, void *options)',
  ) as (
    context: Pointer,
    out: Buffer,
    outBytes: Buffer,
    input: Buffer,
    inBytes: Buffer,
    options: Buffer | null,
  ) => number,
}));

/** LZ4F_VERSION: the layout of the structs below has been the same since 2014. */
const API_VERSION = 100;
/** LZ4F_preferences_t. */
const PREFERENCES = { sizeBytes: 56, blockSizeId: 0, blockMode: 4, contentChecksum: 8, contentSize: 16, level: 32 };
const BLOCKS_OF_4_MIB = 7;
const INDEPENDENT_BLOCKS = 1;
/**
 * LZ4F_decompressOptions_t: stableDst says that the output stays where it is until the frame is over; skipChecksums has
 * neither blocks nor content checked. Versions before 1.9.4 do not know it, and check.
 */
const OPTIONS = { sizeBytes: 16, stableDst: 0, skipChecksums: 4 };
const ALLOCATION_FAILED = -9;
const MAGIC = 0x184d_2204;

export interface Lz4Compressor {
  /** Writes one frame: independent blocks of at most 4 MiB, content size, and the content's checksum if wanted. */
  compress(plain: Buffer, out: Buffer): number;
}

/** @param level as of `lz4`: 1 and 2 fast, 3 to 12 high compression, below 0 faster still */
export function createLz4Compressor(level: number, wanted: { contentChecksum: boolean }): Lz4Compressor {
  const { compressFrame, errorName } = liblz4.functions();
  const preferences = Buffer.alloc(PREFERENCES.sizeBytes);
  preferences.writeUInt32LE(BLOCKS_OF_4_MIB, PREFERENCES.blockSizeId);
  preferences.writeUInt32LE(INDEPENDENT_BLOCKS, PREFERENCES.blockMode);
  preferences.writeUInt32LE(wanted.contentChecksum ? 1 : 0, PREFERENCES.contentChecksum);
  // Anything but 0 has LZ4F_compressFrame put the real size there.
  preferences.writeUInt32LE(1, PREFERENCES.contentSize);
  preferences.writeInt32LE(level, PREFERENCES.level);
  return {
    compress(plain, out) {
      const frameBytes = compressFrame(out, out.length, plain, plain.length, preferences);
      if (frameBytes === ALLOCATION_FAILED) throw outOfMemory('lz4');
      if (frameBytes < 0) throw cannotEncode('lz4', errorName(frameBytes));
      return frameBytes;
    },
  };
}

interface Lz4Coder {
  run(input: Buffer, output: Buffer): CoderStep;
  reset(): void;
  close(): void;
}

function createLz4Coder(options: Buffer | null): Lz4Coder {
  const { createContext, freeContext, resetContext, decompress, errorName } = liblz4.functions();
  const place = Buffer.alloc(8);
  createContext(place, API_VERSION);
  const context = ownPointer('lz4 decompressor', place.readBigUInt64LE(), freeContext);
  const inBytes = Buffer.alloc(8);
  const outBytes = Buffer.alloc(8);
  return {
    run(input, output) {
      inBytes.writeBigUInt64LE(BigInt(input.length));
      outBytes.writeBigUInt64LE(BigInt(output.length));
      const result = decompress(context.get(), output, outBytes, input, inBytes, options);
      if (result === ALLOCATION_FAILED) throw outOfMemory('lz4');
      if (result < 0) throw damaged('lz4', errorName(result));
      return {
        consumedBytes: Number(inBytes.readBigUInt64LE()),
        producedBytes: Number(outBytes.readBigUInt64LE()),
        ended: result === 0,
      };
    },
    reset: () => resetContext(context.get()),
    close: context.close,
  };
}

export interface Lz4Decompressor {
  /** @throws LifeboatError DAMAGE unless `frame` is exactly one valid frame that `out` can take */
  decompress(frame: Buffer, out: Buffer, options: { skipChecksums: boolean }): number;
  close(): void;
}

export function createLz4Decompressor(): Lz4Decompressor {
  const options = Buffer.alloc(OPTIONS.sizeBytes);
  options.writeUInt32LE(1, OPTIONS.stableDst);
  const coder = createLz4Coder(options);
  return {
    decompress(frame, out, { skipChecksums }) {
      options.writeUInt32LE(skipChecksums ? 1 : 0, OPTIONS.skipChecksums);
      // liblz4 also takes skippable frames.
      if (frame.length >= 4 && frame.readUInt32LE() !== MAGIC) throw damaged('lz4', 'no lz4 frame begins here');
      coder.reset();
      let consumedBytes = 0;
      let producedBytes = 0;
      while (consumedBytes < frame.length) {
        // One call stops early now and then, with room and input left.
        const step = coder.run(frame.subarray(consumedBytes), out.subarray(producedBytes));
        consumedBytes += step.consumedBytes;
        producedBytes += step.producedBytes;
        if (step.ended) {
          if (consumedBytes !== frame.length) throw trailingBytes('lz4');
          return producedBytes;
        }
        if (step.consumedBytes === 0 && step.producedBytes === 0) break;
      }
      throw consumedBytes < frame.length ? holdsTooMuch('lz4', out.length) : endsEarly('lz4');
    },
    close: coder.close,
  };
}

export interface Lz4Stream {
  /** Neither buffer may be empty, but for `input` when `output` was filled before. `ended` at the end of each frame. */
  run(input: Buffer, output: Buffer): CoderStep;
  close(): void;
}

/** Frames of all kinds, skippable ones too, one after another. */
export function createLz4Stream(): Lz4Stream {
  const { run, close } = createLz4Coder(null);
  return { run, close };
}
