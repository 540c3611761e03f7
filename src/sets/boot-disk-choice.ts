import { statSync } from 'node:fs';
import { deviceNumber, KERNEL, type KernelName, wholeDiskOf } from '../device/block-tree.js';
import { type BootDisk, type BootFinding, findBootDisks } from '../device/boot-disk.js';
import { fromSystem, LifeboatError } from '../error.js';

/**
 * The disk to save: the one under the root file system, or the one that was named, whatever this host boots from.
 * @throws LifeboatError USAGE if what was named is no block device, FAILED if none was and / lies on none
 */
export async function chooseBootDisk(named: string | undefined): Promise<{ finding: BootFinding; disk: BootDisk }> {
  const name = named === undefined ? undefined : diskOf(named);
  const finding = await findBootDisks(KERNEL, '/etc', name);
  const disk = name === undefined ? finding.disks[0] : finding.disks.find((one) => one.name === name);
  if (disk === undefined) throw new LifeboatError('FAILED', 'Cannot find the disk that this host boots from');
  return { finding, disk };
}

function diskOf(path: string): KernelName {
  let rdev: number;
  try {
    const stats = statSync(path);
    rdev = stats.isBlockDevice() ? stats.rdev : 0;
  } catch (error) {
    throw fromSystem(error, 'find', path);
  }
  const name = rdev === 0 ? undefined : wholeDiskOf(deviceNumber(rdev));
  if (name !== undefined) return name;
  throw new LifeboatError('USAGE', `Cannot save "${path}": it is no block device`, {
    hint: 'lsblk -o NAME,SIZE,MODEL,MOUNTPOINTS lists disks; lifeboat image saves files too',
  });
}
