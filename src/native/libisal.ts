import { gunzipSync, gzipSync } from 'node:zlib';
import { cannotEncode, damaged } from './frame-error.js';
import { bindLibrary, type Library } from './library.js';
import { createStreamStruct, type MemberCoder, type StreamLayout } from './stream-struct.js';

/**
 * Intel's ISA-L: deflate twice as fast as libdeflate's quickest level and smaller than zlib's, and gzip streams decoded
 * four times as fast as by zlib. https://github.com/intel/isa-l, igzip_lib.h
 */
export const libisal = bindLibrary('libisal.so.2', 'libisal2', (library) => {
  const functions = bindFunctions(library);
  selfTest(functions);
  return functions;
});

function bindFunctions(library: Library) {
  return {
    address: library.address,
    deflateInit: library.func('void isal_deflate_stateless_init(void *stream)') as (stream: Buffer) => void,
    deflate: library.func('int isal_deflate_stateless(void *stream)') as (stream: Buffer) => number,
    inflateInit: library.func('void isal_inflate_init(void *state)') as (state: Buffer) => void,
    inflate: library.func('int isal_inflate(void *state)') as (state: Buffer) => number,
  };
}

type Functions = ReturnType<typeof bindFunctions>;

/** struct isal_zstream: 82,384 bytes in version 2.30; room for a later one's. */
const Z_STREAM: StreamLayout = {
  sizeBytes: 256 * 1024,
  nextIn: 0,
  availIn: 8,
  nextOut: 16,
  availOut: 24,
  availType: 'u32',
};
const LEVEL = 40;
const LEVEL_BUFFER_BYTES = 44;
const LEVEL_BUFFER = 48;
const END_OF_STREAM = 56;

/** struct inflate_state: 87,368 bytes in version 2.30. */
const INFLATE_STATE: StreamLayout = {
  sizeBytes: 256 * 1024,
  nextIn: 16,
  availIn: 32,
  nextOut: 0,
  availOut: 8,
  availType: 'u32',
};
const BLOCK_STATE = 21_160;
const CRC_FLAG = 21_172;
/** No header comes; the trailer of gzip members is taken and checked. Headers that come in pieces ISA-L gets wrong. */
const GZIP_TRAILER = 6;
const FINISHED = 5;
const OK = 0;
/** More input, more output: not errors. */
const END_INPUT = 1;
const OUT_OVERFLOW = 2;
const OUTPUT_FULL = -1;

/** The one level of ISA-L that makes members smaller than those of `pigz -1`. */
const SMALLEST_LEVEL = 3;
/**
 * What collects the symbols of a deflate block. Smaller than ISA-L's own 340 KiB, since shorter blocks fit their data
 * better: of 87 MB that `pigz -1` makes 83.82 of, 84.35 with 344 KiB, 83.50 with 152, 83.30 with 136, 82.74 with 100, which
 * takes a fifth longer. The least is 88.
 */
const LEVEL_BUFFER_SIZE = 136 * 1024;

export interface IsalDeflater {
  /** Raw deflate data. @returns bytes written, 0 if `out` is too small */
  deflate(plain: Buffer, out: Buffer): number;
}

export function createIsalDeflater(): IsalDeflater {
  return makeDeflater(libisal.functions());
}

function makeDeflater({ address, deflateInit, deflate }: Functions): IsalDeflater {
  const stream = createStreamStruct(Z_STREAM, address);
  const levelBuffer = Buffer.from(new ArrayBuffer(LEVEL_BUFFER_SIZE));
  return {
    deflate(plain, out) {
      deflateInit(stream.bytes);
      stream.bytes.writeUInt32LE(SMALLEST_LEVEL, LEVEL);
      stream.bytes.writeUInt32LE(levelBuffer.length, LEVEL_BUFFER_BYTES);
      stream.bytes.writeBigUInt64LE(address(levelBuffer), LEVEL_BUFFER);
      stream.bytes.writeUInt16LE(1, END_OF_STREAM);
      stream.aim(plain, out);
      const code = deflate(stream.bytes);
      if (code === OUTPUT_FULL) return 0;
      if (code !== OK) throw cannotEncode('gzip', `ISA-L error ${code}`);
      return stream.producedBytes();
    },
  };
}

/** Decodes gzip members from behind their headers on; checks CRC-32 and length. */
export function createIsalMemberCoder(): MemberCoder {
  return makeMemberCoder(libisal.functions());
}

function makeMemberCoder({ address, inflateInit, inflate }: Functions): MemberCoder {
  const state = createStreamStruct(INFLATE_STATE, address);
  return {
    restart() {
      inflateInit(state.bytes);
      state.bytes.writeUInt32LE(GZIP_TRAILER, CRC_FLAG);
    },
    run(input, output) {
      state.aim(input, output);
      const code = inflate(state.bytes);
      if (code !== OK && code !== END_INPUT && code !== OUT_OVERFLOW) {
        throw damaged('gzip', REASONS[code] ?? `ISA-L error ${code}`);
      }
      return state.step(state.bytes.readUInt32LE(BLOCK_STATE) === FINISHED);
    },
    close() {},
  };
}

const REASONS: Record<number, string> = {
  6: 'it needs a dictionary',
  [-1]: 'invalid deflate block',
  [-2]: 'invalid deflate symbol',
  [-3]: 'a distance too far back',
  [-6]: 'wrong CRC-32 or length',
};

/** Of members without name or comment, as node:zlib makes them. */
const PLAIN_HEADER_BYTES = 10;

/** Offsets in structs are no part of a library's promise: a version with others must be found here, not in an image. */
function selfTest(functions: Functions): void {
  const plain = Buffer.from(Array.from({ length: 3000 }, (_, at) => (at * at) % 61));
  const out = Buffer.alloc(plain.length + 1000);
  const coder = makeMemberCoder(functions);
  const member = gzipSync(plain);
  coder.restart();
  const body = member.subarray(PLAIN_HEADER_BYTES);
  const step = coder.run(Buffer.concat([body, Buffer.from('next member')]), out);
  const decodes = step.ended && step.consumedBytes === body.length && plain.equals(out.subarray(0, plain.length));
  // The member that another encoder began, with the deflate data of this one.
  const deflated = makeDeflater(functions).deflate(plain, out);
  const encodes = gunzipSync(
    Buffer.concat([member.subarray(0, PLAIN_HEADER_BYTES), out.subarray(0, deflated), member.subarray(-8)]),
  );
  if (!decodes || !plain.equals(encodes)) throw new Error('this version does not work as expected');
}
