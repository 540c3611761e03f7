import type { FilesystemFacts } from './filesystem.js';

/**
 * One function for each kind: the first bytes of a partition in, what its superblock says out; undefined if there is none
 * of that kind, or one that cannot be of a partition of that size.
 */

const EXT_AT = 1024;
const EXT_MAGIC = 0xef53;
const EXT_RECOVER = 0x4;
const EXT_JOURNAL_DEVICE = 0x8;
const EXT_64BIT = 0x80;
const EXT_CLEAN = 0x1;
const EXT_HAS_ERRORS = 0x2;

/** Fields: https://docs.kernel.org/filesystems/ext4/super.html */
export function extFacts(head: Buffer, sizeBytes: number): FilesystemFacts | undefined {
  const at = (offset: number) => EXT_AT + offset;
  if (head.length < at(1024) || head.readUInt16LE(at(0x38)) !== EXT_MAGIC) return undefined;
  const incompat = head.readUInt32LE(at(0x60));
  const logBlock = head.readUInt32LE(at(0x18));
  if (incompat & EXT_JOURNAL_DEVICE || logBlock > 6) return undefined;
  const wide = (incompat & EXT_64BIT) !== 0;
  const count = (low: number, high: number) =>
    head.readUInt32LE(at(low)) + (wide ? head.readUInt32LE(at(high)) * 2 ** 32 : 0);
  const blockBytes = 1024 << logBlock;
  const blocks = count(0x4, 0x150);
  const free = count(0xc, 0x158);
  if (!fits(blocks, blockBytes, sizeBytes) || free > blocks) return undefined;
  return {
    type: 'ext4',
    uuid: uuidAt(head, at(0x68)),
    label: textAt(head, at(0x78), 16),
    sizeBytes: blocks * blockBytes,
    usedBytes: (blocks - free) * blockBytes,
    blockBytes,
    ...doubtOf(extDoubt(head, incompat)),
  };
}

function extDoubt(head: Buffer, incompat: number): string | undefined {
  const state = head.readUInt16LE(EXT_AT + 0x3a);
  if (incompat & EXT_RECOVER) return 'its journal was not replayed';
  if (state & EXT_HAS_ERRORS) return 'it has errors that fsck should look at';
  return state & EXT_CLEAN ? undefined : 'it was not unmounted';
}

/** Numbers are big-endian. Fields: xfs_dsb in fs/xfs/libxfs/xfs_format.h */
export function xfsFacts(head: Buffer, sizeBytes: number): FilesystemFacts | undefined {
  if (head.length < 512 || head.toString('latin1', 0, 4) !== 'XFSB') return undefined;
  const blockBytes = head.readUInt32BE(4);
  const blocks = Number(head.readBigUInt64BE(8));
  const free = Number(head.readBigUInt64BE(144));
  if (!isPowerOfTwo(blockBytes, 512, 65536) || !fits(blocks, blockBytes, sizeBytes) || free > blocks) return undefined;
  return {
    type: 'xfs',
    uuid: uuidAt(head, 32),
    label: textAt(head, 108, 12),
    sizeBytes: blocks * blockBytes,
    usedBytes: (blocks - free) * blockBytes,
    blockBytes,
    ...doubtOf(head[126] === 0 ? undefined : 'mkfs or a copy of it was not finished'),
  };
}

const BTRFS_AT = 65536;
const BTRFS_SHARED_FLAGS = (1n << 32n) | (1n << 33n) | (1n << 35n) | (1n << 36n);

/** Fields: btrfs_super_block in fs/btrfs/ctree.h */
export function btrfsFacts(head: Buffer, sizeBytes: number): FilesystemFacts | undefined {
  const at = (offset: number) => BTRFS_AT + offset;
  if (head.length < at(4096) || head.toString('latin1', at(0x40), at(0x48)) !== '_BHRfS_M') return undefined;
  const big = (offset: number) => Number(head.readBigUInt64LE(at(offset)));
  const blockBytes = head.readUInt32LE(at(0x90));
  const devices = big(0x88);
  const [total, used] = [big(0x70), big(0x78)];
  if (big(0x30) !== BTRFS_AT || !isPowerOfTwo(blockBytes, 512, 65536) || used > total) return undefined;
  if (devices === 1 && total > sizeBytes) return undefined;
  return {
    type: 'btrfs',
    uuid: uuidAt(head, at(0x20)),
    label: textAt(head, at(0x12b), 256),
    sizeBytes: total,
    usedBytes: used,
    blockBytes,
    ...doubtOf(btrfsDoubt(devices, big(0x60), head.readBigUInt64LE(at(0x38)))),
  };
}

function btrfsDoubt(devices: number, logRoot: number, flags: bigint): string | undefined {
  if (devices !== 1) return `it spans ${devices} devices`;
  if (logRoot !== 0) return 'its log was not replayed';
  return (flags & BTRFS_SHARED_FLAGS) === 0n ? undefined : 'it is a seed, or its UUID is being changed';
}

const FAT_UNKNOWN_COUNT = 0xffffffff;

