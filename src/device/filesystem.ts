import type { ReadRange } from './partition-table.js';
import { btrfsFacts, extFacts, luksFacts, lvmFacts, swapFacts, vfatFacts, xfsFacts } from './superblocks.js';

/** What a partition or volume says of itself at its known places. What is not known for sure is undefined. */
export interface FilesystemFacts {
  /** "ext4" is ext2 and ext3 too. "unknown" is also what bears the marks of more than one. */
  type: 'ext4' | 'xfs' | 'btrfs' | 'vfat' | 'swap' | 'lvm-pv' | 'zfs' | 'md' | 'luks' | 'unknown';
  uuid: string | undefined;
  label: string | undefined;
  /** Of the file system, which may be smaller than what holds it. */
  sizeBytes: number | undefined;
  /** Blocks in use, with the file system's own; undefined where the superblock does not say. */
  usedBytes: number | undefined;
  /** Swap: a page. */
  blockBytes: number | undefined;
  /**
   * Why its allocation maps on the disk cannot be relied on; absent if nothing speaks against them. A snapshot of a
   * mounted file system is as good as an unmounted one, for device mapper freezes it first.
   */
  doubt?: string;
}

export const UNKNOWN: Readonly<FilesystemFacts> = {
  type: 'unknown',
  uuid: undefined,
  label: undefined,
  sizeBytes: undefined,
  usedBytes: undefined,
  blockBytes: undefined,
};

/** Holds every superblock at the start: btrfs has its own at 64 KiB, ZFS a ring of them up to 256 KiB. */
const HEAD_BYTES = 256 * 1024;
const PROBES = [extFacts, xfsFacts, btrfsFacts, vfatFacts, swapFacts, lvmFacts, luksFacts, zfsFacts];

/**
 * Tells what a partition or volume holds by its superblock. A superblock that does not fit its device, or the marks of
 * two file systems (mkfs leaves those of an earlier one behind), give "unknown": then all of it has to be read.
 * @param read relative to the partition
 */
export async function probeFilesystem(read: ReadRange, sizeBytes: number): Promise<FilesystemFacts> {
  const head = await read(0, Math.min(HEAD_BYTES, sizeBytes));
  // A member of a mirror looks like the file system on it; the mark of the array lies at its end.
  if (await isRaidMember(read, head, sizeBytes)) return { ...UNKNOWN, type: 'md' };
  const found = PROBES.map((probe) => probe(head, sizeBytes)).filter((facts) => facts !== undefined);
  const [only] = found;
  return found.length === 1 && only !== undefined ? only : { ...UNKNOWN };
}

const MD_MAGIC = 0xa92b4efc;

async function isRaidMember(read: ReadRange, head: Buffer, sizeBytes: number): Promise<boolean> {
  const has = (bytes: Buffer, at: number) => bytes.length >= at + 4 && bytes.readUInt32LE(at) === MD_MAGIC;
  if (has(head, 0) || has(head, 4096)) return true;
  if (sizeBytes < 128 * 1024) return false;
  // md_p.h: version 0.90 lies in the last whole 64 KiB, version 1.0 at least 8 KiB before the end, at a multiple of 4 KiB.
  const old = Math.floor(sizeBytes / 65536) * 65536 - 65536;
  const late = Math.floor((Math.floor(sizeBytes / 512) - 16) / 8) * 4096;
  return has(await read(old, 512), 0) || has(await read(late, 512), 0);
}

const ZFS_UBERBLOCKS_AT = 128 * 1024;
const ZFS_MAGIC = 0x00bab10cn;

function zfsFacts(head: Buffer): FilesystemFacts | undefined {
  for (let at = ZFS_UBERBLOCKS_AT; at + 8 <= head.length; at += 1024)
    if (head.readBigUInt64LE(at) === ZFS_MAGIC || head.readBigUInt64BE(at) === ZFS_MAGIC)
      return { ...UNKNOWN, type: 'zfs' };
  return undefined;
}
