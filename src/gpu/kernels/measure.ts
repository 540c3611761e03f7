import { BLOCK_BYTES, LEAST_MATCH_BYTES, MAX_SEQUENCES } from '../block.js';
import { SOURCE_WGSL } from './common.js';
import { REFINE_WGSL } from './refine.js';
import { SCAN_LANES, SCAN_WGSL } from './scan.js';

/** Lengths of 15 and more go on in further bytes of 255 each, the last of which is less. */
export const LENGTH_WGSL = /* wgsl */ `
fn further_bytes(length: u32) -> u32 {
  return select(0u, (length - 15u) / 255u + 1u, length >= 15u);
}
`;

const POSITIONS_A_LANE = BLOCK_BYTES / SCAN_LANES;

/**
 * From bits to sequences: where each match begins and ends, where its sequence will stand in the compressed block, and how large that
 * is. A block that does not become smaller is stored: the high bit of its size says so, as in the frame.
 */
export const MEASURE_WGSL = /* wgsl */ `
${SOURCE_WGSL}
${REFINE_WGSL}
${SCAN_WGSL}
${LENGTH_WGSL}
@group(0) @binding(5) var<storage, read> starts: array<u32>;
/** x: position | distance << 16, y: the end of the match. */
@group(0) @binding(6) var<storage, read_write> matches: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> places: array<u32>;
/** x: matches, y: compressed bytes. */
@group(0) @binding(8) var<storage, read_write> blocks: array<vec2<u32>>;

@compute @workgroup_size(${SCAN_LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.x;
  let bytes = block_bytes(block);
  if (bytes == 0u) { return; }
  let sequences = block * ${MAX_SEQUENCES}u;

  let first_word = block * ${BLOCK_BYTES / 32}u + lane * ${POSITIONS_A_LANE / 32}u;
  var own = 0u;
  for (var word = 0u; word < ${POSITIONS_A_LANE / 32}u; word++) { own += countOneBits(starts[first_word + word]); }
  let counted = scan(lane, own);
  var number = counted.x;
  for (var word = 0u; word < ${POSITIONS_A_LANE / 32}u; word++) {
    var bits = starts[first_word + word];
    while (bits != 0u) {
      let position = lane * ${POSITIONS_A_LANE}u + word * 32u + countTrailingZeros(bits);
      bits &= bits - 1u;
      let distance = refined(block, position, match_positions(bytes)) >> 16u;
      let length = match_length(block, position, distance, ${LEAST_MATCH_BYTES}u, match_end(bytes));
      matches[sequences + number] = vec2<u32>(position | (distance << 16u), position + length);
      number += 1u;
    }
  }
  storageBarrier();

  let count = counted.y;
  let share = (count + ${SCAN_LANES - 1}u) / ${SCAN_LANES}u;
  let begin = min(lane * share, count);
  let end = min(begin + share, count);
  var size = 0u;
  for (var at = begin; at < end; at++) { size += sequence_bytes(sequences, at); }
  let sized = scan(lane, size);
  var place = sized.x;
  for (var at = begin; at < end; at++) {
    places[sequences + at] = place;
    place += sequence_bytes(sequences, at);
  }
  if (lane == 0u) {
    var literals = bytes;
    if (count > 0u) { literals = bytes - matches[sequences + count - 1u].y; }
    let total = sized.y + 1u + further_bytes(literals) + literals;
    places[sequences + count] = sized.y;
    blocks[block] = vec2<u32>(count, select(total, bytes | 0x80000000u, total >= bytes));
  }
}

fn sequence_bytes(sequences: u32, at: u32) -> u32 {
  let here = matches[sequences + at];
  let position = here.x & 0xffffu;
  var literals = position;
  if (at > 0u) { literals = position - matches[sequences + at - 1u].y; }
  return 3u + further_bytes(literals) + literals + further_bytes(here.y - position - ${LEAST_MATCH_BYTES}u);
}
`;
