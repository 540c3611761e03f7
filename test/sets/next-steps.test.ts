import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskLayout, EfiLoader } from '../../src/sets/disk-layout.js';
import { nextSteps, partitionPath, type StepFacts } from '../../src/sets/next-steps.js';

const GIB = 1024 ** 3;

function layoutOf(type: 'lvm-pv' | 'ext4' | 'xfs' | 'btrfs' | 'swap', loaders: EfiLoader[] = []): DiskLayout {
  const empty = {
    uuid: undefined,
    label: undefined,
    sizeBytes: undefined,
    usedBytes: undefined,
    blockBytes: undefined,
  };
  const partition = { sizeBytes: GIB, type: '', uuid: undefined, name: '' };
  return {
    sizeBytes: 8 * GIB,
    gpt: undefined,
    table: {
      scheme: 'gpt',
      sectorBytes: 512,
      // Numbers need not be in the order of the disk.
      partitions: [
        { ...partition, number: 3, offset: 2 * GIB, role: 'linux' },
        { ...partition, number: 2, offset: GIB, role: 'efi-system' },
      ],
      metadata: [],
    },
    contents: new Map([
      [2, { ...empty, type: 'vfat' }],
      [3, { ...empty, type }],
    ]),
    volumeGroups: new Map([[3, 'vg0']]),
    loaders,
  };
}

const GRUB: EfiLoader = { partition: 2, path: ['EFI', 'proxmox', 'grubx64.efi'], isRemovable: false };
const REMOVABLE: EfiLoader = { partition: 2, path: ['EFI', 'BOOT', 'BOOTX64.EFI'], isRemovable: true };

function stepsOf(changes: Partial<StepFacts>): string {
  const steps = nextSteps({
    layout: layoutOf('lvm-pv', [GRUB, REMOVABLE]),
    disk: '/dev/sda',
    diskBytes: 8 * GIB,
    bootMode: 'uefi',
    guests: 'none',
    usesProxmoxBootTool: false,
    hostname: 'pve1',
    notesPath: '/mnt/set/RECOVERY.md',
    ...changes,
  });
  return steps.map(({ words, commands }) => [words, ...commands].join('\n')).join('\n');
}

test('a host with UEFI gets the line that makes its entry, and is told of the loader that needs none', () => {
  const entry = `efibootmgr --create --disk /dev/sda --part 2 --label 'pve1' --loader '\\EFI\\proxmox\\grubx64.efi'`;
  const both = stepsOf({});
  assert.ok(both.includes(entry), both);
  assert.match(both, /Firmware finds EFI\/BOOT\/BOOTX64\.EFI on partition 2 by itself/);
  const named = stepsOf({ layout: layoutOf('lvm-pv', [GRUB]) });
  assert.ok(named.includes(entry));
  assert.match(named, /make an entry, from a live system that was itself started by UEFI/);
  assert.match(stepsOf({ layout: layoutOf('lvm-pv', [REMOVABLE]) }), /--loader '\\EFI\\BOOT\\BOOTX64\.EFI'/);
  assert.match(stepsOf({ layout: layoutOf('lvm-pv') }), /No boot loader was found on partition 2/);
  assert.match(stepsOf({ layout: undefined }), /No EFI system partition was found/);
});

test('a name that a shell would take for more is no danger', () => {
  assert.match(stepsOf({ hostname: "a'; reboot '" }), /--label 'areboot'/);
});

test('a host with BIOS needs nothing to start', () => {
  const words = stepsOf({ bootMode: 'bios' });
  assert.match(words, /the boot code came along/);
  assert.doesNotMatch(words, /efibootmgr/);
});

test('how to grow is told for what the last partition holds, on a larger disk only', () => {
  assert.doesNotMatch(stepsOf({}), /not used yet/);
  assert.doesNotMatch(stepsOf({ diskBytes: 8 * GIB + 1024 * 1024 }), /not used yet/);
  const lvm = stepsOf({ diskBytes: 16 * GIB });
  assert.match(lvm, /8\.0 GiB of \/dev\/sda are not used yet/);
  assert.match(
    lvm,
    /echo ', \+' \| sfdisk --no-reread --force -N 3 \/dev\/sda\npartx --update --nr 3 \/dev\/sda\npvresize \/dev\/sda3\nlvextend --resizefs --extents \+100%FREE \/dev\/vg0\/root/,
  );
  assert.match(stepsOf({ diskBytes: 16 * GIB, layout: layoutOf('ext4') }), /resize2fs \/dev\/sda3/);
  assert.match(stepsOf({ diskBytes: 16 * GIB, layout: layoutOf('xfs') }), /xfs_growfs /);
  assert.match(stepsOf({ diskBytes: 16 * GIB, layout: layoutOf('btrfs') }), /btrfs filesystem resize max/);
  assert.match(stepsOf({ diskBytes: 16 * GIB, layout: layoutOf('swap') }), /room for another one/);
});

test('guests that were left out, and proxmox-boot-tool, are told of', () => {
  assert.match(stepsOf({ guests: 'left out' }), /guests were left out/);
  assert.match(stepsOf({ usesProxmoxBootTool: true }), /proxmox-boot-tool refresh/);
  assert.doesNotMatch(stepsOf({}), /guests were left out|proxmox-boot-tool/);
});

test('partitions of disks whose name ends with a digit have a p before theirs', () => {
  assert.equal(partitionPath('/dev/sda', 3), '/dev/sda3');
  assert.equal(partitionPath('/dev/nvme0n1', 3), '/dev/nvme0n1p3');
});
