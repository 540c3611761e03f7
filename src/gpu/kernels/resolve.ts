import { BLOCK_BYTES, LEAST_MATCH_BYTES } from '../block.js';
import { INVALID, MAX_DECODED_SEQUENCES, READ_SEQUENCES_WGSL } from './walk.js';

const LANES = 256;
const BYTES_A_LANE = 4;
const TILE = LANES * BYTES_A_LANE;
/** So many sequences may begin in a tile: each but the last of a block has a match. */
const MOST_IN_TILE = TILE / LEAST_MATCH_BYTES;

/**
 * The bytes of a block from its sequences, in tiles from front to back. A byte is a literal, or a copy of an earlier byte: one from
 * an earlier tile is known, one of the same tile is followed, from copy to copy, by all lanes at once, each time twice as far.
 * Ten rounds are the most that a tile of 1024 bytes can need, whatever somebody has put into the block.
 */
export const RESOLVE_WGSL = /* wgsl */ `
${READ_SEQUENCES_WGSL}
@group(0) @binding(4) var<storage, read_write> plain: array<u32>;
/** A known byte with the high bit set, or the number of the cell that it is a copy of. */
var<workgroup> cells: array<atomic<u32>, ${TILE}>;
var<workgroup> unknown: atomic<u32>;
var<workgroup> goes_on: u32;
/** A sequence from which on those of the next tile are found. */
var<workgroup> reached: u32;
const KNOWN = 0x80000000u;

/** The last of these sequences, both included, that begins at or before this byte of the plaintext. */
fn sequence_at(from_number: u32, to_number: u32, position: u32) -> u32 {
  var low = from_number;
  var high = to_number;
  while (low < high) {
    let middle = (low + high + 1u) / 2u;
    if (sequences[middle].first <= position) { low = middle; } else { high = middle - 1u; }
  }
  return low;
}

fn plain_byte(block: u32, position: u32) -> u32 {
  return (plain[block * ${BLOCK_BYTES / 4}u + (position >> 2u)] >> ((position & 3u) * 8u)) & 0xffu;
}

fn cell(block: u32, sequence: Sequence, position: u32, tile: u32) -> u32 {
  let begin = table[block].x;
  if (position < sequence.copies) { return KNOWN | frame_byte(begin + sequence.source + position - sequence.first); }
  let distance = distance_of(begin, sequence);
  let origin = sequence.copies - distance + (position - sequence.copies) % distance;
  if (origin < tile) { return KNOWN | plain_byte(block, origin); }
  return origin - tile;
}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.x;
  let result = results[block];
  if (result.x == ${INVALID}u) { return; }
  let bytes = result.x;
  let is_stored = (table[block].y & 0x80000000u) != 0u;
  let last = block * ${MAX_DECODED_SEQUENCES}u + max(result.y, 1u) - 1u;
  if (lane == 0u) { reached = block * ${MAX_DECODED_SEQUENCES}u; }
  for (var tile = 0u; tile < bytes; tile += ${TILE}u) {
    if (lane == 0u) { atomicStore(&unknown, 0u); }
    workgroupBarrier();
    let own = lane * ${BYTES_A_LANE}u;
    var sequence = reached;
    if (!is_stored) { sequence = sequence_at(sequence, min(sequence + ${MOST_IN_TILE}u, last), tile + own); }
    for (var at = own; at < own + ${BYTES_A_LANE}u; at++) {
      let position = tile + at;
      var content = KNOWN;
      if (position < bytes && is_stored) { content |= frame_byte(table[block].x + position); }
      else if (position < bytes) {
        while (sequence < last && sequences[sequence + 1u].first <= position) { sequence += 1u; }
        content = cell(block, sequences[sequence], position, tile);
      }
      atomicStore(&cells[at], content);
      if (content < KNOWN) { atomicStore(&unknown, 1u); }
    }
    workgroupBarrier();
    if (lane == ${LANES - 1}u) { reached = sequence; }
    for (;;) {
      if (lane == 0u) { goes_on = atomicExchange(&unknown, 0u); }
      if (workgroupUniformLoad(&goes_on) == 0u) { break; }
      for (var at = own; at < own + ${BYTES_A_LANE}u; at++) {
        let content = atomicLoad(&cells[at]);
        if (content >= KNOWN) { continue; }
        let followed = atomicLoad(&cells[content]);
        atomicStore(&cells[at], followed);
        if (followed < KNOWN) { atomicStore(&unknown, 1u); }
      }
      workgroupBarrier();
    }
    if (tile + own < bytes) {
      var word = 0u;
      for (var at = 0u; at < ${BYTES_A_LANE}u; at++) { word |= (atomicLoad(&cells[own + at]) & 0xffu) << (at * 8u); }
      plain[block * ${BLOCK_BYTES / 4}u + ((tile + own) >> 2u)] = word;
    }
    storageBarrier();
  }
}
`;
