import { nodePath, partitionsOf, readAttribute } from '../device/block-tree.js';
import type { BootDisk } from '../device/boot-disk.js';
import type { HeldBtrfs } from '../device/btrfs-hold.js';
import { type DiskMap, type DiskMapInput, diskMap, type VolumeContent } from '../device/disk-map.js';
import { type FilesystemFacts, probeFilesystem, UNKNOWN } from '../device/filesystem.js';
import { hiddenMounts } from '../device/hidden-mounts.js';
import { type LogicalVolume, type Lvm, readLvm } from '../device/lvm.js';
import { type HeldSnapshot, holdSnapshots, reapSnapshots, type SnapshotHolder } from '../device/lvm-snapshot.js';
import { mapperPath, mountedVolumes } from '../device/mounted-volumes.js';
import { type Partition, type PartitionTable, type ReadRange, readPartitionTable } from '../device/partition-table.js';
import { type SettledCopy, settle } from '../device/settle.js';
import { roundSize } from '../device/sizes.js';
import { openSource, type Source } from '../device/source.js';
import { type MappedDevice, type UsedBlocksOptions, type UsedRange, usedBlocks } from '../device/used-blocks.js';
import { LifeboatError } from '../error.js';
import type { RunReport } from '../image/report.js';
import { alignedBuffer, flushDeviceCache } from '../native/libc.js';
import { readAt } from '../stream/read-at.js';
import { type GuestPolicy, guestReason } from './guests.js';
import { errorInWords, heldBtrfs, refuseWithoutBtrfs } from './held-btrfs.js';
import { leavingPoolsInactive } from './inactive-pools.js';
import { lvmChanges } from './lvm-changes.js';
import { behindLayers, physicalVolumesOn, readMetadata } from './physical-volumes.js';

export interface ConsistentDiskOptions extends GuestPolicy {
  disk: BootDisk;
  snapshot: 'auto' | 'lvm' | 'btrfs' | 'none';
  /** Refuse rather than save a mounted file system as after a crash. */
  requireConsistent: boolean;
  /** Nothing is made or removed, on the disk or elsewhere. */
  dryRun: boolean;
  /** In the target: copies of partitions that have no snapshot lie here, without a name. */
  scratchDirectory: string;
  signal: AbortSignal;
}

/** A disk in use, as it was at one moment: what to read of it and from where. */
export interface ConsistentDisk {
  map: DiskMap;
  consistency: 'snapshot' | 'crash' | 'still';
  guests: 'left out' | 'included' | 'none';
  table: PartitionTable;
  /** As it was before any snapshot of ours. */
  lvm: Lvm;
  /** What each partition holds, by its number, and each volume, by "vg/name". */
  partitionFacts: Map<number, FilesystemFacts>;
  volumeFacts: Map<string, FilesystemFacts>;
  warnings: string[];
  /** Rejects when a snapshot overflows, or fills its file system. Never resolves. */
  watched: Promise<never>;
  /**
   * Whether anybody but us has changed LVM's metadata meanwhile, in words; undefined if not.
   * @throws LifeboatError FAILED if what was read cannot be relied on
   */
  changedMeanwhile(): Promise<string | undefined>;
  /** Removes snapshots and copies. Nothing may be reading any more. Idempotent. */
  release(): Promise<void>;
}

/**
 * Reads a disk's maps, makes snapshots of what is mounted, and puts together what to save of it.
 * @throws LifeboatError; nothing of ours is left on the disk then
 */
export async function openConsistentDisk(options: ConsistentDiskOptions, report: RunReport): Promise<ConsistentDisk> {
  const { disk, signal } = options;
  const closing: (() => Promise<void> | void)[] = [];
  const release = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    return await prepare(options, report, await openSource(disk.path, signal), closing, release);
  } catch (error) {
    await release();
    throw error;
  }
}

