import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';

/** Where the kernel shows itself; tests show it another. */
export interface KernelRoots {
  sys: string;
  proc: string;
  dev: string;
  run: string;
}

export const KERNEL: Readonly<KernelRoots> = { sys: '/sys', proc: '/proc', dev: '/dev', run: '/run' };

/**
 * A block device's name in the kernel ("sda3", "dm-0", "cciss!c0d0"), which is its directory in /sys/class/block.
 * Numbers are as sysfs and mountinfo write them: "8:3".
 */
export type KernelName = string;

/** Splits a `st_rdev` or `st_dev` as glibc's gnu_dev_major and gnu_dev_minor do. */
export function deviceNumber(rdev: number | bigint): string {
  const dev = BigInt(rdev);
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn & 0xffffffffn);
  return `${major}:${minor}`;
}

/** Undefined if no block device has that number: anonymous ones of btrfs, NFS, tmpfs. */
export function kernelName(number: string, roots: KernelRoots = KERNEL): KernelName | undefined {
  return ignoringMissing(() => basename(readlinkSync(`${roots.sys}/dev/block/${number}`)));
}

export function numberOf(name: KernelName, roots: KernelRoots = KERNEL): string | undefined {
  return readAttribute(name, 'dev', roots);
}

/** An attribute's text without the newline; undefined if the device has none of that name. */
export function readAttribute(name: KernelName, attribute: string, roots: KernelRoots = KERNEL): string | undefined {
  return ignoringMissing(() => readFileSync(`${directory(name, roots)}/${attribute}`, 'utf8').trimEnd());
}

/** The device of a node or a link to one, as mountinfo and swaps name it: "/dev/mapper/pve-swap" is "dm-1". */
export function nameOfNode(path: string, roots: KernelRoots = KERNEL): KernelName | undefined {
  if (!path.startsWith('/dev/')) return undefined;
  const node = ignoringMissing(() => realpathSync(roots.dev + path.slice('/dev'.length)));
  if (node === undefined) return undefined;
  const name = relative(realpathSync(roots.dev), node).replaceAll('/', '!');
  if (existsSync(directory(name, roots))) return name;
  const stats = ignoringMissing(() => statSync(node));
  return stats?.isBlockDevice() ? kernelName(deviceNumber(stats.rdev), roots) : undefined;
}

/** The path by which people know a device; device mapper's number says nothing to them. */
export function nodePath(name: KernelName, roots: KernelRoots = KERNEL): string {
  const mapped = readAttribute(name, 'dm/name', roots);
  return mapped === undefined ? `/dev/${name.replaceAll('!', '/')}` : `/dev/mapper/${mapped}`;
}

/** The disk that a partition is on; any other device is its own. Undefined if there is no device of that number. */
export function wholeDiskOf(number: string, roots: KernelRoots = KERNEL): KernelName | undefined {
  const name = kernelName(number, roots);
  return name === undefined ? undefined : (parentDisk(name, roots) ?? name);
}

/** Undefined unless the device is a partition. */
export function parentDisk(name: KernelName, roots: KernelRoots = KERNEL): KernelName | undefined {
  if (readAttribute(name, 'partition', roots) === undefined) return undefined;
  return basename(dirname(realpathSync(directory(name, roots))));
}

export function partitionsOf(name: KernelName, roots: KernelRoots = KERNEL): KernelName[] {
  return list(directory(name, roots)).filter((entry) => existsSync(`${directory(name, roots)}/${entry}/partition`));
}

/** What is built directly on this device: LVM volumes, RAID arrays, encrypted and cached devices, loop devices. */
export function holdersOf(name: KernelName, roots: KernelRoots = KERNEL): KernelName[] {
  // A loop device on a block device claims it in no way that holders/ or O_EXCL would show.
  const loops = list(`${roots.sys}/class/block`).filter(
    (other) => other.startsWith('loop') && backingDevice(other, roots) === name,
  );
  return [...list(`${directory(name, roots)}/holders`), ...loops];
}

/** What this device is directly built on. */
export function slavesOf(name: KernelName, roots: KernelRoots = KERNEL): KernelName[] {
  const behindLoop = backingDevice(name, roots);
  return [...list(`${directory(name, roots)}/slaves`), ...(behindLoop === undefined ? [] : [behindLoop])];
}

function backingDevice(loop: KernelName, roots: KernelRoots): KernelName | undefined {
  const file = backingFile(loop, roots);
  return file === undefined ? undefined : nameOfNode(file, roots);
}

/** The file behind a loop device; undefined for any other device, and for a loop device that has none. */
export function backingFile(name: KernelName, roots: KernelRoots = KERNEL): string | undefined {
  return readAttribute(name, 'loop/backing_file', roots) || undefined;
}

/** The device itself, its partitions, and whatever is built on any of them, nearest first. */
export function descendants(name: KernelName, roots: KernelRoots = KERNEL): KernelName[] {
  return closure(name, (device) => [...partitionsOf(device, roots), ...holdersOf(device, roots)]);
}

/** The device itself, the disk it is a partition of, and whatever any of them is built on, nearest first. */
export function ancestors(name: KernelName, roots: KernelRoots = KERNEL): KernelName[] {
  return closure(name, (device) => {
    const disk = parentDisk(device, roots);
    return [...(disk === undefined ? [] : [disk]), ...slavesOf(device, roots)];
  });
}

function closure(start: KernelName, next: (name: KernelName) => KernelName[]): KernelName[] {
  // A Set hands out what is added while it is walked.
  const seen = new Set([start]);
  for (const name of seen) for (const found of next(name)) seen.add(found);
  return [...seen];
}

function directory(name: KernelName, roots: KernelRoots): string {
  return `${roots.sys}/class/block/${name}`;
}

function list(path: string): string[] {
  return ignoringMissing(() => readdirSync(path).sort()) ?? [];
}

/** Devices and their attributes come and go while one looks. */
function ignoringMissing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENXIO' || code === 'ENODEV') return undefined;
    throw error;
  }
}
