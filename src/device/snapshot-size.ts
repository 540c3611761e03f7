import { LifeboatError } from '../error.js';
import type { LogicalVolume, VolumeGroup } from './lvm.js';
import { roundSize } from './sizes.js';

/** Room for what changes in one volume while its snapshot stands. */
export interface SnapshotSize {
  volume: LogicalVolume;
  extents: number;
  sizeBytes: number;
}

const MIB = 1024 ** 2;
/** Below this a snapshot would overflow at the first log rotation. */
const LEAST_BYTES = 64 * MIB;
const LEAST_SHARE = 0.01;
/** Left free if there is enough: a thin pool that grows by itself, and an admin in need, want extents too. */
const RESERVE_SHARE = 0.1;
const MOST_RESERVED_BYTES = 4096 * MIB;
/** LVM's own default for snapshots. Each chunk that was copied costs 16 bytes of a chunk of exceptions beside it. */
const CHUNK_BYTES = 4096;
const EXCEPTIONS_PER_CHUNK = CHUNK_BYTES / 16;
/** The header, and the chunk of exceptions that is begun. */
const MORE_CHUNKS = 2;

/**
 * Shares a group's free extents among the snapshots of its volumes, by the volumes' sizes.
 * @param volumes all of this group
 * @returns in the order of `volumes`
 * @throws LifeboatError NO_SPACE if one would be so small that it overflows soon
 */
export function snapshotSizes(volumes: readonly LogicalVolume[], group: VolumeGroup): SnapshotSize[] {
  const wishes = volumes.map((volume) => {
    const most = extentsOf(largestUse(volume.sizeBytes), group);
    const least = Math.min(most, extentsOf(Math.max(LEAST_BYTES, volume.sizeBytes * LEAST_SHARE), group));
    return { volume, most, least, extents: least };
  });
  const neededExtents = wishes.reduce((sum, { least }) => sum + least, 0);
  if (neededExtents > group.freeExtents) throw tooLittle(volumes, neededExtents, group);

  const reserved = extentsOf(
    Math.min(group.freeExtents * RESERVE_SHARE * group.extentBytes, MOST_RESERVED_BYTES),
    group,
  );
  let left = group.freeExtents - reserved - neededExtents;
  // What one volume can never use goes to the others, so again until nothing is handed out.
  for (let open = wishes; left > 0 && open.length > 0; ) {
    const weight = open.reduce((sum, { volume }) => sum + volume.sizeBytes, 0);
    const before = left;
    for (const wish of open) {
      const share = Math.floor((before * wish.volume.sizeBytes) / weight);
      const given = Math.min(share, wish.most - wish.extents);
      wish.extents += given;
      left -= given;
    }
    if (left === before) break;
    open = open.filter(({ extents, most }) => extents < most);
  }
  return wishes.map(({ volume, extents }) => ({ volume, extents, sizeBytes: extents * group.extentBytes }));
}

/** What a snapshot takes up once every chunk of its origin has changed. It cannot overflow then. */
function largestUse(originBytes: number): number {
  const chunks = Math.ceil(originBytes / CHUNK_BYTES);
  return (chunks + Math.ceil(chunks / EXCEPTIONS_PER_CHUNK) + MORE_CHUNKS) * CHUNK_BYTES;
}

function extentsOf(bytes: number, group: VolumeGroup): number {
  return Math.ceil(bytes / group.extentBytes);
}

function tooLittle(volumes: readonly LogicalVolume[], neededExtents: number, group: VolumeGroup): LifeboatError {
  const names = volumes.map(({ vg, name }) => `${vg}/${name}`).join(', ');
  const needed = roundSize(neededExtents * group.extentBytes);
  return new LifeboatError(
    'NO_SPACE',
    `Cannot snapshot ${names}: it takes ${needed} of free extents at least, and volume group ${group.name} has ` +
      `${roundSize(group.freeExtents * group.extentBytes)}`,
    {
      hint:
        `make room in ${group.name}: add a disk (vgextend ${group.name} /dev/sdX) or make the swap volume smaller ` +
        '(swapoff, lvreduce, mkswap, swapon); or go without a snapshot: --snapshot none',
    },
  );
}
