import { LEAST_MATCH_BYTES, MAX_SEQUENCES } from '../block.js';

/** Each block ends with a sequence of literals only, besides those with a match. */
export const MAX_DECODED_SEQUENCES = MAX_SEQUENCES + 1;
/** What the host is told of a block that is not valid. */
export const INVALID = 0xffff_ffff;

/**
 * Where the blocks to decode are: their bytes anywhere among the frames.
 * x: first byte; y: length, with the high bit set for a stored block; z: the plaintext's length at most; w: 1 if it is exactly that
 */
const TABLE_WGSL = /* wgsl */ `
@group(0) @binding(0) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> frames: array<u32>;

fn frame_byte(at: u32) -> u32 {
  return (frames[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu;
}
`;

/**
 * The tokens of a block from front to back, which nothing can do in parallel: one thread a block lists the sequences, and holds every
 * length and distance against what there is before it is used. Each step takes a byte at least, so it ends.
 */
export const WALK_WGSL = /* wgsl */ `
${TABLE_WGSL}
/** x: where it begins in the plaintext | where its match begins << 16, y: its literals in the block | distance << 16. */
@group(0) @binding(2) var<storage, read_write> sequences: array<vec2<u32>>;
/** x: plaintext bytes or INVALID, y: sequences. */
@group(0) @binding(3) var<storage, read_write> results: array<vec2<u32>>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
  let block = group.x;
  let entry = table[block];
  if ((entry.y & 0x80000000u) != 0u || entry.y == 0u) {
    results[block] = vec2<u32>(entry.y & 0x7fffffffu, 0u);
    return;
  }
  results[block] = vec2<u32>(${INVALID}u, 0u);
  let begin = entry.x;
  let bytes = entry.y;
  let room = entry.z;
  var at = 0u;
  var made = 0u;
  for (var count = 0u; count < ${MAX_DECODED_SEQUENCES}u; count++) {
    if (at >= bytes) { return; }
    let token = frame_byte(begin + at);
    at += 1u;
    var literals = token >> 4u;
    var goes_on = literals == 15u;
    while (goes_on) {
      if (at >= bytes || literals > room) { return; }
      let further = frame_byte(begin + at);
      at += 1u;
      literals += further;
      goes_on = further == 255u;
    }
    if (literals > bytes - at || literals > room - made) { return; }
    let first = made;
    let source = at;
    at += literals;
    made += literals;
    let here = block * ${MAX_DECODED_SEQUENCES}u + count;
    if (at == bytes) {
      if (entry.w == 1u && made != room) { return; }
      sequences[here] = vec2<u32>(first, source);
      results[block] = vec2<u32>(made, count + 1u);
      return;
    }
    if (bytes - at < 2u) { return; }
    let distance = frame_byte(begin + at) | (frame_byte(begin + at + 1u) << 8u);
    at += 2u;
    if (distance == 0u || distance > made) { return; }
    var length = token & 15u;
    goes_on = length == 15u;
    while (goes_on) {
      if (at >= bytes || length > room) { return; }
      let further = frame_byte(begin + at);
      at += 1u;
      length += further;
      goes_on = further == 255u;
    }
    length += ${LEAST_MATCH_BYTES}u;
    if (length > room - made) { return; }
    sequences[here] = vec2<u32>(first | (made << 16u), source | (distance << 16u));
    made += length;
  }
}
`;

export const READ_SEQUENCES_WGSL = /* wgsl */ `
${TABLE_WGSL}
@group(0) @binding(2) var<storage, read> sequences: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> results: array<vec2<u32>>;
`;
