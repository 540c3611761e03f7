import type { ReadRange } from './partition-table.js';

/** Where things lie in a FAT16 or FAT32, as in Microsoft's "FAT: General Overview of On-Disk Format", 1.03. */
export interface Fat {
  /** Relative to the partition, as all offsets here. */
  read: ReadRange;
  clusterBytes: number;
  clusterCount: number;
  /** Of the first of its copies, which follow one another. */
  fatOffset: number;
  /** Of one copy. */
  fatBytes: number;
  copies: number;
  /** Of cluster 2, the first. */
  dataOffset: number;
  /** FAT16 keeps its root directory apart from the clusters. */
  root: { cluster: number } | { offset: number; length: number };
  entryBytes: 2 | 4;
  /** As Linux and Windows mark it while it is mounted for writing. */
  isDirty: boolean;
}

export const FIRST_CLUSTER = 2;
export const DIRECTORY_ENTRY_BYTES = 32;
const LEAST_FAT16_CLUSTERS = 4085;
/** In the boot sector, of FAT16 and FAT32; linux/msdos_fs.h: FAT_STATE_DIRTY. */
const STATE_AT = { 2: 37, 4: 65 } as const;
const STATE_DIRTY = 1;

/**
 * @param read of the partition, not of the disk; offsets in bytes
 * @returns undefined for what is no FAT16 or FAT32, or one whose table is too small for its clusters
 */
export async function openFat(read: ReadRange): Promise<Fat | undefined> {
  const boot = await read(0, 512);
  const sectorBytes = boot.readUInt16LE(11);
  const sectorsPerCluster = boot.readUInt8(13);
  const reserved = boot.readUInt16LE(14);
  const copies = boot.readUInt8(16);
  const rootEntries = boot.readUInt16LE(17);
  const total = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const shortFat = boot.readUInt16LE(22);
  const fatSectors = shortFat || boot.readUInt32LE(36);
  const isFat = boot.readUInt16LE(510) === 0xaa55 && [512, 1024, 2048, 4096].includes(sectorBytes);
  const isWhole = isPowerOfTwo(sectorsPerCluster) && reserved > 0 && (copies === 1 || copies === 2) && fatSectors > 0;
  if (!isFat || !isWhole) return undefined;
  const rootOffset = (reserved + copies * fatSectors) * sectorBytes;
  const rootBytes = rootEntries * DIRECTORY_ENTRY_BYTES;
  const dataOffset = rootOffset + Math.ceil(rootBytes / sectorBytes) * sectorBytes;
  const clusterBytes = sectorsPerCluster * sectorBytes;
  const clusterCount = Math.floor((total * sectorBytes - dataOffset) / clusterBytes);
  // Linux, too, takes this for the mark of FAT32, whatever the number of clusters.
  const is32 = shortFat === 0;
  if (!is32 && clusterCount < LEAST_FAT16_CLUSTERS) return undefined;
  const entryBytes = is32 ? 4 : 2;
  const fatBytes = fatSectors * sectorBytes;
  if (clusterCount <= 0 || (FIRST_CLUSTER + clusterCount) * entryBytes > fatBytes) return undefined;
  const root = is32 ? { cluster: boot.readUInt32LE(44) } : { offset: rootOffset, length: rootBytes };
  const isDirty = (boot.readUInt8(STATE_AT[entryBytes]) & STATE_DIRTY) !== 0;
  const fatOffset = reserved * sectorBytes;
  return { read, clusterBytes, clusterCount, fatOffset, fatBytes, copies, dataOffset, root, entryBytes, isDirty };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}
