import {
  BLOCK_BYTES,
  COMPARED_BYTES,
  HASH_BITS,
  LEAST_MATCH_BYTES,
  ROUND_POSITIONS,
  SHORT_DISTANCES,
} from '../block.js';
import { SOURCE_WGSL } from './common.js';

/**
 * Candidates: for every position the best match that is known there, as distance << 16 | length, or 0.
 *
 * Rounds in order of position keep it deterministic and find the most recent occurrence: all positions of a round look into the
 * table, then all enter themselves by atomicMax. A table that is built whole and searched then finds later positions only.
 */
export const FIND_WGSL = /* wgsl */ `
${SOURCE_WGSL}
@group(0) @binding(2) var<storage, read_write> found: array<u32>;
var<workgroup> slots: array<atomic<u32>, ${1 << HASH_BITS}>;

/** The longer of two candidates, the first if they are equal. */
fn better(best: u32, block: u32, position: u32, distance: u32, word: u32, end: u32) -> u32 {
  if (distance == 0u || distance > position || source_word(block, position - distance) != word) { return best; }
  let length = match_length(block, position, distance, ${LEAST_MATCH_BYTES}u, min(end, position + ${COMPARED_BYTES}u));
  return select(best, (distance << 16u) | length, length > (best & 0xffffu));
}

@compute @workgroup_size(${ROUND_POSITIONS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.x;
  let bytes = block_bytes(block);
  if (bytes == 0u) { return; }
  let positions = match_positions(bytes);
  for (var slot = lane; slot < ${1 << HASH_BITS}u; slot += ${ROUND_POSITIONS}u) { atomicStore(&slots[slot], 0u); }
  workgroupBarrier();
  for (var first = 0u; first < positions; first += ${ROUND_POSITIONS}u) {
    let position = first + lane;
    let takes_part = position < positions;
    var word = 0u;
    var slot = 0u;
    var seen = 0u;
    if (takes_part) {
      word = source_word(block, position);
      slot = (word * 2654435761u) >> ${32 - HASH_BITS}u;
      seen = atomicLoad(&slots[slot]);
    }
    workgroupBarrier();
    if (takes_part) {
      atomicMax(&slots[slot], position + 1u);
      let end = match_end(bytes);
      var best = 0u;
${SHORT_DISTANCES.map((distance) => `      best = better(best, block, position, ${distance}u, word, end);`).join('\n')}
      if (seen != 0u) { best = better(best, block, position, position + 1u - seen, word, end); }
      found[block * ${BLOCK_BYTES}u + position] = best;
    }
    workgroupBarrier();
  }
}
`;
