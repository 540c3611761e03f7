import { BLOCK_HEADER_BYTES, LEAST_MATCH_BYTES, MAX_SEQUENCES } from '../block.js';
import { SOURCE_WGSL } from './common.js';
import { LENGTH_WGSL } from './measure.js';

const LANES = 256;

/**
 * The blocks themselves, each behind its header, without gaps. WGSL stores whole words only, so every thread gathers the bytes of its
 * own words: it looks up which sequence they belong to, and computes them. A word belongs to the block that its first byte
 * belongs to; at most three bytes of the next block's header stand in it.
 */
export const EMIT_WGSL = /* wgsl */ `
${SOURCE_WGSL}
${LENGTH_WGSL}
@group(0) @binding(6) var<storage, read> matches: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read> places: array<u32>;
@group(0) @binding(8) var<storage, read> blocks: array<vec2<u32>>;
@group(0) @binding(9) var<storage, read> offsets: array<u32>;
@group(0) @binding(11) var<storage, read_write> packed: array<u32>;

/** The last sequence that begins at or before this byte of the compressed block. */
fn sequence_at(block: u32, byte: u32) -> u32 {
  var low = 0u;
  var high = blocks[block].x;
  while (low < high) {
    let middle = (low + high + 1u) / 2u;
    if (places[block * ${MAX_SEQUENCES}u + middle] <= byte) { low = middle; } else { high = middle - 1u; }
  }
  return low;
}

fn further_byte(length: u32, at: u32) -> u32 {
  return select(255u, (length - 15u) % 255u, at + 1u == further_bytes(length));
}

fn sequence_byte(block: u32, sequence: u32, at: u32) -> u32 {
  let first = block * ${MAX_SEQUENCES}u;
  let is_last = sequence == blocks[block].x;
  var before = 0u;
  if (sequence > 0u) { before = matches[first + sequence - 1u].y; }
  var position = block_bytes(block);
  var distance = 0u;
  var length = 0u;
  if (!is_last) {
    let here = matches[first + sequence];
    position = here.x & 0xffffu;
    distance = here.x >> 16u;
    length = here.y - position - ${LEAST_MATCH_BYTES}u;
  }
  let literals = position - before;
  if (at == 0u) { return (min(literals, 15u) << 4u) | min(length, 15u); }
  let lead = 1u + further_bytes(literals);
  if (at < lead) { return further_byte(literals, at - 1u); }
  if (at < lead + literals) { return source_byte(block, before + at - lead); }
  let behind = at - lead - literals;
  if (behind < 2u) { return (distance >> (behind * 8u)) & 0xffu; }
  return further_byte(length, behind - 2u);
}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.x;
  if (block_bytes(block) == 0u) { return; }
  let header = blocks[block].y;
  let is_stored = (header & 0x80000000u) != 0u;
  let begin = offsets[block];
  let end = begin + ${BLOCK_HEADER_BYTES}u + (header & 0x7fffffffu);
  let next = block + 1u;
  var next_header = 0u;
  if (next % BLOCKS_PER_CHUNK != 0u && block_bytes(next) > 0u) { next_header = blocks[next].y; }
  for (var word = (begin + 3u) / 4u + lane; word * 4u < end; word += ${LANES}u) {
    var value = 0u;
    var sequence = 0xffffffffu;
    for (var at = 0u; at < 4u; at++) {
      let byte = word * 4u + at;
      var content = 0u;
      if (byte >= end) { content = (next_header >> ((byte - end) * 8u)) & 0xffu; }
      else if (byte < begin + ${BLOCK_HEADER_BYTES}u) { content = (header >> ((byte - begin) * 8u)) & 0xffu; }
      else {
        let inside = byte - begin - ${BLOCK_HEADER_BYTES}u;
        if (is_stored) { content = source_byte(block, inside); }
        else {
          if (sequence == 0xffffffffu) { sequence = sequence_at(block, inside); }
          while (sequence < blocks[block].x && places[block * ${MAX_SEQUENCES}u + sequence + 1u] <= inside) { sequence += 1u; }
          content = sequence_byte(block, sequence, inside - places[block * ${MAX_SEQUENCES}u + sequence]);
        }
      }
      value |= content << (at * 8u);
    }
    packed[word] = value;
  }
}
`;
