import { BLOCK_BYTES, COMPARED_BYTES, POSITIONS_AHEAD } from '../block.js';

/**
 * A candidate made better by those behind it: where the bytes in between match too, their match begins here already. That is what
 * extending a match backwards does for a parser that goes from front to back, but it depends on nothing that the parser did.
 * Needs SOURCE_WGSL.
 */
export const REFINE_WGSL = /* wgsl */ `
@group(0) @binding(2) var<storage, read> found: array<u32>;

fn refined(block: u32, position: u32, positions: u32) -> u32 {
  if (position >= positions) { return 0u; }
  let at = block * ${BLOCK_BYTES}u + position;
  var best = found[at];
  for (var ahead = 1u; ahead <= ${POSITIONS_AHEAD}u && position + ahead < positions; ahead++) {
    let later = found[at + ahead];
    let distance = later >> 16u;
    let length = min(${COMPARED_BYTES}u, (later & 0xffffu) + ahead);
    if (later == 0u || distance > position || length <= (best & 0xffffu)) { continue; }
    var same = true;
    for (var step = 0u; step < ahead && same; step++) {
      same = source_byte(block, position + step) == source_byte(block, position + step - distance);
    }
    if (same) { best = (distance << 16u) | length; }
  }
  return best;
}
`;
