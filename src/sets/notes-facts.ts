import type { FilesystemFacts } from '../device/filesystem.js';
import type { LogicalVolume, Lvm, VolumeGroup } from '../device/lvm.js';
import { mapperPath } from '../device/mounted-volumes.js';
import type { PartitionTable } from '../device/partition-table.js';
import type { HostFacts } from '../host/host-facts.js';
import { partitionPath } from './next-steps.js';
import type { SetManifest } from './set-manifest.js';

/** What RECOVERY.md is written from. */
export interface NotesFacts {
  manifest: SetManifest;
  host: HostFacts;
  table: PartitionTable;
  /** As it was before any snapshot of ours. */
  lvm: Lvm;
  /** What each partition holds, by its number. */
  partitionFacts: ReadonlyMap<number, FilesystemFacts>;
  /** What each volume holds, by "vg/name". */
  volumeFacts: ReadonlyMap<string, FilesystemFacts>;
  /** Where the set lies, as seen from the host. */
  place: { path: string; mountpoint: string; source: string; fsType: string } | undefined;
}

/** A volume group on the disk that was saved. */
export interface DiskGroup {
  group: VolumeGroup;
  /** Numbers of the partitions that it is on; empty where it is on the whole disk. */
  partitions: number[];
  volumes: LogicalVolume[];
}

/** The disk that is restored to, in commands: the reader fills it in once. Partitions are `"$PART"3`. */
export const DISK = '"$DISK"';

/** A shell makes `$PART` of `$DISK`: partition 3 of /dev/sdX is /dev/sdX3, that of /dev/nvme0n1 is /dev/nvme0n1p3. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
export const SET_PART = 'case $DISK in *[0-9]) PART=${DISK}p ;; *) PART=$DISK ;; esac';

export function partitionOf(number: number): string {
  return `"$PART"${number}`;
}

/** The volume groups that lie on the disk, in part at least. */
export function groupsOnDisk({ manifest, table, lvm }: NotesFacts): DiskGroup[] {
  const numberOf = new Map(table.partitions.map(({ number }) => [partitionPath(manifest.disk.path, number), number]));
  return lvm.groups.flatMap((group) => {
    const own = lvm.physical.filter(
      ({ vg, path }) => vg === group.name && (numberOf.has(path) || path === manifest.disk.path),
    );
    if (own.length === 0) return [];
    const partitions = own.flatMap(({ path }) => numberOf.get(path) ?? []).sort((a, b) => a - b);
    return [{ group, partitions, volumes: lvm.logical.filter(({ vg }) => vg === group.name) }];
  });
}

/** How "/" is named after a restore, in a command; undefined where it is on no partition or volume that we know. */
export function rootInCommands(facts: NotesFacts): { device: string; group: string | undefined } | undefined {
  const { host, table, manifest } = facts;
  for (const { group, volumes } of groupsOnDisk(facts)) {
    const root = volumes.find((volume) => mapperPath(volume) === host.root.device || volume.path === host.root.device);
    if (root !== undefined) return { device: `/dev/${group.name}/${root.name}`, group: group.name };
  }
  const partition = table.partitions.find(
    ({ number }) => partitionPath(manifest.disk.path, number) === host.root.device,
  );
  return partition === undefined ? undefined : { device: partitionOf(partition.number), group: undefined };
}

/** The ESPs of this disk, by their partitions' numbers. */
export function espsOnDisk({
  host,
  manifest,
  table,
}: NotesFacts): { number: number; uuid: string | undefined; mountpoint: string | undefined }[] {
  return table.partitions.flatMap(({ number, role }) => {
    const esp = host.esps.find(({ path }) => path === partitionPath(manifest.disk.path, number));
    if (esp === undefined && role !== 'efi-system') return [];
    return [{ number, uuid: esp?.uuid, mountpoint: esp?.mountpoint }];
  });
}

/** Thin pools of guests whose contents are not in the image: after a restore they are names without data. */
export function emptyPools(
  facts: NotesFacts,
): { group: VolumeGroup; pool: LogicalVolume; metadataBytes: number | undefined; volumes: LogicalVolume[] }[] {
  if (facts.manifest.guests !== 'left out') return [];
  const mounted = new Set(
    facts.host.blockDevices.filter(({ mountpoints }) => mountpoints.length > 0).map(({ path }) => path),
  );
  mounted.add(facts.host.root.device);
  return groupsOnDisk(facts).flatMap(({ group, volumes }) =>
    volumes
      .filter(({ role }) => role === 'thin-pool')
      .flatMap((pool) => {
        const inside = volumes.filter((volume) => volume.pool === pool.name && volume.role !== 'internal');
        // A pool that the host lives on itself is in the image.
        if (inside.some((volume) => mounted.has(mapperPath(volume)) || mounted.has(volume.path))) return [];
        const metadata = volumes.find(({ name, role }) => role === 'internal' && name === `${pool.name}_tmeta`);
        return [{ group, pool, metadataBytes: metadata?.sizeBytes, volumes: inside }];
      }),
  );
}
