import { BLOCK_BYTES, LAST_LITERALS_BYTES, LAST_MATCH_BYTES } from '../block.js';

/** How the chunks of a submit lie in memory. */
export interface BatchShape {
  /** Chunks at most. */
  chunks: number;
  /** Each chunk begins at a multiple of so many blocks of 64 KiB. */
  blocksPerChunk: number;
}

/**
 * What all kernels know: which plaintext is whose. `lengths` holds the chunks' plaintext lengths; a block behind the end of
 * its chunk has none. Words are little-endian, on the host too.
 */
export function commonWgsl({ blocksPerChunk }: BatchShape): string {
  return /* wgsl */ `
const BLOCK_BYTES = ${BLOCK_BYTES}u;
const BLOCK_WORDS = ${BLOCK_BYTES / 4}u;
const BLOCKS_PER_CHUNK = ${blocksPerChunk}u;

@group(0) @binding(0) var<storage, read> lengths: array<u32>;

fn block_bytes(block: u32) -> u32 {
  let plain = lengths[block / BLOCKS_PER_CHUNK];
  let start = (block % BLOCKS_PER_CHUNK) * BLOCK_BYTES;
  return min(max(plain, start) - start, BLOCK_BYTES);
}
`;
}

/** Reading the plaintext of a block at any byte, and comparing it with itself. */
export const SOURCE_WGSL = /* wgsl */ `
@group(0) @binding(1) var<storage, read> source: array<u32>;

fn source_word(block: u32, position: u32) -> u32 {
  let at = block * BLOCK_WORDS + (position >> 2u);
  let shift = (position & 3u) * 8u;
  let low = source[at] >> shift;
  if (shift == 0u) { return low; }
  return low | (source[at + 1u] << (32u - shift));
}

fn source_byte(block: u32, position: u32) -> u32 {
  return (source[block * BLOCK_WORDS + (position >> 2u)] >> ((position & 3u) * 8u)) & 0xffu;
}

/** How many positions of a block of so many bytes may begin a match. */
fn match_positions(bytes: u32) -> u32 {
  return max(bytes, ${LAST_MATCH_BYTES - 1}u) - ${LAST_MATCH_BYTES - 1}u;
}

/** The length of the match at position, known to be at least \`least\`; it ends at or before \`end\`. */
fn match_length(block: u32, position: u32, distance: u32, least: u32, end: u32) -> u32 {
  var length = least;
  while (position + length < end) {
    let differing = source_word(block, position + length) ^ source_word(block, position + length - distance);
    if (differing != 0u) {
      length += countTrailingZeros(differing) >> 3u;
      break;
    }
    length += 4u;
  }
  return min(length, end - position);
}

fn match_end(bytes: u32) -> u32 {
  return bytes - ${LAST_LITERALS_BYTES}u;
}
`;
