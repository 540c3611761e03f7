import { existsSync, readFileSync } from 'node:fs';
import { LifeboatError } from '../error.js';
import {
  backingFile,
  KERNEL,
  type KernelName,
  type KernelRoots,
  nameOfNode,
  nodePath,
  parentDisk,
  partitionsOf,
  readAttribute,
  slavesOf,
} from './block-tree.js';
import { devicesOf } from './mount-devices.js';
import { type Mount, readMounts, readSwaps } from './mounts.js';
import { udevProperty } from './udev.js';

export interface BootDisk {
  name: KernelName;
  path: string;
  sizeBytes: number;
  logicalSectorBytes: number;
  model: string | undefined;
  serial: string | undefined;
  /** Every file system of this mount namespace that lies on it, in part at least. */
  mounts: { mountpoint: string; device: string; fsType: string }[];
}

export type RootLayout = 'partition' | 'lvm' | 'md' | 'btrfs' | 'zfs' | 'other';

export interface BootFinding {
  /** Those under / first, then those under /boot and the ESPs; each once. Or the one that was named, if it is none of them. */
  disks: BootDisk[];
  /** False for a disk that was named and that this host does not boot from. */
  isBootDisk: boolean;
  /** `device` is a path, or the data set of a ZFS root. */
  root: { device: string; fsType: string; layout: RootLayout };
  bootMode: 'uefi' | 'bios';
  /** Paths of the devices and files in use as swap that lie on these disks. */
  swaps: string[];
  /** EFI system partitions on these disks, mounted or not. */
  esps: { device: string; mountpoint: string | undefined }[];
}

/** sysfs counts in these, whatever the device's own sectors are. */
const SYSFS_SECTOR_BYTES = 512;
/** The type that a GPT gives an EFI system partition. */
const ESP_TYPE = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const ESP_MOUNTPOINTS = ['/boot/efi', '/efi'];
const BOOT_MOUNTPOINTS = ['/boot', ...ESP_MOUNTPOINTS];

/**
 * The disks that this host boots from: those under /, /boot and the EFI system partitions, through LVM, RAID, btrfs,
 * encryption, partitions and loop devices. A mirror has all its disks here.
 * @param etc where proxmox-boot-tool keeps the UUIDs of the ESPs that it fills and nobody mounts
 * @param named a disk to look at, whether this host boots from it or not
 * @throws LifeboatError FAILED if / lies on no disk of this host, and none was named
 */
export async function findBootDisks(
  roots: KernelRoots = KERNEL,
  etc = '/etc',
  named?: KernelName,
): Promise<BootFinding> {
  const mounts = readMounts(roots.proc);
  const root = topmost(mounts, '/');
  const rootDevices = root === undefined ? [] : devicesOf(root, roots);
  if (named === undefined) {
    if (root === undefined) throw unknownRoot('nothing is mounted there');
    if (rootDevices.length === 0 && root.fsType !== 'zfs')
      throw unknownRoot(`it is ${root.fsType} of "${root.source}", which is no disk of this host`);
  }

  const disksUnder = (devices: KernelName[]) => devices.flatMap((device) => wholeDisks(device, mounts, roots));
  const bootMounts = BOOT_MOUNTPOINTS.flatMap((path) => topmost(mounts, path) ?? []);
  const filled = espsOfProxmox(roots, etc);
  const bootDisks = new Set([
    ...disksUnder(rootDevices),
    ...bootMounts.flatMap((mount) => disksUnder(devicesOf(mount, roots))),
    ...disksUnder(filled),
  ]);
  if (bootDisks.size === 0 && named === undefined && root?.fsType !== 'zfs')
    throw unknownRoot(`${root?.source} leads to no disk`);
  const isBootDisk = named === undefined || bootDisks.has(named);
  const found = isBootDisk ? bootDisks : new Set([named]);

  const placed = mounts.flatMap((mount) => {
    const devices = devicesOf(mount, roots);
    return devices.length === 0 ? [] : [{ mount, devices, disks: new Set(disksUnder(devices)) }];
  });
  return {
    disks: [...found].map((name) => ({
      ...factsOf(name, roots),
      mounts: placed
        .filter(({ disks }) => disks.has(name))
        .map(({ mount, devices }) => ({
          mountpoint: mount.mountpoint,
          device: mount.fsType === 'zfs' ? mount.source : nodePath(devices[0] ?? name, roots),
          fsType: mount.fsType,
        })),
    })),
    isBootDisk,
    root:
      root === undefined
        ? { device: 'none', fsType: 'none', layout: 'other' }
        : {
            device:
              rootDevices[0] === undefined || root.fsType === 'zfs' ? root.source : nodePath(rootDevices[0], roots),
            fsType: root.fsType,
            layout: layoutOf(root, rootDevices, roots),
          },
    bootMode: existsSync(`${roots.sys}/firmware/efi`) ? 'uefi' : 'bios',
    swaps: readSwaps(roots.proc).flatMap(({ path, kind }) => {
      const device = kind === 'file' ? undefined : nameOfNode(path, roots);
      const under = kind === 'file' ? holding(path, mounts, roots) : device === undefined ? [] : [device];
      if (!disksUnder(under).some((disk) => found.has(disk))) return [];
      return [device === undefined ? path : nodePath(device, roots)];
    }),
    esps: espsOn([...found], filled, mounts, roots),
  };
}

