import {
  BLOCK_BYTES,
  COMPARED_BYTES,
  HASH_BITS,
  LAST_LITERALS_BYTES,
  LAST_MATCH_BYTES,
  LEAST_MATCH_BYTES,
  POSITIONS_AHEAD,
  ROUND_POSITIONS,
  SHORT_DISTANCES,
} from '../../src/gpu/block.js';

/**
 * What the kernels compute, said once more in order and without any parallelism: the device's bytes must be these.
 * A candidate is distance << 16 | length.
 */

/** The body of a frame: every block of 64 KiB behind its header. */
export function modelBody(plain: Buffer): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < plain.length; at += BLOCK_BYTES) {
    const block = plain.subarray(at, at + BLOCK_BYTES);
    const compressed = modelBlock(block);
    const header = Buffer.alloc(4);
    const isStored = compressed.length >= block.length;
    header.writeUInt32LE(isStored ? (block.length | 0x8000_0000) >>> 0 : compressed.length);
    blocks.push(header, isStored ? block : compressed);
  }
  return Buffer.concat(blocks);
}

function modelBlock(block: Buffer): Buffer {
  const positions = Math.max(0, block.length - LAST_MATCH_BYTES + 1);
  const refined = refine(block, find(block, positions), positions);
  const bytes: number[] = [];
  let done = 0;
  for (let position = 0; position < positions; ) {
    const here = refined[position] ?? 0;
    if (here === 0 || ((refined[position + 1] ?? 0) & 0xffff) > (here & 0xffff)) {
      position += 1;
      continue;
    }
    const distance = here >>> 16;
    const length = matchLength(block, position, distance, block.length - LAST_LITERALS_BYTES);
    sequence(bytes, block.subarray(done, position), distance, length);
    position += length;
    done = position;
  }
  sequence(bytes, block.subarray(done), 0, LEAST_MATCH_BYTES);
  return Buffer.from(bytes);
}

function find(block: Buffer, positions: number): Uint32Array {
  const found = new Uint32Array(positions);
  const slots = new Uint32Array(1 << HASH_BITS);
  const slotOf = (position: number) => Math.imul(block.readUInt32LE(position), 2654435761) >>> (32 - HASH_BITS);
  for (let first = 0; first < positions; first += ROUND_POSITIONS) {
    const end = Math.min(first + ROUND_POSITIONS, positions);
    for (let position = first; position < end; position++) {
      const seen = slots[slotOf(position)] ?? 0;
      const distances = [...SHORT_DISTANCES, ...(seen === 0 ? [] : [position + 1 - seen])];
      for (const distance of distances) {
        if (distance > position || block.readUInt32LE(position - distance) !== block.readUInt32LE(position)) continue;
        const limit = Math.min(block.length - LAST_LITERALS_BYTES, position + COMPARED_BYTES);
        const length = matchLength(block, position, distance, limit);
        if (length > ((found[position] ?? 0) & 0xffff)) found[position] = (distance << 16) | length;
      }
    }
    for (let position = first; position < end; position++) slots[slotOf(position)] = position + 1;
  }
  return found;
}

function refine(block: Buffer, found: Uint32Array, positions: number): Uint32Array {
  return found.map((own, position) => {
    let best = own;
    for (let ahead = 1; ahead <= POSITIONS_AHEAD && position + ahead < positions; ahead++) {
      const later = found[position + ahead] ?? 0;
      const distance = later >>> 16;
      const length = Math.min(COMPARED_BYTES, (later & 0xffff) + ahead);
      if (later === 0 || distance > position || length <= (best & 0xffff)) continue;
      const here = block.subarray(position, position + ahead);
      if (here.equals(block.subarray(position - distance, position - distance + ahead)))
        best = (distance << 16) | length;
    }
    return best;
  });
}

function matchLength(block: Buffer, position: number, distance: number, end: number): number {
  let length = 0;
  while (position + length < end && block[position + length] === block[position + length - distance]) length += 1;
  return length;
}

/** @param distance 0 for the last sequence, which has literals only */
function sequence(bytes: number[], literals: Buffer, distance: number, length: number): void {
  const further = length - LEAST_MATCH_BYTES;
  bytes.push((Math.min(literals.length, 15) << 4) | Math.min(further, 15));
  lengthBytes(bytes, literals.length);
  for (const byte of literals) bytes.push(byte);
  if (distance === 0) return;
  bytes.push(distance & 0xff, distance >> 8);
  lengthBytes(bytes, further);
}

function lengthBytes(bytes: number[], length: number): void {
  if (length < 15) return;
  for (let left = length - 15; ; left -= 255) {
    bytes.push(Math.min(left, 255));
    if (left < 255) return;
  }
}
