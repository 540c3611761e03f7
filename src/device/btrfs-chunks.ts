import { ITEM, type Item, malformed, number64, type Superblock } from './btrfs-format.js';
import type { UsedRange } from './used-blocks.js';

/** A range of btrfs's own addresses, and where on the device it lies: once, or twice the same. */
export interface Chunk {
  address: number;
  length: number;
  /** Whether anything but data lies in it. */
  hasTrees: boolean;
  offsets: number[];
}

const HEADER_BYTES = 48;
const STRIPE_BYTES = 32;
const KEY_BYTES = 17;
const NOT_DATA = 2 | 4;
const RAID0 = 1 << 3;
const DUPLICATED = 1 << 5;
const PROFILES = 0x7f8;

/** @throws LifeboatError FAILED for what does not lie in one piece on this device */
export function parseChunk(
  bytes: Buffer,
  { offset: address, start, length: itemBytes }: Pick<Item, 'offset' | 'start' | 'length'>,
  { deviceId, totalBytes }: Pick<Superblock, 'deviceId' | 'totalBytes'>,
): Chunk {
  const wrong = (what: string) => malformed(`the chunk at ${address} ${what}`);
  if (itemBytes < HEADER_BYTES) throw wrong(`has ${itemBytes} bytes`);
  const length = number64(bytes, start);
  const type = bytes.readUInt32LE(start + 24);
  const count = bytes.readUInt16LE(start + 44);
  if (itemBytes !== HEADER_BYTES + count * STRIPE_BYTES) throw wrong(`has ${count} stripes in ${itemBytes} bytes`);
  const profile = type & PROFILES;
  const isInOnePiece = (profile === DUPLICATED && count === 2) || ((profile === 0 || profile === RAID0) && count === 1);
  if (!isInOnePiece) throw wrong(`is of type 0x${type.toString(16)} in ${count} stripes`);
  const offsets = Array.from({ length: count }, (_, index) => {
    const at = start + HEADER_BYTES + index * STRIPE_BYTES;
    const offset = number64(bytes, at + 8);
    if (number64(bytes, at) !== deviceId) throw wrong('lies on another device');
    if (length === 0 || offset + length > totalBytes) throw wrong(`does not fit the device at ${offset}`);
    return offset;
  });
  return { address, length, hasTrees: (type & NOT_DATA) !== 0, offsets };
}

/** The chunks that the superblock itself names. @throws LifeboatError FAILED */
export function systemChunks(superblock: Superblock): ChunkMap {
  const { systemChunks: bytes } = superblock;
  const chunks: Chunk[] = [];
  for (let at = 0; at < bytes.length; ) {
    const countAt = at + KEY_BYTES + 44;
    if (countAt + 2 > bytes.length || bytes.readUInt8(at + 8) !== ITEM.chunk)
      throw malformed('its superblock has no chunk where one should be');
    const length = HEADER_BYTES + bytes.readUInt16LE(countAt) * STRIPE_BYTES;
    const start = at + KEY_BYTES;
    if (start + length > bytes.length) throw malformed('the chunks in its superblock break off');
    chunks.push(parseChunk(bytes, { offset: number64(bytes, at + 9), start, length }, superblock));
    at = start + length;
  }
  return new ChunkMap(chunks);
}

export class ChunkMap {
  readonly chunks: readonly Chunk[];

  /** @throws LifeboatError FAILED if two overlap */
  constructor(chunks: Chunk[]) {
    this.chunks = [...chunks].sort((a, b) => a.address - b.address);
    for (const [index, { address }] of this.chunks.entries()) {
      const before = this.chunks[index - 1];
      if (before !== undefined && before.address + before.length > address)
        throw malformed(`the chunk at ${address} overlaps the one before it`);
    }
  }

  /** The chunk that holds a range whole. @throws LifeboatError FAILED if none does */
  chunkOf(address: number, length: number): Chunk {
    let [low, high] = [0, this.chunks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.chunks[middle] as Chunk).address <= address) low = middle + 1;
      else high = middle;
    }
    const chunk = this.chunks[low - 1];
    if (chunk === undefined || address + length > chunk.address + chunk.length)
      throw malformed(`no chunk holds ${length} bytes at ${address}`);
    return chunk;
  }

  /** Where on the device a range lies, each of its copies. @throws LifeboatError FAILED */
  placesOf(address: number, length: number): number[] {
    const chunk = this.chunkOf(address, length);
    return chunk.offsets.map((offset) => offset + address - chunk.address);
  }

  /** All that is set aside for trees, whether in use or not. Sorted. */
  treeRanges(): UsedRange[] {
    return this.chunks
      .filter(({ hasTrees }) => hasTrees)
      .flatMap(({ offsets, length }) => offsets.map((offset) => ({ offset, length })))
      .sort((a, b) => a.offset - b.offset);
  }
}
