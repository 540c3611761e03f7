import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import {
  descendants,
  deviceNumber,
  KERNEL,
  type KernelRoots,
  kernelName,
  numberOf,
  wholeDiskOf,
} from './block-tree.js';
import { type Mount, readMounts } from './mounts.js';

export interface HoldingProcess {
  pid: number;
  name: string;
}

/** A dead server behind one of these would hang us in stat, and no device node is opened through them. */
const NETWORK_FILE_SYSTEM = /^(nfs4?|cifs|smb3|smbfs|ceph|9p|afs|glusterfs|fuse(\..*)?)$/;

/**
 * Other processes that have a block device open: itself, a partition, what is built on it, or the disk it is a
 * partition of. A QEMU guest that was given the disk by its path holds it without any claim that O_EXCL would meet.
 */
export function processesHolding(devicePath: string, roots: KernelRoots = KERNEL): HoldingProcess[] {
  const numbers = familyOf(deviceNumber(statSync(devicePath).rdev), roots);
  const slow = readMounts(roots.proc).filter((mount) => NETWORK_FILE_SYSTEM.test(mount.fsType));
  return readdirSync(roots.proc)
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => holdsAny(`${roots.proc}/${pid}/fd`, numbers, slow))
    .map((pid) => ({ pid: Number(pid), name: nameOf(`${roots.proc}/${pid}/comm`) }));
}

function familyOf(number: string, roots: KernelRoots): Set<string> {
  const name = kernelName(number, roots);
  const disk = wholeDiskOf(number, roots);
  const numbers = new Set([number]);
  const names = [...(name === undefined ? [] : descendants(name, roots)), ...(disk === undefined ? [] : [disk])];
  for (const member of names) {
    const memberNumber = numberOf(member, roots);
    if (memberNumber !== undefined) numbers.add(memberNumber);
  }
  return numbers;
}

function holdsAny(fdDirectory: string, numbers: Set<string>, slow: Mount[]): boolean {
  const entries = unlessVanished(() => readdirSync(fdDirectory)) ?? [];
  return entries.some((entry) => {
    const path = `${fdDirectory}/${entry}`;
    const link = unlessVanished(() => readlinkSync(path));
    // Sockets, pipes and anonymous inodes have no path.
    if (!link?.startsWith('/') || slow.some(({ mountpoint }) => link.startsWith(`${mountpoint}/`))) return false;
    const stats = unlessVanished(() => statSync(path));
    return stats?.isBlockDevice() === true && numbers.has(deviceNumber(stats.rdev));
  });
}

function nameOf(commPath: string): string {
  return unlessVanished(() => readFileSync(commPath, 'utf8').trim()) ?? 'ended meanwhile';
}

/** A process or descriptor that is gone by now, or not ours to look into. */
const VANISHED = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];
/** A file whose server or FUSE daemon is gone. It is no device node, and must not stop a restore. */
const DEAD = ['ESTALE', 'ENOTCONN', 'EIO'];

function unlessVanished<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (VANISHED.includes(code) || DEAD.includes(code)) return undefined;
    throw error;
  }
}
