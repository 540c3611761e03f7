import { type KernelName, type KernelRoots, nodePath, readAttribute } from './block-tree.js';

/** What to type to take a device away that is built on others. */
export function releaseCommand(holder: KernelName, roots: KernelRoots): string {
  const mapped = readAttribute(holder, 'dm/name', roots);
  if (mapped !== undefined) {
    const owner = readAttribute(holder, 'dm/uuid', roots)?.split('-')[0];
    if (owner === 'LVM') return `vgchange -an ${volumeGroupOf(mapped)}`;
    return owner === 'CRYPT' ? `cryptsetup close ${mapped}` : `dmsetup remove ${mapped}`;
  }
  if (holder.startsWith('md')) return `mdadm --stop ${nodePath(holder, roots)}`;
  if (holder.startsWith('loop')) return `losetup -d ${nodePath(holder, roots)}`;
  return `remove ${nodePath(holder, roots)}`;
}

/** LVM joins the names of group and volume by a hyphen, and doubles those within them. */
function volumeGroupOf(mapped: string): string {
  return (/^(?:[^-]|--)+/.exec(mapped)?.[0] ?? mapped).replaceAll('--', '-');
}
