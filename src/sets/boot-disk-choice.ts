import { statSync } from 'node:fs';
import { deviceNumber, wholeDiskOf } from '../device/block-tree.js';
import type { BootDisk, BootFinding } from '../device/boot-disk.js';
import { fromSystem, LifeboatError } from '../error.js';

/**
 * The disk to save: the one under the root file system, or the one that was named.
 * @throws LifeboatError USAGE if what was named is no disk that this host boots from
 */
export function bootDiskOf(finding: BootFinding, named: string | undefined): BootDisk {
  const [first] = finding.disks;
  if (first === undefined) throw new LifeboatError('FAILED', 'Cannot find the disk that this host boots from');
  if (named === undefined) return first;
  let rdev: number;
  try {
    rdev = statSync(named).rdev;
  } catch (error) {
    throw fromSystem(error, 'find', named);
  }
  const name = wholeDiskOf(deviceNumber(rdev));
  const found = finding.disks.find((disk) => disk.name === name);
  if (found !== undefined) return found;
  throw new LifeboatError('USAGE', `"${named}" is no disk that this host boots from`, {
    hint: `it boots from ${finding.disks.map(({ path }) => path).join(', ')}; lifeboat image saves any other disk`,
  });
}
