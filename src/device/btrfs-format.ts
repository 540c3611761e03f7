import { LifeboatError } from '../error.js';
import { crc32c } from './crc32c.js';

/**
 * btrfs on the disk, as far as it takes to find all that is in use: superblock, tree blocks, and the items of four kinds of
 * trees. Numbers are little-endian. Fields: include/uapi/linux/btrfs_tree.h, btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
 */

export const SUPERBLOCK_BYTES = 4096;
/** The first counts; the others are its copies, on devices that are large enough. */
export const SUPERBLOCKS_AT: readonly number[] = [64 * 1024, 64 * 1024 ** 2, 256 * 1024 ** 3];

export const ROOT_TREE = 1;
export const EXTENT_TREE = 2;
/** The subvolume that all others lie in. */
export const TOP_SUBVOLUME = 5;
/** Subvolumes that somebody made have numbers from here on, as files have. */
export const FIRST_FREE = 256;
const LAST_FREE = 2 ** 64 - 2 ** 12;

export const ITEM = {
  extentData: 108,
  rootItem: 132,
  rootRef: 156,
  extent: 168,
  metadata: 169,
  chunk: 228,
} as const;

/** Where a tree begins. A tree block is told from a later one at the same address by its generation. */
export interface TreeRoot {
  address: number;
  generation: number;
  level: number;
}

export interface Superblock {
  generation: number;
  rootTree: TreeRoot;
  chunkTree: TreeRoot;
  /** What fsync wrote since the last commit; 0 if nothing. */
  logRoot: number;
  totalBytes: number;
  /** Of data and tree blocks, before duplication. */
  usedBytes: number;
  nodeBytes: number;
  sectorBytes: number;
  deviceId: number;
  /** What every tree block bears. */
  metadataUuid: Buffer;
  uuid: string;
  /** The chunks that hold the chunk tree: pairs of key and item. */
  systemChunks: Buffer;
}

const MAGIC = '_BHRfS_M';
const CSUM_BYTES = 32;
const CRC32C_TYPE = 0;
const SYSTEM_CHUNKS_AT = 0x32b;
const SYSTEM_CHUNKS_BYTES = 2048;
const METADATA_UUID_FEATURE = 1 << 10;
/**
 * Features that change nothing of what is read here, by their bits: mixed back references, default subvolume, mixed groups, lzo, zstd,
 * big metadata, extended irefs, raid56, skinny metadata, no holes, metadata UUID, raid1c34, simple quotas. Zones, extent
 * tree v2, the RAID stripe tree and what comes later put data elsewhere.
 */
const KNOWN_FEATURES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16].reduce((bits, bit) => bits | (1 << bit), 0);

/**
 * @returns undefined if it is none, or was only half written: then its checksum is wrong
 * @throws LifeboatError FAILED for a btrfs whose data cannot be found by what is known here
 */
