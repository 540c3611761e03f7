import type { BootDisk } from '../device/boot-disk.js';
import type { LogicalVolume } from '../device/lvm.js';
import { mountedVolumes } from '../device/mounted-volumes.js';

export interface GuestPolicy {
  includeGuests: boolean;
  /** Volumes that are left out, by "name" or "vg/name". */
  exclude: readonly string[];
}

/** Proxmox's names for the disks of guests: vm-100-disk-0, base-9000-disk-1, subvol-101-disk-0, vm-100-state-before. */
const GUEST_NAME = /^(vm|base|subvol)-\d+-/;

/** Whether a volume that is in no thin pool is a guest's. */
export function isThickGuest({ role, name }: LogicalVolume): boolean {
  return role === 'thick' && GUEST_NAME.test(name);
}

/**
 * Whether a volume is a guest's, which vzdump saves, or a thin pool for such; and why it is left out, if it is.
 * @param group all volumes of its group
 */
export function guestReason(
  volume: LogicalVolume,
  group: readonly LogicalVolume[],
  mounts: BootDisk['mounts'],
  policy: GuestPolicy,
): { isGuest: boolean; excluded: string | undefined } {
  const isGuest = belongsToGuests(volume, group, mounts);
  const named = [volume.name, `${volume.vg}/${volume.name}`];
  const poolNames = volume.pool === undefined ? [] : [volume.pool, `${volume.vg}/${volume.pool}`];
  if (policy.exclude.some((name) => named.includes(name) || poolNames.includes(name)))
    return { isGuest, excluded: 'excluded' };
  return { isGuest, excluded: isGuest && !policy.includeGuests ? 'guests' : undefined };
}

function belongsToGuests(volume: LogicalVolume, group: readonly LogicalVolume[], mounts: BootDisk['mounts']): boolean {
  const pool = volume.role === 'thin-pool' ? volume.name : volume.pool;
  if (pool !== undefined) {
    // A pool that the host itself lives on is no pool of guests.
    const inside = group.filter((other) => other.pool === pool && other.role === 'thin');
    return mountedVolumes({ logical: inside }, mounts).length === 0;
  }
  return isThickGuest(volume);
}