/** Several mounts at one place hide each other; the last is what one sees. */
function topmost(mounts: Mount[], mountpoint: string): Mount | undefined {
  return mounts.findLast((mount) => mount.mountpoint === mountpoint);
}

function unknownRoot(why: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot tell which disk this host boots from: / lies on none (${why})`, {
    hint: 'name the disk: --disk /dev/sdX (lsblk -o NAME,SIZE,MODEL,MOUNTPOINTS lists them)',
  });
}

/** The disks that a device comes down to, itself if it is one. */
function wholeDisks(device: KernelName, mounts: Mount[], roots: KernelRoots): KernelName[] {
  const disks = new Set<KernelName>();
  const seen = new Set([device]);
  for (const name of seen) {
    const below = directlyBelow(name, mounts, roots);
    if (below.length === 0) disks.add(name);
    for (const other of below) seen.add(other);
  }
  return [...disks];
}

function directlyBelow(name: KernelName, mounts: Mount[], roots: KernelRoots): KernelName[] {
  const disk = parentDisk(name, roots);
  if (disk !== undefined) return [disk];
  // The disks below a multipath device are one disk by several names; this name outlives the loss of a path.
  if (readAttribute(name, 'dm/uuid', roots)?.startsWith('mpath-')) return [];
  const slaves = slavesOf(name, roots);
  const file = backingFile(name, roots);
  return slaves.length > 0 || file === undefined ? slaves : holding(file, mounts, roots);
}

/** The devices of the file system that a file lies on, by its path. */
function holding(path: string, mounts: Mount[], roots: KernelRoots): KernelName[] {
  const mount = mounts
    .filter(({ mountpoint }) => mountpoint === '/' || path === mountpoint || path.startsWith(`${mountpoint}/`))
    .reduce<Mount | undefined>(
      (best, next) => (next.mountpoint.length >= (best?.mountpoint.length ?? 0) ? next : best),
      undefined,
    );
  return mount === undefined ? [] : devicesOf(mount, roots);
}

function factsOf(name: KernelName, roots: KernelRoots): Omit<BootDisk, 'mounts'> {
  const attribute = (path: string) => readAttribute(name, path, roots)?.trim() || undefined;
  return {
    name,
    path: nodePath(name, roots),
    sizeBytes: Number(attribute('size') ?? 0) * SYSFS_SECTOR_BYTES,
    logicalSectorBytes: Number(attribute('queue/logical_block_size') ?? SYSFS_SECTOR_BYTES),
    model: attribute('device/model'),
    // SATA disks have theirs in udev's database only.
    serial: attribute('device/serial') ?? attribute('serial') ?? udevProperty(name, 'ID_SERIAL_SHORT', roots),
  };
}

function layoutOf(root: Mount, devices: KernelName[], roots: KernelRoots): RootLayout {
  if (root.fsType === 'zfs') return 'zfs';
  const [device] = devices;
  if (device === undefined) return 'other';
  // A btrfs on one logical volume has a snapshot of that volume.
  if (devices.length === 1 && readAttribute(device, 'dm/uuid', roots)?.startsWith('LVM-')) return 'lvm';
  if (root.fsType === 'btrfs') return 'btrfs';
  const whole = parentDisk(device, roots) ?? device;
  if (readAttribute(whole, 'md/level', roots) !== undefined) return 'md';
  return slavesOf(whole, roots).length === 0 && backingFile(whole, roots) === undefined ? 'partition' : 'other';
}

/** One UUID a line. Those of a disk that was taken out stay in it, which is not ours to mend. */
function espsOfProxmox(roots: KernelRoots, etc: string): KernelName[] {
  const path = `${etc}/kernel/proxmox-boot-uuids`;
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^[0-9A-Za-z-]+$/.test(line))
    .flatMap((uuid) => nameOfNode(`/dev/disk/by-uuid/${uuid}`, roots) ?? []);
}

function espsOn(disks: KernelName[], filled: KernelName[], mounts: Mount[], roots: KernelRoots): BootFinding['esps'] {
  const mounted = mounts
    .filter(({ mountpoint, fsType }) => ESP_MOUNTPOINTS.includes(mountpoint) && fsType === 'vfat')
    .flatMap((mount) => devicesOf(mount, roots));
  const typed = disks
    .flatMap((disk) => partitionsOf(disk, roots))
    .filter((name) => udevProperty(name, 'ID_PART_ENTRY_TYPE', roots) === ESP_TYPE);
  return [...new Set([...mounted, ...filled, ...typed])].map((name) => ({
    device: nodePath(name, roots),
    mountpoint: mounts.findLast((mount) => devicesOf(mount, roots).includes(name))?.mountpoint,
  }));
}