export function parseSuperblock(bytes: Buffer): Superblock | undefined {
  if (bytes.length !== SUPERBLOCK_BYTES || bytes.toString('latin1', 0x40, 0x48) !== MAGIC) return undefined;
  const checksumType = bytes.readUInt16LE(0xc4);
  if (checksumType !== CRC32C_TYPE) throw unsupported(`its checksums are of type ${checksumType}, not crc32c`);
  if (!hasRightChecksum(bytes)) return undefined;
  const features = number64(bytes, 0xbc);
  const [low, high] = [bytes.readUInt32LE(0xbc), bytes.readUInt32LE(0xc0)];
  if ((low & ~KNOWN_FEATURES) !== 0 || high !== 0)
    throw unsupported(`it has features that are not known here (0x${features.toString(16)})`);
  const devices = number64(bytes, 0x88);
  if (devices !== 1) throw unsupported(`it spans ${devices} devices`);
  const [sectorBytes, nodeBytes] = [bytes.readUInt32LE(0x90), bytes.readUInt32LE(0x94)];
  if (sectorBytes % 4096 !== 0 || nodeBytes % 4096 !== 0 || nodeBytes < 4096 || nodeBytes > 65536)
    throw unsupported(`it has sectors of ${sectorBytes} and tree blocks of ${nodeBytes} bytes`);
  const systemChunksBytes = bytes.readUInt32LE(0xa0);
  if (systemChunksBytes > SYSTEM_CHUNKS_BYTES) throw malformed('its superblock has more system chunks than room');
  const uuidAt = low & METADATA_UUID_FEATURE ? 0x23b : 0x20;
  return {
    generation: number64(bytes, 0x48),
    rootTree: { address: number64(bytes, 0x50), generation: number64(bytes, 0x48), level: bytes.readUInt8(0xc6) },
    chunkTree: { address: number64(bytes, 0x58), generation: number64(bytes, 0xa4), level: bytes.readUInt8(0xc7) },
    logRoot: number64(bytes, 0x60),
    totalBytes: number64(bytes, 0x70),
    usedBytes: number64(bytes, 0x78),
    nodeBytes,
    sectorBytes,
    deviceId: number64(bytes, 0xc9),
    metadataUuid: Buffer.from(bytes.subarray(uuidAt, uuidAt + 16)),
    uuid: bytes.toString('hex', 0x20, 0x30).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    systemChunks: Buffer.from(bytes.subarray(SYSTEM_CHUNKS_AT, SYSTEM_CHUNKS_AT + systemChunksBytes)),
  };
}

const HEADER_BYTES = 101;
const KEY_BYTES = 17;
const POINTER_BYTES = KEY_BYTES + 16;
const ITEM_BYTES = KEY_BYTES + 8;

/** Whether a block of a tree is the very one that something points to, whole. */
export function isTreeBlock(
  block: Buffer,
  { metadataUuid }: Pick<Superblock, 'metadataUuid'>,
  { address, generation, level }: TreeRoot,
): boolean {
  return (
    number64(block, 0x30) === address &&
    number64(block, 0x50) === generation &&
    block.readUInt8(0x64) === level &&
    block.compare(metadataUuid, 0, 16, 0x20, 0x30) === 0 &&
    hasRightChecksum(block)
  );
}

/** The blocks below a block of level 1 or more. @throws LifeboatError FAILED */
export function pointersOf(block: Buffer): TreeRoot[] {
  const level = block.readUInt8(0x64) - 1;
  const count = block.readUInt32LE(0x60);
  if (level < 0 || HEADER_BYTES + count * POINTER_BYTES > block.length)
    throw malformed(`a node of level ${level + 1} has ${count} pointers`);
  return Array.from({ length: count }, (_, index) => {
    const at = HEADER_BYTES + index * POINTER_BYTES + KEY_BYTES;
    return { address: number64(block, at), generation: number64(block, at + 8), level };
  });
}

export interface Item {
  objectId: number;
  type: number;
  offset: number;
  /** Where its data lie in the block. */
  start: number;
  length: number;
}

/** The items of a block of level 0. @throws LifeboatError FAILED */
export function* itemsOf(leaf: Buffer): Generator<Item> {
  const count = leaf.readUInt32LE(0x60);
  const tableEnd = HEADER_BYTES + count * ITEM_BYTES;
  if (leaf.readUInt8(0x64) !== 0 || tableEnd > leaf.length) throw malformed(`a leaf has ${count} items`);
  for (let at = HEADER_BYTES; at < tableEnd; at += ITEM_BYTES) {
    const start = HEADER_BYTES + leaf.readUInt32LE(at + KEY_BYTES);
    const length = leaf.readUInt32LE(at + KEY_BYTES + 4);
    if (start < tableEnd || start + length > leaf.length) throw malformed('an item lies outside of its leaf');
    yield {
      objectId: number64(leaf, at),
      type: leaf.readUInt8(at + 8),
      offset: number64(leaf, at + 9),
      start,
      length,
    };
  }
}

export interface RootItem extends TreeRoot {
  id: number;
  /** Deleted, and perhaps not yet cleaned away. */
  isDead: boolean;
}

