import type { PhysicalVolumeOnDisk } from '../device/disk-map.js';
import type { Lvm } from '../device/lvm.js';
import { withoutAutoactivation } from '../device/lvm-text.js';
import { withMetadataText } from '../device/pv-metadata.js';

/**
 * A thin pool that is left out comes back as zeros, of which the kernel makes a new and empty pool as soon as LVM activates
 * it. In the image's metadata such pools and what is in them are therefore marked: no boot activates them.
 * @returns the physical volume with the metadata that the image gets
 */
export function leavingPoolsInactive(
  on: PhysicalVolumeOnDisk,
  lvm: Lvm,
  warn: (text: string) => void,
): PhysicalVolumeOnDisk {
  const names = on.volumes
    .filter(({ name, role }) => (role === 'thin-pool' || role === 'thin') && isLeftOut(on, name))
    .map(({ name }) => name);
  if (names.length === 0) return on;
  const marked = isWholeGroup(on, lvm)
    ? withMetadataText(on, (text) => withoutAutoactivation(text, new Set(names)))
    : undefined;
  if (marked !== undefined) return { ...on, ...marked };
  warn(
    `the metadata of ${on.vg.name} could not be changed in the image: after a restore LVM activates ${names.join(', ')}, ` +
      'empty, at boot; RECOVERY.md says how to make the pool anew',
  );
  return on;
}

function isLeftOut({ contents }: PhysicalVolumeOnDisk, name: string): boolean {
  return contents.get(name)?.excluded !== undefined;
}

/** Copies of the metadata on other disks stay as they are, and LVM would find two that differ. */
function isWholeGroup({ vg }: PhysicalVolumeOnDisk, lvm: Lvm): boolean {
  return lvm.physical.filter((pv) => pv.vg === vg.name).length === 1;
}
