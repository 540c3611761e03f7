import { type Fat, FIRST_CLUSTER, openFat } from './fat.js';
import type { ReadRange } from './partition-table.js';

/** A cluster that cannot be read, and has nothing in it. */
const BAD_CLUSTER = { 2: 0xfff7, 4: 0x0ffffff7 } as const;
/** A multiple of every entry's size. */
const READ_BYTES = 1024 ** 2;

/**
 * What a FAT16 or FAT32 has in use: all before its clusters, the clusters that a copy of its table has as taken, and
 * what lies behind the last one. (Not by partclone.vfat: it waits for its own progress display, 2 s a call.)
 * @param sizeBytes of the partition
 * @param isSettled mounted, but nothing is written meanwhile; one that is marked as mounted is in doubt otherwise
 * @returns ranges in order, side by side ones joined; or in words why all has to be read
 */
export async function fatUsed(
  read: ReadRange,
  sizeBytes: number,
  isSettled: boolean,
): Promise<{ offset: number; length: number }[] | string> {
  const fat = await openFat(read);
  if (fat === undefined) return 'it is no FAT16 or FAT32 whose table fits its size';
  if (fat.isDirty && !isSettled) return 'it was not unmounted';
  const { dataOffset, clusterBytes, clusterCount } = fat;
  const behind = dataOffset + clusterCount * clusterBytes;
  if (behind > sizeBytes) return `it ends at byte ${behind}, the device at ${sizeBytes}`;
  const used = [{ offset: 0, length: dataOffset }];
  const add = (offset: number, length: number) => {
    const last = used.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else used.push({ offset, length });
  };
  const taken = await takenClusters(fat);
  for (let cluster = 0; cluster < clusterCount; cluster++)
    if (taken[cluster] === 1) add(dataOffset + cluster * clusterBytes, clusterBytes);
  if (behind < sizeBytes) add(behind, sizeBytes - behind);
  return used;
}

/** @returns 1 for each that is taken, the first being cluster 2 */
async function takenClusters(fat: Fat): Promise<Uint8Array> {
  const { read, clusterCount, fatOffset, fatBytes, copies, entryBytes } = fat;
  const taken = new Uint8Array(clusterCount);
  const endOfTable = (FIRST_CLUSTER + clusterCount) * entryBytes;
  for (let copy = 0; copy < copies; copy++) {
    for (let at = 0; at < endOfTable; at += READ_BYTES) {
      const entries = await read(fatOffset + copy * fatBytes + at, Math.min(READ_BYTES, endOfTable - at));
      const first = at / entryBytes - FIRST_CLUSTER;
      for (let i = Math.max(0, -first); i < entries.length / entryBytes; i++) {
        // Of FAT32 the upper four bits are reserved.
        const next = entryBytes === 4 ? entries.readUInt32LE(4 * i) & 0x0fffffff : entries.readUInt16LE(2 * i);
        if (next !== 0 && next !== BAD_CLUSTER[entryBytes]) taken[first + i] = 1;
      }
    }
  }
  return taken;
}