/** Fields: Microsoft's FAT specification, 1.03. What it takes to tell it from any boot sector is libblkid's. */
export function vfatFacts(head: Buffer, sizeBytes: number): FilesystemFacts | undefined {
  if (head.length < 512 || head.readUInt16LE(510) !== 0xaa55) return undefined;
  const jump = head[0];
  const blockBytes = head.readUInt16LE(11);
  const clusterSectors = head[13] as number;
  const [reserved, fats, rootEntries] = [head.readUInt16LE(14), head[16] as number, head.readUInt16LE(17)];
  const sectors = head.readUInt16LE(19) || head.readUInt32LE(32);
  const isFat32 = head.readUInt16LE(22) === 0;
  const fatSectors = head.readUInt16LE(22) || head.readUInt32LE(36);
  const media = head[21] as number;
  if ((jump !== 0xeb && jump !== 0xe9) || !isPowerOfTwo(blockBytes, 512, 4096)) return undefined;
  if (!isPowerOfTwo(clusterSectors, 1, 128) || reserved === 0 || fats < 1 || fats > 2) return undefined;
  if (fatSectors === 0 || (media !== 0xf0 && media < 0xf8) || !fits(sectors, blockBytes, sizeBytes)) return undefined;
  if (!head.toString('latin1', isFat32 ? 82 : 54, isFat32 ? 90 : 62).startsWith('FAT')) return undefined;
  const clustersAt = reserved + fats * fatSectors + Math.ceil((rootEntries * 32) / blockBytes);
  const clusters = Math.floor((sectors - clustersAt) / clusterSectors);
  if (clusters <= 0) return undefined;
  const free = isFat32 ? freeClusters(head, blockBytes) : undefined;
  const serial = head
    .readUInt32LE(isFat32 ? 67 : 39)
    .toString(16)
    .toUpperCase()
    .padStart(8, '0');
  const label = head.toString('latin1', isFat32 ? 71 : 43, isFat32 ? 82 : 54).trimEnd();
  return {
    type: 'vfat',
    uuid: `${serial.slice(0, 4)}-${serial.slice(4)}`,
    label: label === '' || label === 'NO NAME' ? undefined : label,
    sizeBytes: sectors * blockBytes,
    usedBytes:
      free === undefined || free > clusters
        ? undefined
        : (clustersAt + (clusters - free) * clusterSectors) * blockBytes,
    blockBytes,
  };
}

function freeClusters(head: Buffer, blockBytes: number): number | undefined {
  const at = head.readUInt16LE(48) * blockBytes;
  if (at === 0 || at + 512 > head.length) return undefined;
  if (head.readUInt32LE(at) !== 0x41615252 || head.readUInt32LE(at + 484) !== 0x61417272) return undefined;
  const free = head.readUInt32LE(at + 488);
  return free === FAT_UNKNOWN_COUNT ? undefined : free;
}

/** The mark is at the end of the first page. A hibernated system's is another: that is no empty swap. */
export function swapFacts(head: Buffer, sizeBytes: number): FilesystemFacts | undefined {
  for (const pageBytes of [4096, 8192, 16384, 65536]) {
    if (head.length < pageBytes || head.toString('latin1', pageBytes - 10, pageBytes) !== 'SWAPSPACE2') continue;
    const [version, lastPage] = [head.readUInt32LE(1024), head.readUInt32LE(1028)];
    if (version !== 1 || !fits(lastPage + 1, pageBytes, sizeBytes)) return undefined;
    return {
      type: 'swap',
      uuid: uuidAt(head, 1036),
      label: textAt(head, 1052, 16),
      sizeBytes: (lastPage + 1) * pageBytes,
      usedBytes: undefined,
      blockBytes: pageBytes,
    };
  }
  return undefined;
}

/** In any of the first four sectors, which says itself which one it is. */
export function lvmFacts(head: Buffer): FilesystemFacts | undefined {
  for (let sector = 0; sector < 4; sector++) {
    const at = sector * 512;
    if (head.length < at + 512 || head.toString('latin1', at, at + 8) !== 'LABELONE') continue;
    if (head.toString('latin1', at + 24, at + 32) !== 'LVM2 001') continue;
    if (head.readBigUInt64LE(at + 8) !== BigInt(sector)) continue;
    const id = head.toString('latin1', at + 32, at + 64);
    return {
      type: 'lvm-pv',
      uuid: id.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7'),
      label: undefined,
      sizeBytes: Number(head.readBigUInt64LE(at + 64)),
      usedBytes: undefined,
      blockBytes: undefined,
    };
  }
  return undefined;
}

export function luksFacts(head: Buffer): FilesystemFacts | undefined {
  if (head.length < 4096 || head.toString('latin1', 0, 6) !== 'LUKS\xba\xbe') return undefined;
  return {
    type: 'luks',
    uuid: textAt(head, 168, 40),
    label: head.readUInt16BE(6) === 2 ? textAt(head, 24, 48) : undefined,
    sizeBytes: undefined,
    usedBytes: undefined,
    blockBytes: undefined,
  };
}

function doubtOf(doubt: string | undefined): { doubt?: string } {
  return doubt === undefined ? {} : { doubt };
}

function fits(blocks: number, blockBytes: number, sizeBytes: number): boolean {
  return blocks > 0 && blocks * blockBytes <= sizeBytes;
}

function isPowerOfTwo(value: number, least: number, most: number): boolean {
  return value >= least && value <= most && (value & (value - 1)) === 0;
}

function uuidAt(bytes: Buffer, at: number): string {
  const hex = bytes.toString('hex', at, at + 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Undefined if empty. */
function textAt(bytes: Buffer, at: number, length: number): string | undefined {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end) || undefined;
}
