import { type KernelName, type KernelRoots, kernelName, nameOfNode } from './block-tree.js';
import type { Mount } from './mounts.js';
import { btrfsMembers, zfsMembers } from './pools.js';

/** Every block device that a mounted file system lies on directly; none for NFS, tmpfs and the like. */
export function devicesOf(mount: Mount, roots: KernelRoots): KernelName[] {
  if (mount.fsType === 'zfs') return zfsMembers(mount.source.split('/')[0] ?? '', roots);
  const name = kernelName(mount.deviceNumber, roots) ?? nameOfNode(mount.source, roots);
  if (name === undefined) return [];
  return mount.fsType === 'btrfs' ? btrfsMembers(name, roots) : [name];
}
