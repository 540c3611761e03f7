import { KERNEL, type KernelRoots, nameOfNode, parentDisk, readAttribute } from '../device/block-tree.js';
import type { BootDisk } from '../device/boot-disk.js';
import type { PhysicalVolumeOnDisk } from '../device/disk-map.js';
import type { LogicalVolume, Lvm, PhysicalVolume, VolumeGroup } from '../device/lvm.js';
import type { PartitionTable, ReadRange } from '../device/partition-table.js';
import { LifeboatError } from '../error.js';

/** LVM keeps a second copy of its metadata behind the last extent, if at all; more than this is no metadata. */
const LARGEST_TRAILER_BYTES = 64 * 1024 * 1024;
const LARGEST_HEADER_BYTES = 64 * 1024 * 1024;

/** A physical volume, and where on the disk it is: on a partition, or undefined for all of it. */
export interface PhysicalVolumePlace {
  pv: PhysicalVolume;
  vg: VolumeGroup;
  partition: number | undefined;
}

/** The physical volumes of a disk that are in a group. */
export function physicalVolumesOn(disk: BootDisk, lvm: Lvm, roots: KernelRoots = KERNEL): PhysicalVolumePlace[] {
  return lvm.physical.flatMap((pv): PhysicalVolumePlace[] => {
    const vg = lvm.groups.find(({ name }) => name === pv.vg);
    const name = nameOfNode(pv.path, roots);
    if (vg === undefined || name === undefined) return [];
    if (name === disk.name) return [{ pv, vg, partition: undefined }];
    if (parentDisk(name, roots) !== disk.name) return [];
    return [{ pv, vg, partition: Number(readAttribute(name, 'partition', roots)) }];
  });
}

/** Why a snapshot of a volume is no use for a disk's image, where none of the disk's own physical volumes is in its group. */
export function behindLayers({ vg, name }: Pick<LogicalVolume, 'vg' | 'name'>): string {
  return `${vg}/${name} lies behind RAID or encryption, so nothing tells where on the disk its blocks are`;
}

/** Label and metadata as they are before our snapshots: the image must not know of them. */
export async function readMetadata(
  { pv, vg, partition }: PhysicalVolumePlace,
  table: PartitionTable,
  diskBytes: number,
  readDisk: ReadRange,
  lvm: Lvm,
): Promise<PhysicalVolumeOnDisk> {
  const place = table.partitions.find(({ number }) => number === partition);
  if (partition !== undefined && place === undefined) {
    throw new LifeboatError('FAILED', `Cannot find partition ${partition} of "${pv.path}" in the disk's table`, {
      hint: 'the kernel and the disk disagree: partprobe, or reboot, and run this again',
    });
  }
  const { offset, sizeBytes } = place ?? { offset: 0, sizeBytes: diskBytes };
  if (pv.dataOffset > LARGEST_HEADER_BYTES)
    throw new LifeboatError('FAILED', `The metadata of "${pv.path}" takes ${pv.dataOffset} bytes, which cannot be`);
  const header = await readDisk(offset, pv.dataOffset);
  const dataEnd = pv.dataOffset + pv.extentCount * vg.extentBytes;
  const trailerBytes = sizeBytes - dataEnd;
  const hasTrailer = trailerBytes > 0 && trailerBytes <= LARGEST_TRAILER_BYTES;
  const trailer = hasTrailer ? { offset: dataEnd, bytes: await readDisk(offset + dataEnd, trailerBytes) } : undefined;
  const volumes = lvm.logical.filter((volume) => volume.vg === vg.name);
  return { partition, pv, vg, header, trailer, volumes, contents: new Map() };
}
