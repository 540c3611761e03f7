import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import {
  ancestors,
  backingFile,
  deviceNumber,
  KERNEL,
  type KernelName,
  type KernelRoots,
  kernelName,
} from './block-tree.js';
import { devicesOf } from './mount-devices.js';
import { type Mount, readMounts } from './mounts.js';

/** A number that is the same on x86-64 and arm64. Such a descriptor names a file without opening it, so no pipe blocks. */
const O_PATH = 0o10000000;

/**
 * Whether writing to a path would write on a block device: the file system that holds the path is on that device, on a
 * partition of it, or on something built on those (LVM, RAID, device mapper, a loop device whose file lies there).
 * @param path an existing file or directory
 * @param sourceRdev the device's `st_rdev`
 */
export function liesOn(path: string, sourceRdev: number, roots: KernelRoots = KERNEL): boolean {
  if (statSync(path).dev === sourceRdev) return true;
  const source = kernelName(deviceNumber(sourceRdev), roots);
  return source !== undefined && devicesUnder(path, roots).has(source);
}

/** Everything below a path, down to the disks; through the backing files of loop devices too. */
function devicesUnder(path: string, roots: KernelRoots): Set<KernelName> {
  const mounts = readMounts(roots.proc);
  const found = new Set<KernelName>();
  const left = devicesHolding(path, roots, mounts);
  for (const direct of left) {
    for (const name of ancestors(direct, roots)) {
      if (found.has(name)) continue;
      found.add(name);
      const file = backingFile(name, roots);
      // It may be deleted by now, or lie in another mount namespace.
      if (file !== undefined && existsSync(file)) left.push(...devicesHolding(file, roots, mounts));
    }
  }
  return found;
}

function devicesHolding(path: string, roots: KernelRoots, mounts: Mount[]): KernelName[] {
  const device = kernelName(deviceNumber(statSync(path).dev), roots);
  const id = mountId(path);
  const mount = mounts.find((candidate) => candidate.id === id);
  return [...(device === undefined ? [] : [device]), ...(mount === undefined ? [] : devicesOf(mount, roots))];
}

/** The mount that a path is in, even where one hides another or the device number is anonymous. */
export function mountId(path: string): number {
  const fd = openSync(path, O_PATH);
  try {
    const line = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
    return Number(line?.[1]);
  } finally {
    closeSync(fd);
  }
}
