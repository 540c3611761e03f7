import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { descendants, KERNEL, type KernelName, type KernelRoots, nodePath } from './block-tree.js';
import { devicesOf } from './mount-devices.js';
import { parseMountinfo, readMounts } from './mounts.js';

/** A file system that is mounted where this process does not see it: in a container, in a service with mounts of its own. */
export interface HiddenMount {
  /** "/dev/sda4", "/dev/mapper/pve-srv". */
  device: string;
  /** As that process sees it. */
  mountpoint: string;
  pid: number;
}

/**
 * What lies on a disk and is mounted in other mount namespaces only, each device once. Processes of others are looked at by root
 * alone; one that ends meanwhile has nothing mounted.
 */
export function hiddenMounts(disk: KernelName, roots: KernelRoots = KERNEL): HiddenMount[] {
  const known = new Set(readMounts(roots.proc).flatMap((mount) => devicesOf(mount, roots)));
  const wanted = new Set(descendants(disk, roots).filter((name) => !known.has(name)));
  const found = new Map<KernelName, HiddenMount>();
  for (const pid of wanted.size === 0 ? [] : processesOfOtherNamespaces(roots.proc)) {
    for (const mount of mountsOf(pid, roots.proc)) {
      for (const name of devicesOf(mount, roots)) {
        if (wanted.has(name) && !found.has(name))
          found.set(name, { device: nodePath(name, roots), mountpoint: mount.mountpoint, pid });
      }
    }
  }
  return [...found.values()];
}

/** One of each namespace. */
function processesOfOtherNamespaces(proc: string): number[] {
  const seen = new Set([namespaceOf('self', proc)]);
  return readdirSync(proc)
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      const namespace = namespaceOf(pid, proc);
      if (namespace === undefined || seen.has(namespace)) return false;
      seen.add(namespace);
      return true;
    })
    .map(Number);
}

function namespaceOf(pid: string, proc: string): string | undefined {
  try {
    return readlinkSync(`${proc}/${pid}/ns/mnt`);
  } catch {
    // It has ended, or belongs to somebody else.
    return undefined;
  }
}

function mountsOf(pid: number, proc: string) {
  try {
    return parseMountinfo(readFileSync(`${proc}/${pid}/mountinfo`, 'utf8'));
  } catch {
    return [];
  }
}
