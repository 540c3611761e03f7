import { LifeboatError } from '../error.js';
import type { BootFinding } from './boot-disk.js';

/**
 * What to type to save a host whose root is on ZFS. The members of an imported pool change under whoever reads them, and
 * nothing makes them stand still; ZFS's own snapshots do.
 * @returns one command a line, to be run as root
 */
export function zfsByHand({ root, esps, disks }: BootFinding): string[] {
  const pool = root.device.split('/')[0] ?? root.device;
  return [
    `zfs snapshot -r ${pool}@lifeboat`,
    `zfs send -R ${pool}@lifeboat | lifeboat image - -o /mnt/backup/${pool}.zfs.zst`,
    `zfs destroy -r ${pool}@lifeboat`,
    ...esps.map(({ device }) => `lifeboat image ${device} -o /mnt/backup/${fileNameOf(device)}.img.zst`),
    ...disks.map(({ path }) => `sgdisk --backup=/mnt/backup/${fileNameOf(path)}.gpt ${path}`),
  ];
}

/** @throws LifeboatError FAILED, with the commands that do it by hand, if the root is on ZFS */
export function refuseZfsRoot(finding: BootFinding): void {
  if (finding.root.layout !== 'zfs' || !finding.isBootDisk) return;
  throw new LifeboatError(
    'FAILED',
    `Cannot image this host's boot disk: / is on ZFS (${finding.root.device}), whose disks change while they are read`,
    {
      hint:
        'do it by hand, with the guests on that pool (name POOL/ROOT instead of POOL to leave them out):\n' +
        zfsByHand(finding)
          .map((line) => `  ${line}`)
          .join('\n'),
    },
  );
}

function fileNameOf(device: string): string {
  return device.slice(device.lastIndexOf('/') + 1);
}