async function prepare(
  options: ConsistentDiskOptions,
  report: RunReport,
  source: Source,
  closing: (() => Promise<void> | void)[],
  release: () => Promise<void>,
): Promise<ConsistentDisk> {
  const { disk, signal } = options;
  closing.push(() => source.close());
  const warnings: string[] = [];
  const warn = (text: string) => {
    warnings.push(text);
    report.warn(text);
  };
  const say = (text: string) => report.detail(text);

  let lvm = await readLvm(signal);
  // Their removal is a change of LVM's metadata, and has to be over before those are read.
  if (!options.dryRun && (await reapSnapshots(lvm, warn)) > 0) lvm = await readLvm(signal);

  const readDisk = rangeReader(source);
  const table = await readPartitionTable(readDisk, source.sizeBytes, source.logicalSectorBytes);
  const volumes = physicalVolumesOn(disk, lvm);
  const pvs: DiskMapInput['pvs'] = [];
  for (const owned of volumes) pvs.push(await readMetadata(owned, table, source.sizeBytes, readDisk, lvm));

  const groups = new Set(volumes.map(({ vg }) => vg.name));
  const holder = await snapshotsOf(options, lvm, groups, { warn, say });
  if (holder !== undefined) closing.push(() => holder.release());
  const snapshots = new Map(holder?.snapshots.map((held) => [held.origin.uuid, held]));

  const hidden = hiddenMounts(disk.name);
  const readLive = new Set<string>();
  const isHidden = (...paths: string[]): boolean => {
    const mount = hidden.find(({ device }) => paths.includes(device));
    if (mount === undefined) return false;
    const { device, mountpoint, pid } = mount;
    if (!readLive.has(device))
      warn(
        `"${device}" is mounted in another mount namespace only (by process ${pid}, on "${mountpoint}"): all of it is read, while it changes`,
      );
    readLive.add(device);
    return true;
  };
  const volumeFacts = new Map<string, FilesystemFacts>();
  let leavesGuestsOut = false;
  let hasGuests = false;
  const covered = new Set<string>();
  for (const { origin } of holder?.snapshots ?? []) covered.add(mapperPath(origin)).add(origin.path);
  for (const entry of pvs) {
    for (const volume of entry.volumes) {
      const guest = guestReason(volume, entry.volumes, disk.mounts, options);
      hasGuests ||= guest.isGuest;
      leavesGuestsOut ||= guest.excluded !== undefined && guest.isGuest;
      const content = await volumeContent(
        volume,
        guest.excluded,
        snapshots.get(volume.uuid),
        () => isMounted(volume, disk) || isHidden(volume.path, mapperPath(volume)),
        signal,
        say,
        closing,
      );
      entry.contents.set(volume.name, content);
      volumeFacts.set(`${volume.vg}/${volume.name}`, content.facts);
    }
  }
  for (const [index, entry] of pvs.entries()) pvs[index] = leavingPoolsInactive(entry, lvm, warn);

  refuseWithoutBtrfs(options, table);
  const btrfs: HeldBtrfs[] = [];
  const partitions = new Map<number, VolumeContent>();
  const partitionFacts = new Map<number, FilesystemFacts>();
  for (const partition of table.partitions) {
    if (partition.role === 'extended' || volumes.some((owned) => owned.partition === partition.number)) continue;
    const found = await partitionContent(partition, options, readDisk, { warn, say, closing, btrfs, isHidden });
    partitions.set(partition.number, found.content);
    partitionFacts.set(partition.number, found.content.facts);
    if (found.coveredDevice !== undefined) covered.add(found.coveredDevice);
  }

  // A partition off the borders of 4096 bytes is read through the disk's cache, which knows nothing of its partitions'.
  if (btrfs.length > 0 && source.kind === 'block') flushDeviceCache(source.fd);

  const isInUse = disk.mounts.length > 0;
  const isCrash = readLive.size > 0 || disk.mounts.some(({ device }) => !covered.has(device));
  const consistency = isCrash ? 'crash' : isInUse ? 'snapshot' : 'still';
  if (isCrash && !options.dryRun) refuseOrWarn(options, warn);
  const map = diskMap({ sizeBytes: source.sizeBytes, table, partitions, pvs });
  return {
    map,
    consistency,
    guests: leavesGuestsOut ? 'left out' : hasGuests ? 'included' : 'none',
    table,
    lvm,
    partitionFacts,
    volumeFacts,
    warnings,
    watched: Promise.race([...btrfs, ...(holder === undefined ? [] : [holder])].map(({ watched }) => watched)),
    changedMeanwhile: async () => {
      for (const held of btrfs) await held.proveUntouched();
      return lvmChanges(lvm, await readLvm(signal), groups, holder?.snapshots ?? []);
    },
    release,
  };
}

