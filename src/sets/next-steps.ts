import type { Partition } from '../device/partition-table.js';
import { roundSize } from '../device/sizes.js';
import type { DiskLayout, EfiLoader } from './disk-layout.js';

/** What is left to do after a restore: words, and lines to type. */
export interface Step {
  words: string;
  /** To be typed in this order, as root. */
  commands: string[];
}

export interface StepFacts {
  /** Undefined where the image's tables could not be read. */
  layout: DiskLayout | undefined;
  /** The disk that was restored to: "/dev/sda". */
  disk: string;
  diskBytes: number;
  bootMode: 'uefi' | 'bios';
  guests: 'left out' | 'included' | 'none';
  usesProxmoxBootTool: boolean;
  hostname: string;
  /** RECOVERY.md of the set. */
  notesPath: string;
}

/** What is left to do, in order. */
export function nextSteps(facts: StepFacts): Step[] {
  const { layout, hostname, guests, notesPath } = facts;
  return [
    {
      words:
        'Take out the disk this was made of, or wipe it: both have the same partition, LVM and file system UUIDs, and a host with both may start from the wrong one',
      commands: [],
    },
    ...(layout === undefined ? [] : growSteps(layout, facts)),
    ...bootSteps(facts),
    ...(guests === 'left out'
      ? [
          {
            words: `Volumes of guests were left out: ${hostname} starts without them. RECOVERY.md has the lines that make the thin pool anew; then restore the guests from their own backups`,
            commands: [],
          },
        ]
      : []),
    { words: `More is in ${notesPath}: network names on other hardware, clusters, passwords`, commands: [] },
  ];
}

/** "/dev/sda3", "/dev/nvme0n1p3". */
export function partitionPath(disk: string, number: number): string {
  return `${disk}${/\d$/.test(disk) ? 'p' : ''}${number}`;
}

/** Less is not worth a step. */
const LEAST_GAIN_BYTES = 64 * 1024 * 1024;

function growSteps(layout: DiskLayout, { disk, diskBytes }: StepFacts): Step[] {
  const last = lastPartition(layout.table.partitions);
  const gainBytes = diskBytes - layout.sizeBytes;
  if (last === undefined || gainBytes < LEAST_GAIN_BYTES) return [];
  const { number } = last;
  const path = partitionPath(disk, number);
  const gain = `${roundSize(gainBytes)} of ${disk} are not used yet. `;
  // parted refuses what is in use, and growpart is often not installed; sfdisk and partx are everywhere.
  const growPartition = [
    `echo ', +' | sfdisk --no-reread --force -N ${number} ${disk}`,
    `partx --update --nr ${number} ${disk}`,
  ];
  switch (layout.contents.get(number)?.type) {
    case 'lvm-pv': {
      const group = layout.volumeGroups.get(number) ?? 'pve';
      return [
        {
          words: `${gain}Once it has started, grow partition ${number}, its volume group, and the volumes that need it (all that is free for root: see lvs, vgs)`,
          commands: [
            ...growPartition,
            `pvresize ${path}`,
            `lvextend --resizefs --extents +100%FREE /dev/${group}/root`,
          ],
        },
      ];
    }
    case 'ext4':
      return [
        {
          words: `${gain}Grow partition ${number} and its file system`,
          commands: [...growPartition, `resize2fs ${path}`],
        },
      ];
    case 'xfs':
      return [
        {
          words: `${gain}Grow partition ${number}, and its file system once it is mounted`,
          commands: [...growPartition, `xfs_growfs $(findmnt --noheadings --output TARGET ${path})`],
        },
      ];
    case 'btrfs':
      return [
        {
          words: `${gain}Grow partition ${number}, and its file system once it is mounted`,
          commands: [
            ...growPartition,
            `btrfs filesystem resize max $(findmnt --noheadings --output TARGET ${path} | head -n 1)`,
          ],
        },
      ];
    default:
      return [
        {
          words: `${gain}Behind partition ${number} there is room for another one`,
          commands: [`parted ${disk} print free`],
        },
      ];
  }
}

function lastPartition(partitions: readonly Partition[]): Partition | undefined {
  const real = partitions.filter(({ role }) => role !== 'extended');
  return real.reduce<Partition | undefined>(
    (last, partition) => (last === undefined || partition.offset > last.offset ? partition : last),
    undefined,
  );
}

function bootSteps({ layout, disk, bootMode, usesProxmoxBootTool, hostname }: StepFacts): Step[] {
  const steps: Step[] = [];
  const loaders = layout?.loaders ?? [];
  const named = loaders.find(({ isRemovable }) => !isRemovable);
  const removable = loaders.find(({ isRemovable }) => isRemovable);
  if (bootMode === 'bios') {
    steps.push({
      words: `It starts by BIOS: the boot code came along. Put ${disk} first in the firmware's boot order`,
      commands: [],
    });
  } else if (named !== undefined || removable !== undefined) {
    const how =
      removable === undefined
        ? 'It starts by UEFI, whose list of what to start is not on the disk: make an entry, from a live system that was itself started by UEFI'
        : `It starts by UEFI. Firmware finds ${removable.path.join('/')} on partition ${removable.partition} by itself; if it does not, make an entry, from a live system that was itself started by UEFI`;
    steps.push({ words: how, commands: [entryCommand(disk, hostname, named ?? (removable as EfiLoader))] });
  } else {
    const esp = layout?.table.partitions.find(({ role }) => role === 'efi-system');
    const where =
      esp === undefined ? 'No EFI system partition was found' : `No boot loader was found on partition ${esp.number}`;
    steps.push({
      words: `It starts by UEFI. ${where}: look which one the host had (host/ in the set), and install it again if need be`,
      commands: ['efibootmgr --verbose'],
    });
  }
  if (usesProxmoxBootTool) {
    steps.push({
      words: 'Once it has started, have proxmox-boot-tool look at its EFI system partitions',
      commands: ['proxmox-boot-tool status', 'proxmox-boot-tool refresh'],
    });
  }
  return steps;
}

function entryCommand(disk: string, hostname: string, { partition, path }: EfiLoader): string {
  const label = hostname.replaceAll(/[^A-Za-z0-9.-]/g, '');
  const loader = `\\${path.join('\\')}`;
  return `efibootmgr --create --disk ${disk} --part ${partition} --label '${label}' --loader '${loader}'`;
}
