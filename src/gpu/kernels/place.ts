import { BLOCK_HEADER_BYTES } from '../block.js';

const LANES = 256;

/**
 * Where every block's header and bytes will stand among the packed words of the submit, in bytes; a chunk begins at a word. A thread
 * adds up the blocks of a chunk, one of them the chunks.
 */
export function placeWgsl(chunks: number): string {
  return /* wgsl */ `
@group(0) @binding(8) var<storage, read> blocks: array<vec2<u32>>;
@group(0) @binding(9) var<storage, read_write> offsets: array<u32>;
/** For the host: the packed bytes of each chunk, and behind them the words of all. */
@group(0) @binding(10) var<storage, read_write> packed_bytes: array<u32>;
/** First the bytes of each chunk, then where it begins. */
var<workgroup> places: array<u32, ${chunks}>;

fn framed_bytes(block: u32) -> u32 {
  if (block_bytes(block) == 0u) { return 0u; }
  return ${BLOCK_HEADER_BYTES}u + (blocks[block].y & 0x7fffffffu);
}

@compute @workgroup_size(${LANES})
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var chunk = lane; chunk < ${chunks}u; chunk += ${LANES}u) {
    var bytes = 0u;
    for (var at = 0u; at < BLOCKS_PER_CHUNK; at++) { bytes += framed_bytes(chunk * BLOCKS_PER_CHUNK + at); }
    places[chunk] = bytes;
    packed_bytes[chunk] = bytes;
  }
  workgroupBarrier();
  if (lane == 0u) {
    var offset = 0u;
    for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
      let bytes = places[chunk];
      places[chunk] = offset;
      offset += (bytes + 3u) & 0xfffffffcu;
    }
    packed_bytes[${chunks}u] = offset / 4u;
  }
  workgroupBarrier();
  for (var chunk = lane; chunk < ${chunks}u; chunk += ${LANES}u) {
    var offset = places[chunk];
    for (var at = 0u; at < BLOCKS_PER_CHUNK; at++) {
      let block = chunk * BLOCKS_PER_CHUNK + at;
      offsets[block] = offset;
      offset += framed_bytes(block);
    }
  }
}
`;
}
