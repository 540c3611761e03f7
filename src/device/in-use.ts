import {
  descendants,
  holdersOf,
  KERNEL,
  type KernelName,
  type KernelRoots,
  nameOfNode,
  nodePath,
} from './block-tree.js';
import { devicesOf } from './mount-devices.js';
import { readMounts, readSwaps } from './mounts.js';
import { isImported, zfsPoolOf } from './pools.js';
import { releaseCommand } from './release.js';

/** Who uses a device, its partitions, or anything built on them. Devices are paths: "/dev/sda3", "/dev/mapper/pve-root". */
export interface InUse {
  mounts: { device: string; mountpoint: string }[];
  swaps: { device: string }[];
  /** `holder` is built on `device`; `release` is the command that takes it away. */
  holders: { device: string; holder: string; release: string }[];
  /** Imported ZFS pools. */
  pools: { device: string; pool: string }[];
}

/** What this mount namespace shows; opening with O_EXCL finds what others hide. */
export function mountedOn(device: KernelName, roots: KernelRoots = KERNEL): InUse {
  const family = descendants(device, roots);
  const inFamily = new Set(family);
  const pathOf = (name: KernelName): string => nodePath(name, roots);
  return {
    mounts: readMounts(roots.proc).flatMap((mount) =>
      devicesOf(mount, roots)
        .filter((name) => inFamily.has(name))
        .map((name) => ({ device: pathOf(name), mountpoint: mount.mountpoint })),
    ),
    // A swap file lies on a file system, which is mounted then.
    swaps: readSwaps(roots.proc).flatMap((swap) => {
      const name = nameOfNode(swap.path, roots);
      return name !== undefined && inFamily.has(name) ? [{ device: pathOf(name) }] : [];
    }),
    holders: family.flatMap((name) =>
      holdersOf(name, roots).map((holder) => ({
        device: pathOf(name),
        holder: pathOf(holder),
        release: releaseCommand(holder, roots),
      })),
    ),
    pools: family.flatMap((name) => {
      const pool = zfsPoolOf(name, roots);
      return pool !== undefined && isImported(pool, roots) ? [{ device: pathOf(name), pool }] : [];
    }),
  };
}
