import { LEAST_MATCH_BYTES, MAX_SEQUENCES } from '../block.js';
import { SCAN_LANES, SCAN_WGSL } from './scan.js';

/**
 * Room for the sequences of 64 KiB of plaintext. A block ends with one of literals only besides those with a match, and of larger
 * blocks each 64 KiB brings one more than it needs.
 */
export const MAX_DECODED_SEQUENCES = MAX_SEQUENCES + 1;
/** `first`, `copies`, `source`: see below. */
export const SEQUENCE_WORDS = 3;
/** What the host is told of a block that is not valid. */
export const INVALID = 0xffff_ffff;

const BYTES_A_LANE = 4;
const WINDOW_BYTES = SCAN_LANES * BYTES_A_LANE;
/** A token takes 3 bytes at least: 342 of a window are joined by hops of 1, 2, 4 .. 256. */
const ROUNDS = 9;
/**
 * Bytes of lengths that a lane reads of a token that may be none: matches of 4 KiB and more are longer, and in a run of 255s each
 * place looks like one.
 */
const PATIENCE_BYTES = 16;

/**
 * Where the blocks to decode are, for each 64 KiB of plaintext: one that belongs to a larger block before it has none.
 * x: first byte; y: length, with the high bit set for a stored block; z: the plaintext's length at most; w: 1 if it is exactly that
 */
const TABLE_WGSL = /* wgsl */ `
@group(0) @binding(0) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> frames: array<u32>;

/** In bytes: where its literals begin in the plaintext, where its match does, and where its literals are in the block. */
struct Sequence {
  first: u32,
  copies: u32,
  source: u32,
}

fn frame_byte(at: u32) -> u32 {
  return (frames[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu;
}

/** Of a sequence with a match: it stands behind the literals. */
fn distance_of(begin: u32, sequence: Sequence) -> u32 {
  let at = begin + sequence.source + (sequence.copies - sequence.first);
  return frame_byte(at) | (frame_byte(at + 1u) << 8u);
}
`;

/**
 * The sequences of a block, of any size. Only the first token is known to be one; so each lane reads what follows its bytes of a
 * window as if they were tokens, hops from token to token, each round twice as far, mark those that the first one leads to, and a
 * sum over these tells where each stands in the plaintext. Every length and distance is held against what there is before it is
 * used. Each window takes a token at least, so it ends.
 */
