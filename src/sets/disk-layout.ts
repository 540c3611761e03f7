import { listFatDirectory } from '../device/fat-files.js';
import { type FilesystemFacts, probeFilesystem } from '../device/filesystem.js';
import { type Gpt, readGpt } from '../device/gpt-move.js';
import { type Partition, type PartitionTable, type ReadRange, readPartitionTable } from '../device/partition-table.js';
import { volumeGroupName } from '../device/volume-group-name.js';

/** What somebody who restores a disk has to know of it, read from its image. */
export interface DiskLayout {
  sizeBytes: number;
  /** Undefined for a disk with an MBR, or none. */
  gpt: Gpt | undefined;
  table: PartitionTable;
  /** By the partition's number; none for one that only holds others. */
  contents: ReadonlyMap<number, FilesystemFacts>;
  /** Of partitions that are LVM physical volumes, as far as that can be told. */
  volumeGroups: ReadonlyMap<number, string>;
  loaders: EfiLoader[];
}

/** A file on an EFI system partition that firmware can start. */
export interface EfiLoader {
  partition: number;
  /** Its parts: EFI, proxmox, grubx64.efi. */
  path: readonly string[];
  /** Firmware starts it from any disk, without an entry. */
  isRemovable: boolean;
}

/**
 * @param read of the whole disk
 * @throws LifeboatError where the tables are malformed
 */
export async function readDiskLayout(read: ReadRange, sizeBytes: number, sectorBytes: number): Promise<DiskLayout> {
  const gpt = await readGpt(read, sectorBytes);
  const table = await readPartitionTable(read, sizeBytes, sectorBytes);
  const contents = new Map<number, FilesystemFacts>();
  const volumeGroups = new Map<number, string>();
  const loaders: EfiLoader[] = [];
  for (const partition of table.partitions) {
    if (partition.role === 'extended') continue;
    const readPartition: ReadRange = (offset, length) => read(partition.offset + offset, length);
    const facts = await probeFilesystem(readPartition, partition.sizeBytes);
    contents.set(partition.number, facts);
    if (facts.type === 'lvm-pv') {
      const name = await volumeGroupName(readPartition);
      if (name !== undefined) volumeGroups.set(partition.number, name);
    }
    if (facts.type === 'vfat') loaders.push(...(await findLoaders(readPartition, partition)));
  }
  return { sizeBytes, gpt, table, contents, volumeGroups, loaders };
}

/** Shim starts GRUB itself, and is what Secure Boot wants: the first that is there is the one to name. */
const LOADERS = [/^shim(x64|aa64)\.efi$/i, /^grub(x64|aa64)\.efi$/i, /^systemd-boot(x64|aa64)\.efi$/i];
const REMOVABLE_LOADER = /^boot(x64|aa64|ia32|riscv64)\.efi$/i;

async function findLoaders(read: ReadRange, { number }: Partition): Promise<EfiLoader[]> {
  const found: EfiLoader[] = [];
  for (const vendor of (await listFatDirectory(read, ['EFI'])) ?? []) {
    if (!vendor.isDirectory) continue;
    const files = (await listFatDirectory(read, ['EFI', vendor.name])) ?? [];
    const isRemovable = vendor.name.toLowerCase() === 'boot';
    const wanted = isRemovable ? [REMOVABLE_LOADER] : LOADERS;
    const file = wanted.map((pattern) => files.find(({ name }) => pattern.test(name))).find((match) => match);
    if (file !== undefined) found.push({ partition: number, path: ['EFI', vendor.name, file.name], isRemovable });
  }
  return found;
}