function refuseOrWarn({ requireConsistent }: ConsistentDiskOptions, warn: (text: string) => void): void {
  const meaning =
    'mounted file systems are read while they change, so their blocks come from different moments: ext4 and XFS are ' +
    'repaired by journal and fsck, as a rule; a btrfs may not mount at all; files and databases that were written to ' +
    'meanwhile may be damaged';
  if (requireConsistent) {
    throw new LifeboatError(
      'FAILED',
      `Cannot save a consistent state, and --require-consistent was given: ${meaning}`,
      {
        hint: 'the warnings above, and lifeboat doctor, say what a snapshot lacks here (free extents in the volume group, as a rule)',
      },
    );
  }
  warn(`consistency: crash. ${meaning}`);
}

/** Reads ranges of any alignment, past the cache where that is possible. */
function rangeReader(file: { fd: number; directFd: number | undefined; path: string }): ReadRange {
  return async (offset, length) => {
    const into = alignedBuffer(length);
    const done = await readAt(file, into, offset, length);
    if (done === length) return into;
    throw new LifeboatError('FAILED', `Cannot read "${file.path}" at offset ${offset + done}: it ends there`, {
      offset,
    });
  };
}

function isMounted(volume: LogicalVolume, disk: BootDisk): boolean {
  return mountedVolumes({ logical: [volume] }, disk.mounts).length > 0;
}

async function snapshotsOf(
  options: ConsistentDiskOptions,
  lvm: Lvm,
  groups: ReadonlySet<string>,
  { warn, say }: { warn(text: string): void; say(text: string): void },
): Promise<SnapshotHolder | undefined> {
  const { disk, snapshot, dryRun, signal } = options;
  if (dryRun) return undefined;
  const all = mountedVolumes(lvm, disk.mounts);
  const mounted = all.filter(({ vg, role }) => groups.has(vg) && role === 'thick');
  if (snapshot === 'auto' || snapshot === 'lvm')
    for (const volume of all) if (!groups.has(volume.vg)) warn(`no snapshot: ${behindLayers(volume)}`);
  if (snapshot === 'none' || snapshot === 'btrfs' || mounted.length === 0) {
    if (snapshot !== 'lvm') return undefined;
    throw new LifeboatError(
      'FAILED',
      `Cannot make LVM snapshots: nothing that is mounted from "${disk.path}" is on LVM`,
      {
        hint: '--snapshot auto takes what there is',
      },
    );
  }
  try {
    return await holdSnapshots(mounted, lvm, { signal, say });
  } catch (error) {
    signal.throwIfAborted();
    if (snapshot === 'lvm' || !(error instanceof LifeboatError)) throw error;
    warn(`no snapshot: ${errorInWords(error)}`);
    return undefined;
  }
}

async function volumeContent(
  volume: LogicalVolume,
  excluded: string | undefined,
  held: HeldSnapshot | undefined,
  isChanging: () => boolean,
  signal: AbortSignal,
  say: (text: string) => void,
  closing: (() => Promise<void> | void)[],
): Promise<VolumeContent> {
  if (excluded !== undefined) return { facts: UNKNOWN, used: undefined, from: undefined, excluded };
  if (held !== undefined) {
    const read = rangeReader(held);
    const facts = await probeFilesystem(read, volume.sizeBytes);
    const used = await usedOf({ path: held.path, read }, facts, volume.sizeBytes, { signal }, say);
    return { facts, used, from: { fd: held.fd, directFd: held.directFd, path: held.path }, excluded: undefined };
  }
  // What nobody has activated cannot be looked into, and is read extent by extent.
  if (!volume.active || volume.path === '' || volume.role !== 'thick')
    return { facts: UNKNOWN, used: undefined, from: undefined, excluded: undefined };
  const device = await openSource(volume.path, signal);
  closing.push(() => device.close());
  const read = rangeReader(device);
  const facts = await probeFilesystem(read, volume.sizeBytes);
  const used = isChanging()
    ? undefined
    : await usedOf({ path: volume.path, read }, facts, volume.sizeBytes, { signal }, say);
  return { facts, used, from: undefined, excluded: undefined };
}

