import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { KernelRoots } from '../../src/device/block-tree.js';

export interface FakeDevice {
  number: string;
  partitionOf?: string;
  /** Names of what it is built on. */
  on?: string[];
  /** Further files below its directory: path to text. */
  attributes?: Record<string, string>;
}

export interface FakeKernel {
  devices: Record<string, FakeDevice>;
  mountinfo?: string;
  swaps?: string;
  /** Links below /dev: "mapper/pve-root" to "../dm-0". */
  links?: Record<string, string>;
  /** Further files: "run/udev/data/b8:3" to text. */
  files?: Record<string, string>;
}

/** Lays out /sys, /proc, /dev and /run as the kernel and udev would, below a temporary directory. */
export function fakeKernel(kernel: FakeKernel): { roots: KernelRoots; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'lifeboat-kernel-'));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const link = (target: string, path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  };
  for (const [name, device] of Object.entries(kernel.devices)) {
    const place = device.partitionOf === undefined ? name : `${device.partitionOf}/${name}`;
    write(`sys/devices/${place}/dev`, `${device.number}\n`);
    if (device.partitionOf !== undefined) write(`sys/devices/${place}/partition`, '1\n');
    for (const [attribute, text] of Object.entries(device.attributes ?? {}))
      write(`sys/devices/${place}/${attribute}`, text);
    link(`../../devices/${place}`, `sys/class/block/${name}`);
    link(`../../devices/${place}`, `sys/dev/block/${device.number}`);
    write(`dev/${name.replaceAll('!', '/')}`, '');
  }
  for (const [name, device] of Object.entries(kernel.devices))
    for (const slave of device.on ?? []) {
      link(`../../${slave}`, `sys/class/block/${name}/slaves/${slave}`);
      link(`../../${name}`, `sys/class/block/${slave}/holders/${name}`);
    }
  for (const [path, target] of Object.entries(kernel.links ?? {})) link(target, `dev/${path}`);
  for (const [path, text] of Object.entries(kernel.files ?? {})) write(path, text);
  write('proc/self/mountinfo', kernel.mountinfo ?? '');
  write('proc/swaps', kernel.swaps ?? '');
  const roots = { sys: join(root, 'sys'), proc: join(root, 'proc'), dev: join(root, 'dev'), run: join(root, 'run') };
  return { roots, remove: () => rmSync(root, { recursive: true }) };
}

/** The installer's layout on LVM, with a thin pool, beside a second disk that has a btrfs with a third. */
export const PROXMOX: FakeKernel = {
  devices: {
    sda: { number: '8:0', attributes: { 'device/model': 'Samsung SSD 870 \n', size: '976773168\n' } },
    sda1: { number: '8:1', partitionOf: 'sda' },
    sda2: { number: '8:2', partitionOf: 'sda' },
    sda3: { number: '8:3', partitionOf: 'sda' },
    'dm-0': {
      number: '253:0',
      on: ['sda3'],
      attributes: { 'dm/name': 'pve-swap\n', 'dm/uuid': 'LVM-abc\n' },
    },
    'dm-1': { number: '253:1', on: ['sda3'], attributes: { 'dm/name': 'pve-root\n', 'dm/uuid': 'LVM-def\n' } },
    'dm-2': {
      number: '253:2',
      on: ['sda3'],
      attributes: { 'dm/name': 'pve-data_tdata\n', 'dm/uuid': 'LVM-x-tdata\n' },
    },
    'dm-3': {
      number: '253:3',
      on: ['dm-2'],
      attributes: { 'dm/name': 'pve-data-tpool\n', 'dm/uuid': 'LVM-x-tpool\n' },
    },
    'dm-4': {
      number: '253:4',
      on: ['dm-3'],
      attributes: { 'dm/name': 'my--group-vm--100--disk--0\n', 'dm/uuid': 'LVM-y\n' },
    },
    sdb: { number: '8:16' },
    sdb1: { number: '8:17', partitionOf: 'sdb' },
    sdc: { number: '8:32' },
    sdd: { number: '8:48' },
    sdd1: { number: '8:49', partitionOf: 'sdd' },
    'cciss!c0d0': { number: '104:0' },
    nvme0n1: { number: '259:0' },
    nvme0n1p3: { number: '259:3', partitionOf: 'nvme0n1' },
    loop0: { number: '7:0', attributes: { 'loop/backing_file': '/dev/sdd1\n' } },
  },
  mountinfo: `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 253:1 / / rw,relatime shared:1 master:2 - ext4 /dev/mapper/pve-root rw
28 27 8:2 / /boot/efi rw,relatime - vfat /dev/sda2 rw
30 27 0:45 /sub /srv/with\\040blank rw,relatime - btrfs /dev/sdb1 rw
31 27 0:50 / /rpool/data rw - zfs rpool/data rw
32 27 0:51 / /mnt/nas rw - nfs4 nas:/export rw
`,
  swaps:
    'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-0                               partition\t8388604\t\t0\t\t-2\n',
  links: { 'mapper/pve-root': '../dm-1', 'mapper/pve-swap': '../dm-0' },
  files: {
    'sys/fs/btrfs/features/x': '',
    'sys/fs/btrfs/1234-uuid/devices/sdb1/dev': '',
    'sys/fs/btrfs/1234-uuid/devices/sdc/dev': '',
    'run/udev/data/b259:3': 'S:disk/by-id/x\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n',
    'run/udev/data/b8:1': 'E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=rpool\n',
    'proc/spl/kstat/zfs/rpool/state': 'ONLINE\n',
  },
};