export const WALK_WGSL = /* wgsl */ `
${TABLE_WGSL}
${SCAN_WGSL}
@group(0) @binding(2) var<storage, read_write> sequences: array<Sequence>;
/** x: plaintext bytes or INVALID, y: sequences. */
@group(0) @binding(3) var<storage, read_write> results: array<vec2<u32>>;

/** From each place in the window to where the next token begins, or out of it: as of this round, and as of the next. */
var<workgroup> hops: array<u32, ${2 * WINDOW_BYTES}>;
/** A bit for each place in the window: a token begins there. */
var<workgroup> is_token: array<atomic<u32>, ${WINDOW_BYTES / 32}>;
/** Where the next window begins in the block; how much plaintext and how many sequences are in front of it. */
var<workgroup> next_window: u32;
var<workgroup> next_made: u32;
var<workgroup> next_count: u32;
var<workgroup> is_over: u32;
var<workgroup> is_bad: atomic<u32>;

const WRONG = 0u;
const GOES_ON = 1u;
const LAST = 2u;
/** Its lengths are longer than a lane reads without knowing that it is a token: it begins the next window. */
const UNREAD = 3u;

struct Token {
  kind: u32,
  literals: u32,
  source: u32,
  match_bytes: u32,
  next: u32,
}

/** Instead of where a length ends in the block; none ends at its start. */
const LENGTH_IS_WRONG = 0u;
const LENGTH_IS_UNREAD = 0xffffffffu;

/** @returns x: the length; y: where it ends in the block */
fn read_length(begin: u32, from_byte: u32, bytes: u32, room: u32, nibble: u32, patience: u32) -> vec2<u32> {
  var length = nibble;
  var at = from_byte;
  var goes_on = nibble == 15u;
  while (goes_on) {
    if (at >= bytes || length > room) { return vec2<u32>(0u, LENGTH_IS_WRONG); }
    if (at - from_byte >= patience) { return vec2<u32>(0u, LENGTH_IS_UNREAD); }
    let further = frame_byte(begin + at);
    at += 1u;
    length += further;
    goes_on = further == 255u;
  }
  return vec2<u32>(length, select(at, LENGTH_IS_WRONG, length > room));
}

fn read_token(begin: u32, start: u32, bytes: u32, room: u32, patience: u32) -> Token {
  var token = Token(WRONG, 0u, 0u, 0u, 0u);
  if (start >= bytes) { return token; }
  let lead = frame_byte(begin + start);
  let literals = read_length(begin, start + 1u, bytes, room, lead >> 4u, patience);
  if (literals.y == LENGTH_IS_UNREAD) { token.kind = UNREAD; }
  if (literals.y == LENGTH_IS_UNREAD || literals.y == LENGTH_IS_WRONG) { return token; }
  if (literals.x > bytes - literals.y) { return token; }
  token.literals = literals.x;
  token.source = literals.y;
  let distance_at = literals.y + literals.x;
  if (distance_at == bytes) {
    token.kind = LAST;
    return token;
  }
  if (bytes - distance_at < 2u) { return token; }
  let match_bytes = read_length(begin, distance_at + 2u, bytes, room, lead & 15u, patience);
  if (match_bytes.y == LENGTH_IS_UNREAD) { token.kind = UNREAD; }
  if (match_bytes.y == LENGTH_IS_UNREAD || match_bytes.y == LENGTH_IS_WRONG) { return token; }
  token.kind = GOES_ON;
  token.match_bytes = match_bytes.x + ${LEAST_MATCH_BYTES}u;
  token.next = match_bytes.y;
  return token;
}

fn is_marked(place: u32) -> bool {
  return ((atomicLoad(&is_token[place >> 5u]) >> (place & 31u)) & 1u) != 0u;
}

fn mark(place: u32) {
  atomicOr(&is_token[place >> 5u], 1u << (place & 31u));
}

/** How many tokens of the window begin before a place. */
fn tokens_before(place: u32) -> u32 {
  var count = countOneBits(atomicLoad(&is_token[place >> 5u]) & ((1u << (place & 31u)) - 1u));
  for (var word = 0u; word < (place >> 5u); word++) { count += countOneBits(atomicLoad(&is_token[word])); }
  return count;
}

fn proven(made: u32, entry: vec4<u32>) -> u32 {
  return select(made, ${INVALID}u, made > entry.z || (entry.w == 1u && made != entry.z));
}

@compute @workgroup_size(${SCAN_LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.x;
  let entry = table[block];
  let begin = entry.x;
  let bytes = entry.y & 0x7fffffffu;
  let room = entry.z;
  if (bytes == 0u || bytes != entry.y) {
    if (lane == 0u) { results[block] = vec2<u32>(proven(bytes, entry), 0u); }
    return;
  }
  if (lane == 0u) {
    next_window = 0u;
    next_made = 0u;
    next_count = 0u;
    is_over = 0u;
    atomicStore(&is_bad, 0u);
  }
  while (workgroupUniformLoad(&is_over) == 0u) {
    let window = next_window;
    let made = next_made;
    let count = next_count;
    let own = lane * ${BYTES_A_LANE}u;
    var tokens: array<Token, ${BYTES_A_LANE}>;
    for (var at = 0u; at < ${BYTES_A_LANE}u; at++) {
      let patience = select(${PATIENCE_BYTES}u, 0xffffffffu, own + at == 0u);
      tokens[at] = read_token(begin, window + own + at, bytes, room, patience);
      hops[own + at] = select(${WINDOW_BYTES}u, tokens[at].next - window, tokens[at].kind == GOES_ON);
    }
    if (lane < ${WINDOW_BYTES / 32}u) { atomicStore(&is_token[lane], select(0u, 1u, lane == 0u)); }
    workgroupBarrier();
    for (var round = 0u; round < ${ROUNDS}u; round++) {
      // From one half to the other and back, so that no lane overwrites what another has not read yet.
      let now = (round & 1u) * ${WINDOW_BYTES}u;
      let after = ${WINDOW_BYTES}u - now;
      for (var at = 0u; at < ${BYTES_A_LANE}u; at++) {
        var hop = hops[now + own + at];
        if (hop < ${WINDOW_BYTES}u) {
          if (is_marked(own + at)) { mark(hop); }
          hop = hops[now + hop];
        }
        hops[after + own + at] = hop;
      }
      workgroupBarrier();
    }

    var lane_bytes = 0u;
    for (var at = 0u; at < ${BYTES_A_LANE}u; at++) {
      if (is_marked(own + at) && tokens[at].kind != UNREAD) { lane_bytes += tokens[at].literals + tokens[at].match_bytes; }
    }
    var first = made + scan(lane, lane_bytes).x;
    var here = count + tokens_before(own);
    for (var at = 0u; at < ${BYTES_A_LANE}u; at++) {
      if (!is_marked(own + at)) { continue; }
      let token = tokens[at];
      if (token.kind == UNREAD) {
        next_window = window + own + at;
        next_made = first;
        next_count = here;
        continue;
      }
      let sequence = Sequence(first, first + token.literals, token.source);
      first = sequence.copies + token.match_bytes;
      var is_right = token.kind != WRONG && first <= room;
      if (is_right && token.kind == GOES_ON) {
        let distance = distance_of(begin, sequence);
        is_right = distance > 0u && distance <= sequence.copies;
      }
      if (is_right) { sequences[block * ${MAX_DECODED_SEQUENCES}u + here] = sequence; }
      else { atomicStore(&is_bad, 1u); }
      here += 1u;
      if (token.kind == LAST || token.next - window >= ${WINDOW_BYTES}u) {
        next_window = token.next;
        next_made = first;
        next_count = here;
        is_over = select(0u, 1u, token.kind == LAST);
      }
    }
    workgroupBarrier();
    // A token at least was taken, or it would never end.
    if (lane == 0u && is_over == 0u && next_window <= window) { atomicStore(&is_bad, 1u); }
    if (lane == 0u && atomicLoad(&is_bad) != 0u) { is_over = 1u; }
  }
  if (lane == 0u) {
    let made = select(proven(next_made, entry), ${INVALID}u, atomicLoad(&is_bad) != 0u);
    results[block] = vec2<u32>(made, next_count);
  }
}
`;

export const READ_SEQUENCES_WGSL = /* wgsl */ `
${TABLE_WGSL}
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> results: array<vec2<u32>>;
`;