async function usedOf(
  device: MappedDevice,
  facts: FilesystemFacts,
  sizeBytes: number,
  options: UsedBlocksOptions,
  say: (text: string) => void,
): Promise<UsedRange[] | undefined> {
  if (facts.type === 'unknown' || facts.type === 'swap') return undefined;
  const found = await usedBlocks(device, facts, sizeBytes, options);
  if (found.used === undefined) say(`all of ${device.path} is read (${facts.type}): ${found.reason}`);
  return found.used;
}

interface PartitionWork {
  warn(text: string): void;
  say(text: string): void;
  closing: (() => Promise<void> | void)[];
  /** Takes what is held. */
  btrfs: HeldBtrfs[];
  /** Whether somebody has a device mounted where we do not see it. */
  isHidden(path: string): boolean;
}

async function partitionContent(
  partition: Partition,
  options: ConsistentDiskOptions,
  readDisk: ReadRange,
  { warn, say, closing, btrfs, isHidden }: PartitionWork,
): Promise<{ content: VolumeContent; coveredDevice: string | undefined }> {
  const { disk, signal, scratchDirectory } = options;
  const { offset, sizeBytes } = partition;
  const read: ReadRange = (at, length) => readDisk(offset + at, length);
  const facts = await probeFilesystem(read, sizeBytes);
  const plain: VolumeContent = { facts, used: undefined, from: undefined, excluded: undefined };
  const kernelName = partitionsOf(disk.name).find(
    (name) => Number(readAttribute(name, 'partition')) === partition.number,
  );
  if (kernelName === undefined) return { content: plain, coveredDevice: undefined };
  const path = nodePath(kernelName);
  const mount = disk.mounts.find(({ device }) => device === path);
  if (mount === undefined) {
    const used = isHidden(path) ? undefined : await usedOf({ path, read }, facts, sizeBytes, { signal }, say);
    return { content: { ...plain, used }, coveredDevice: undefined };
  }
  if (mount.fsType === 'btrfs') {
    const held = await heldBtrfs(path, options, { warn, say });
    if (held === undefined) return { content: plain, coveredDevice: undefined };
    closing.push(() => held.release());
    btrfs.push(held);
    return { content: { ...plain, used: held.used, from: held.from }, coveredDevice: path };
  }
  if (!isSmallBootPartition(mount.mountpoint) || options.dryRun) return { content: plain, coveredDevice: undefined };
  const copy: SettledCopy = await settle({
    device: path,
    mountpoint: mount.mountpoint,
    directory: scratchDirectory,
    ownPaths: [scratchDirectory],
    // Looked at anew: what stands still has a clean journal, and its map can be trusted.
    mapUsed: async (settled, at) => {
      const partitionRead = rangeReader(settled);
      const now = await probeFilesystem(partitionRead, sizeBytes);
      return usedOf({ path, read: partitionRead }, now, sizeBytes, { signal: at, isSettled: true }, say);
    },
    signal,
    say: warn,
  });
  closing.push(() => copy.close());
  say(`${mount.mountpoint} (${path}, ${roundSize(sizeBytes)}) was ${copy.how}`);
  const from = { fd: copy.fd, directFd: copy.directFd, path: copy.path };
  return { content: { ...plain, used: copy.used, from }, coveredDevice: copy.how === 'changing' ? undefined : path };
}

/** What is copied in whole before it is imaged has to be small and quiet. */
function isSmallBootPartition(mountpoint: string): boolean {
  return mountpoint === '/boot' || mountpoint === '/efi' || mountpoint.startsWith('/boot/');
}
