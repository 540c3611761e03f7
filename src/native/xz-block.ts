import { cannotEncode, damaged, holdsTooMuch, outOfMemory, trailingBytes } from './frame-error.js';
import { LZMA_BUF_ERROR, LZMA_MEM_ERROR, LZMA_OK, liblzma, lzmaReason } from './liblzma.js';

/** lzma_block, version 0: 208 bytes, of which these are set here. */
const BLOCK = { sizeBytes: 208, headerSize: 4, check: 8, filters: 32 };
const FILTER_BYTES = 16;
const MAX_FILTERS = 4;
/** lzma_options_lzma is 112 bytes long in 5.4; some more, should it grow. */
const OPTIONS_BYTES = 256;
const DICTIONARY_SIZE_OFFSET = 0;
const MIN_DICTIONARY_BYTES = 4096;
const FILTER_LZMA2 = 0x21n;
const NO_MORE_FILTERS = 0xffff_ffff_ffff_ffffn;

/** Check types of xz files by number; others exist only as reserved numbers. */
export const XZ_CHECKS: ReadonlySet<number> = new Set([0, 1, 4, 10]);

export interface XzBlockEncoder {
  /** Writes one block: header with both sizes, LZMA2 data, padding, check. */
  encode(plain: Buffer, out: Buffer): number;
}

/**
 * lc = 0, lp = 1, pb = 2 at their places in lzma_options_lzma. With the presets' lc = 3 the properties byte is 0x5d, and its
 * lowest bit changes nothing in a block without literals, such as zeros: a flip of it would go unseen. Of this one, 0x63,
 * every flip is invalid. It costs up to 0.8 % of size.
 */
const LITERAL_POSITION: readonly [offset: number, value: number][] = [
  [20, 0],
  [24, 1],
  [28, 2],
];

/**
 * @param preset 0 to 9
 * @param chunkBytes a larger dictionary than this is memory spent on nothing
 * @param check 4 for CRC64
 */
export function createXzBlockEncoder(preset: number, chunkBytes: number, check: number): XzBlockEncoder {
  const { address, preset: fillOptions, blockEncode } = liblzma.functions();
  const options = Buffer.from(new ArrayBuffer(OPTIONS_BYTES));
  if (fillOptions(options, preset) !== 0) throw cannotEncode('xz', `liblzma has no preset ${preset}`);
  const dictionaryBytes = options.readUInt32LE(DICTIONARY_SIZE_OFFSET);
  options.writeUInt32LE(Math.min(dictionaryBytes, Math.max(MIN_DICTIONARY_BYTES, chunkBytes)), DICTIONARY_SIZE_OFFSET);
  for (const [at, value] of LITERAL_POSITION) options.writeUInt32LE(value, at);
  const filters = Buffer.from(new ArrayBuffer(2 * FILTER_BYTES));
  filters.writeBigUInt64LE(FILTER_LZMA2, 0);
  filters.writeBigUInt64LE(address(options), 8);
  filters.writeBigUInt64LE(NO_MORE_FILTERS, FILTER_BYTES);
  const block = Buffer.from(new ArrayBuffer(BLOCK.sizeBytes));
  const position = Buffer.alloc(8);
  // The C structs hold addresses only: without this the options could be collected.
  const held = { options, filters };
  return {
    encode(plain, out) {
      block.fill(0);
      block.writeUInt32LE(check, BLOCK.check);
      block.writeBigUInt64LE(address(held.filters), BLOCK.filters);
      position.fill(0);
      const code = blockEncode(block, null, plain, plain.length, out, position, out.length);
      if (code === LZMA_MEM_ERROR) throw outOfMemory('xz');
      if (code !== LZMA_OK) throw cannotEncode('xz', lzmaReason(code));
      return Number(position.readBigUInt64LE());
    },
  };
}

export interface XzBlockDecoder {
  /** @throws LifeboatError DAMAGE unless `frame` is exactly one valid block that `out` can take */
  decode(frame: Buffer, out: Buffer): number;
}

/** @param check the type of the check that ends the block, out of the stream's header */
export function createXzBlockDecoder(check: number): XzBlockDecoder {
  const { address, headerDecode, blockDecode, filtersFree } = liblzma.functions();
  const block = Buffer.from(new ArrayBuffer(BLOCK.sizeBytes));
  const filters = Buffer.from(new ArrayBuffer((MAX_FILTERS + 1) * FILTER_BYTES));
  const inPosition = Buffer.alloc(8);
  const outPosition = Buffer.alloc(8);

  const decodeBody = (frame: Buffer, headerBytes: number, out: Buffer): number => {
    inPosition.writeBigUInt64LE(BigInt(headerBytes));
    outPosition.writeBigUInt64LE(0n);
    const code = blockDecode(block, null, frame, inPosition, frame.length, out, outPosition, out.length);
    if (code === LZMA_MEM_ERROR) throw outOfMemory('xz');
    if (code === LZMA_BUF_ERROR) throw holdsTooMuch('xz', out.length);
    if (code !== LZMA_OK) throw damaged('xz', lzmaReason(code));
    if (Number(inPosition.readBigUInt64LE()) !== frame.length) throw trailingBytes('xz');
    return Number(outPosition.readBigUInt64LE());
  };
  return {
    decode(frame, out) {
      const headerBytes = ((frame[0] ?? 0) + 1) * 4;
      // A first byte of 0 begins the index.
      if (headerBytes === 4 || headerBytes > frame.length) throw damaged('xz', 'no xz block begins here');
      block.fill(0);
      block.writeUInt32LE(headerBytes, BLOCK.headerSize);
      block.writeUInt32LE(check, BLOCK.check);
      block.writeBigUInt64LE(address(filters), BLOCK.filters);
      const code = headerDecode(block, null, frame);
      if (code === LZMA_MEM_ERROR) throw outOfMemory('xz');
      if (code !== LZMA_OK) throw damaged('xz', `its header: ${lzmaReason(code)}`);
      try {
        return decodeBody(frame, headerBytes, out);
      } finally {
        filtersFree(filters, null);
      }
    },
  };
}
