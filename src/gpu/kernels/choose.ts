import { BLOCK_BYTES, SEGMENT_BYTES } from '../block.js';
import { SOURCE_WGSL } from './common.js';
import { REFINE_WGSL } from './refine.js';

const LANES = 256;

/** One bit a position: whether a parser that comes by takes the match there. Not if the next position has a longer one. */
export const CHOOSE_WGSL = /* wgsl */ `
${SOURCE_WGSL}
${REFINE_WGSL}
@group(0) @binding(3) var<storage, read_write> taken: array<u32>;
var<workgroup> lengths_here: array<u32, ${LANES + 1}>;
var<workgroup> bits: array<atomic<u32>, ${LANES / 32}>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.x;
  let bytes = block_bytes(block);
  if (bytes == 0u) { return; }
  let positions = match_positions(bytes);
  // The parser looks at whole segments.
  let end = (bytes + ${SEGMENT_BYTES - 1}u) / ${SEGMENT_BYTES}u * ${SEGMENT_BYTES}u;
  for (var first = 0u; first < end; first += ${LANES}u) {
    if (lane < ${LANES / 32}u) { atomicStore(&bits[lane], 0u); }
    lengths_here[lane] = refined(block, first + lane, positions) & 0xffffu;
    if (lane == 0u) { lengths_here[${LANES}] = refined(block, first + ${LANES}u, positions) & 0xffffu; }
    workgroupBarrier();
    let length = lengths_here[lane];
    if (length != 0u && lengths_here[lane + 1u] <= length) { atomicOr(&bits[lane >> 5u], 1u << (lane & 31u)); }
    workgroupBarrier();
    if (lane < ${LANES / 32}u) {
      taken[block * ${BLOCK_BYTES / 32}u + (first >> 5u) + lane] = atomicLoad(&bits[lane]);
    }
  }
}
`;
