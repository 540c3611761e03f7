import { KERNEL, type KernelName, type KernelRoots, parentDisk, partitionsOf, readAttribute } from './block-tree.js';
import { sizeInWords } from './sizes.js';

/** sysfs counts in these, whatever the device's own sectors are. */
const SYSFS_SECTOR_BYTES = 512;

/** For somebody about to overwrite it: "sda (Samsung SSD 870 EVO, serial S6PUNX, 465.8 GiB (...), partitions sda1, sda2)". */
export function describeDevice(name: KernelName, roots: KernelRoots = KERNEL): string {
  const disk = parentDisk(name, roots) ?? name;
  const model = readAttribute(disk, 'device/model', roots)?.trim();
  const serial = (readAttribute(disk, 'device/serial', roots) ?? readAttribute(disk, 'serial', roots))?.trim();
  const sectors = readAttribute(name, 'size', roots);
  const partitions = partitionsOf(name, roots);
  const facts = [
    model || undefined,
    serial ? `serial ${serial}` : undefined,
    sectors === undefined ? undefined : sizeInWords(Number(sectors) * SYSFS_SECTOR_BYTES),
    partitions.length === 0 ? 'no partitions' : `partitions ${partitions.join(', ')}`,
  ];
  return `${name} (${facts.filter((fact) => fact !== undefined).join(', ')})`;
}
