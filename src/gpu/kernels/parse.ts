import { BLOCK_BYTES, LEAST_MATCH_BYTES, SEGMENT_BYTES } from '../block.js';
import { SOURCE_WGSL } from './common.js';
import { REFINE_WGSL } from './refine.js';

const SEGMENTS = BLOCK_BYTES / SEGMENT_BYTES;

/**
 * Which matches a parser takes that goes through the block from front to back: one bit for each position where one begins.
 *
 * Every thread walks one segment as if the parser came to its first byte. Where the parser really comes in is where the segment
 * before was left; a walk from there meets the first walk at a common match, mostly at once, and is the same from then on. This is
 * repeated until no segment is left at another place than before. The first is right at once, so each round makes one more right:
 * as many rounds as segments are the most there can be, and two or three are usual.
 */
export const PARSE_WGSL = /* wgsl */ `
${SOURCE_WGSL}
${REFINE_WGSL}
@group(0) @binding(3) var<storage, read> taken: array<u32>;
@group(0) @binding(4) var<storage, read_write> guessed: array<u32>;
@group(0) @binding(5) var<storage, read_write> starts: array<u32>;
var<workgroup> exits: array<u32, ${SEGMENTS}>;
var<workgroup> changed: atomic<u32>;
var<workgroup> goes_on: u32;

const NONE = 0xffffffffu;

/** The first position from this on, in the same segment, whose match would be taken. */
fn next_taken(block: u32, first: u32, end: u32) -> u32 {
  var word = first >> 5u;
  var bits = taken[block * ${BLOCK_BYTES / 32}u + word] & (0xffffffffu << (first & 31u));
  while (bits == 0u) {
    word += 1u;
    if (word * 32u >= end) { return NONE; }
    bits = taken[block * ${BLOCK_BYTES / 32}u + word];
  }
  return word * 32u + countTrailingZeros(bits);
}

fn after_match(block: u32, position: u32, bytes: u32) -> u32 {
  let distance = refined(block, position, match_positions(bytes)) >> 16u;
  return position + match_length(block, position, distance, ${LEAST_MATCH_BYTES}u, match_end(bytes));
}

@compute @workgroup_size(${SEGMENTS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) segment: u32) {
  let block = group.x;
  let bytes = block_bytes(block);
  if (bytes == 0u) { return; }
  let begin = segment * ${SEGMENT_BYTES}u;
  let end = begin + ${SEGMENT_BYTES}u;
  let words = block * ${BLOCK_BYTES / 32}u;
  for (var word = begin >> 5u; word < (end >> 5u); word++) { guessed[words + word] = 0u; }
  let has_bytes = begin < bytes;
  var guessed_exit = select(end, begin, has_bytes);
  while (guessed_exit < end) {
    let start = next_taken(block, guessed_exit, end);
    if (start == NONE) { guessed_exit = end; break; }
    guessed[words + (start >> 5u)] |= 1u << (start & 31u);
    guessed_exit = after_match(block, start, bytes);
  }
  for (var word = begin >> 5u; word < (end >> 5u); word++) { starts[words + word] = guessed[words + word]; }
  exits[segment] = guessed_exit;
  if (segment == 0u) { atomicStore(&changed, 0u); }
  workgroupBarrier();

  var known_entry = begin;
  for (var round = 0u; round < ${SEGMENTS}u; round++) {
    let entry = select(exits[max(segment, 1u) - 1u], 0u, segment == 0u);
    workgroupBarrier();
    if (has_bytes && entry != known_entry) {
      known_entry = entry;
      for (var word = begin >> 5u; word < (end >> 5u); word++) { starts[words + word] = 0u; }
      var position = entry;
      while (position < end) {
        let start = next_taken(block, position, end);
        if (start == NONE) { position = end; break; }
        if (((guessed[words + (start >> 5u)] >> (start & 31u)) & 1u) != 0u) {
          starts[words + (start >> 5u)] |= guessed[words + (start >> 5u)] & (0xffffffffu << (start & 31u));
          for (var word = (start >> 5u) + 1u; word < (end >> 5u); word++) { starts[words + word] = guessed[words + word]; }
          position = guessed_exit;
          break;
        }
        starts[words + (start >> 5u)] |= 1u << (start & 31u);
        position = after_match(block, start, bytes);
      }
      if (position != exits[segment]) {
        exits[segment] = position;
        atomicStore(&changed, 1u);
      }
    }
    workgroupBarrier();
    if (segment == 0u) { goes_on = atomicExchange(&changed, 0u); }
    if (workgroupUniformLoad(&goes_on) == 0u) { break; }
  }
}
`;
