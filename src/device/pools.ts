import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type KernelName, type KernelRoots, numberOf } from './block-tree.js';

/**
 * File systems that span devices without a trace in holders/ and slaves/. Which device belongs to which ZFS pool is
 * taken from udev's database, for the kernel tells nobody; which pools are imported, from ZFS's own statistics.
 */

/** The ZFS pool a device is a member of, imported or not; undefined if none, or if udev does not run here. */
export function zfsPoolOf(name: KernelName, roots: KernelRoots): string | undefined {
  const number = numberOf(name, roots);
  if (number === undefined) return undefined;
  const path = `${roots.run}/udev/data/b${number}`;
  if (!existsSync(path)) return undefined;
  const properties = readFileSync(path, 'utf8').split('\n');
  if (!properties.includes('E:ID_FS_TYPE=zfs_member')) return undefined;
  return properties.find((line) => line.startsWith('E:ID_FS_LABEL='))?.slice('E:ID_FS_LABEL='.length);
}

export function isImported(pool: string, roots: KernelRoots): boolean {
  return existsSync(`${roots.proc}/spl/kstat/zfs/${pool}`);
}

export function zfsMembers(pool: string, roots: KernelRoots): KernelName[] {
  return names(`${roots.sys}/class/block`).filter((name) => zfsPoolOf(name, roots) === pool);
}

/** All devices of the mounted btrfs that has `name` among them; only `name` if there is no such. */
export function btrfsMembers(name: KernelName, roots: KernelRoots): KernelName[] {
  for (const uuid of names(`${roots.sys}/fs/btrfs`)) {
    const members = names(`${roots.sys}/fs/btrfs/${uuid}/devices`);
    if (members.includes(name)) return members;
  }
  return [name];
}

function names(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