const ROOT_ITEM_BYTES = 239;

/** @throws LifeboatError FAILED */
export function parseRootItem(leaf: Buffer, { objectId, start, length }: Item): RootItem {
  if (length < ROOT_ITEM_BYTES) throw malformed(`the root of tree ${objectId} has ${length} bytes`);
  return {
    id: objectId,
    address: number64(leaf, start + 176),
    generation: number64(leaf, start + 160),
    level: leaf.readUInt8(start + 238),
    isDead: leaf.readUInt32LE(start + 216) === 0,
  };
}

export function isSubvolume(id: number): boolean {
  return id === TOP_SUBVOLUME || (id >= FIRST_FREE && id < LAST_FREE);
}

/** What a subvolume is called in the directory of its parent. */
export interface RootRef {
  parent: number;
  child: number;
  directory: number;
  name: string;
}

/** @throws LifeboatError FAILED */
export function parseRootRef(leaf: Buffer, { objectId, offset, start, length }: Item): RootRef {
  const nameLength = length < 18 ? Number.NaN : leaf.readUInt16LE(start + 16);
  if (!(18 + nameLength <= length)) throw malformed(`the name of subvolume ${offset} has no room`);
  return {
    parent: objectId,
    child: offset,
    directory: number64(leaf, start),
    name: leaf.toString('utf8', start + 18, start + 18 + nameLength),
  };
}

export interface ExtentItem {
  address: number;
  length: number;
  generation: number;
  /** Undefined for data. */
  treeLevel: number | undefined;
}

const EXTENT_BYTES = 24;
const DATA_FLAG = 1;
const TREE_BLOCK_FLAG = 2;

/** @throws LifeboatError FAILED */
export function parseExtentItem(leaf: Buffer, item: Item, nodeBytes: number): ExtentItem {
  const { objectId: address, type, offset, start, length } = item;
  if (length < EXTENT_BYTES) throw malformed(`the extent at ${address} has ${length} bytes`);
  const generation = number64(leaf, start + 8);
  const kind = leaf.readUInt32LE(start + 16) & (DATA_FLAG | TREE_BLOCK_FLAG);
  if (type === ITEM.metadata) {
    if (kind !== TREE_BLOCK_FLAG) throw malformed(`the tree block at ${address} is none`);
    return { address, length: nodeBytes, generation, treeLevel: offset };
  }
  if (kind === DATA_FLAG) return { address, length: offset, generation, treeLevel: undefined };
  // Without skinny metadata: first and lowest key of the block, then its level.
  const levelAt = EXTENT_BYTES + KEY_BYTES;
  if (kind !== TREE_BLOCK_FLAG || offset !== nodeBytes || length <= levelAt)
    throw malformed(`the extent at ${address} is neither data nor a tree block`);
  return { address, length: offset, generation, treeLevel: leaf.readUInt8(start + levelAt) };
}

const INLINE = 0;
const FILE_EXTENT_BYTES = 53;

/** The address of a file extent's data; 0 if it has none: a hole, or it lies in the leaf. @throws LifeboatError FAILED */
export function dataAddressOf(leaf: Buffer, { objectId, start, length }: Item): number {
  if (length > 20 && leaf.readUInt8(start + 20) === INLINE) return 0;
  if (length < FILE_EXTENT_BYTES) throw malformed(`an extent of file ${objectId} has ${length} bytes`);
  return number64(leaf, start + 21);
}

function hasRightChecksum(bytes: Buffer): boolean {
  return bytes.readUInt32LE(0) === crc32c(bytes.subarray(CSUM_BYTES));
}

/** Addresses are below 2^53; of larger numbers, as those of internal objects, only the size matters. */
export function number64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

export function malformed(what: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot understand what btrfs has on the disk: ${what}`, {
    hint: 'btrfs check --readonly --force DEVICE looks at it',
  });
}

function unsupported(what: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot hold this btrfs still: ${what}`, {
    hint: '--snapshot none images it as it is (crash consistency)',
  });
}
