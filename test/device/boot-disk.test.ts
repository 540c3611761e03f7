import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findBootDisks } from '../../src/device/boot-disk.js';
import { refuseZfsRoot, zfsByHand } from '../../src/device/zfs-by-hand.js';
import { LifeboatError } from '../../src/error.js';
import { type FakeKernel, fakeKernel, PROXMOX } from './fake-kernel.js';

const ESP = 'E:ID_PART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n';

/** @param bootUuids what proxmox-boot-tool's file holds */
function find(t: TestContext, kernel: FakeKernel, bootUuids?: string) {
  const { roots, remove } = fakeKernel(kernel);
  t.after(remove);
  const etc = mkdtempSync(join(tmpdir(), 'lifeboat-etc-'));
  t.after(() => rmSync(etc, { recursive: true }));
  if (bootUuids !== undefined) {
    mkdirSync(join(etc, 'kernel'));
    writeFileSync(join(etc, 'kernel/proxmox-boot-uuids'), bootUuids);
  }
  return findBootDisks(roots, etc);
}

/** A root file system on a device by its number. */
const mounted = (number: string, source: string, fsType = 'ext4', at = '/') =>
  `27 1 ${number} / ${at} rw,relatime shared:1 - ${fsType} ${source} rw\n`;

test("the installer's layout on LVM: the disk under /, with all that is mounted from it", async (t) => {
  const finding = await find(t, PROXMOX);
  assert.deepEqual(finding, {
    disks: [
      {
        name: 'sda',
        path: '/dev/sda',
        sizeBytes: 976773168 * 512,
        logicalSectorBytes: 512,
        model: 'Samsung SSD 870',
        serial: undefined,
        mounts: [
          { mountpoint: '/', device: '/dev/mapper/pve-root', fsType: 'ext4' },
          { mountpoint: '/boot/efi', device: '/dev/sda2', fsType: 'vfat' },
        ],
      },
    ],
    isBootDisk: true,
    root: { device: '/dev/mapper/pve-root', fsType: 'ext4', layout: 'lvm' },
    bootMode: 'bios',
    swaps: ['/dev/mapper/pve-swap'],
    esps: [{ device: '/dev/sda2', mountpoint: '/boot/efi' }],
  });
  refuseZfsRoot(finding);
});

test('firmware, sectors and the serial number come from where the kernel and udev keep them', async (t) => {
  const finding = await find(t, {
    devices: {
      vda: { number: '254:0', attributes: { size: '2048\n', 'queue/logical_block_size': '4096\n', serial: 'V-1\n' } },
      vda1: { number: '254:1', partitionOf: 'vda' },
      sdb: { number: '8:16' },
      sdb1: { number: '8:17', partitionOf: 'sdb' },
    },
    mountinfo: mounted('254:1', '/dev/vda1') + mounted('8:17', '/dev/sdb1', 'ext4', '/boot'),
    files: { 'sys/firmware/efi/runtime': '', 'run/udev/data/b8:16': 'E:ID_SERIAL=long\nE:ID_SERIAL_SHORT=S6PUNX\n' },
  });
  assert.equal(finding.bootMode, 'uefi');
  assert.equal(finding.root.layout, 'partition');
  assert.deepEqual(
    finding.disks.map(({ name, serial, logicalSectorBytes }) => [name, serial, logicalSectorBytes]),
    [
      ['vda', 'V-1', 4096],
      ['sdb', 'S6PUNX', 512],
    ],
  );
});

const MIRROR: FakeKernel = {
  devices: {
    sda: { number: '8:0' },
    sda1: { number: '8:1', partitionOf: 'sda' },
    sda2: { number: '8:2', partitionOf: 'sda' },
    sdb: { number: '8:16' },
    sdb1: { number: '8:17', partitionOf: 'sdb' },
    sdb2: { number: '8:18', partitionOf: 'sdb' },
    md0: { number: '9:0', on: ['sda2', 'sdb2'], attributes: { 'md/level': 'raid1\n' } },
  },
};

test('both disks of an md mirror are found, with and without LVM on it', async (t) => {
  const onMd = await find(t, { ...MIRROR, mountinfo: mounted('9:0', '/dev/md0') });
  assert.deepEqual(
    onMd.disks.map(({ name }) => name),
    ['sda', 'sdb'],
  );
  assert.deepEqual(onMd.root, { device: '/dev/md0', fsType: 'ext4', layout: 'md' });
  const withLvm = {
    ...MIRROR.devices,
    'dm-0': { number: '253:0', on: ['md0'], attributes: { 'dm/name': 'pve-root\n', 'dm/uuid': 'LVM-x\n' } },
  };
  const onLvm = await find(t, { devices: withLvm, mountinfo: mounted('253:0', '/dev/mapper/pve-root') });
  assert.equal(onLvm.root.layout, 'lvm');
  assert.equal(onLvm.disks.length, 2);
});

test('every disk of a btrfs root is found', async (t) => {
  const finding = await find(t, {
    ...MIRROR,
    mountinfo: mounted('0:30', '/dev/sda2', 'btrfs'),
    files: { 'sys/fs/btrfs/uuid/devices/sda2/dev': '', 'sys/fs/btrfs/uuid/devices/sdb2/dev': '' },
  });
  assert.equal(finding.root.layout, 'btrfs');
  assert.deepEqual(
    finding.disks.map(({ name, mounts }) => [name, mounts.length]),
    [
      ['sda', 1],
      ['sdb', 1],
    ],
  );
});

test('ESPs that nobody mounts are found by proxmox-boot-tool and by their type, and their disks with them', async (t) => {
  const finding = await find(
    t,
    {
      ...MIRROR,
      mountinfo: mounted('8:2', '/dev/sda2'),
      links: { 'disk/by-uuid/ABCD-0001': '../../sda1', 'disk/by-uuid/ABCD-0002': '../../sdb1' },
      files: { 'run/udev/data/b8:1': ESP },
    },
    'ABCD-0001\nABCD-0002\nGONE-0003\n../../sda\n',
  );
  assert.deepEqual(
    finding.disks.map(({ name }) => name),
    ['sda', 'sdb'],
  );
  assert.deepEqual(finding.esps, [
    { device: '/dev/sda1', mountpoint: undefined },
    { device: '/dev/sdb1', mountpoint: undefined },
  ]);
});

test('an encrypted root comes down to its disk; a loop device to the disk its file lies on', async (t) => {
  const crypt = await find(t, {
    devices: {
      ...MIRROR.devices,
      'dm-0': { number: '253:0', on: ['sda2'], attributes: { 'dm/name': 'luks\n', 'dm/uuid': 'CRYPT-LUKS2-x\n' } },
    },
    mountinfo: mounted('253:0', '/dev/mapper/luks'),
  });
  assert.deepEqual([crypt.root.layout, crypt.disks.map(({ name }) => name)], ['other', ['sda']]);
  const loop = await find(t, {
    devices: { ...MIRROR.devices, loop0: { number: '7:0', attributes: { 'loop/backing_file': '/host/root.img\n' } } },
    mountinfo: mounted('7:0', '/dev/loop0') + mounted('8:18', '/dev/sdb2', 'ntfs3', '/host'),
  });
  assert.deepEqual([loop.root.layout, loop.disks.map(({ name }) => name)], ['other', ['sdb']]);
});

test('two paths to one disk are one disk', async (t) => {
  const finding = await find(t, {
    devices: {
      sda: { number: '8:0' },
      sdb: { number: '8:16' },
      'dm-0': { number: '253:0', on: ['sda', 'sdb'], attributes: { 'dm/name': 'mpatha\n', 'dm/uuid': 'mpath-3600\n' } },
      'dm-1': {
        number: '253:1',
        on: ['dm-0'],
        attributes: { 'dm/name': 'mpatha-part2\n', 'dm/uuid': 'part2-mpath-3600\n' },
      },
    },
    mountinfo: mounted('253:1', '/dev/mapper/mpatha-part2'),
  });
  assert.deepEqual(
    finding.disks.map(({ path }) => path),
    ['/dev/mapper/mpatha'],
  );
});

test('swap counts where it lies on these disks, as a device or as a file', async (t) => {
  const finding = await find(t, {
    ...MIRROR,
    mountinfo: mounted('8:2', '/dev/sda2') + mounted('8:18', '/dev/sdb2', 'ext4', '/mnt/other'),
    swaps:
      'Filename Type Size Used Priority\n/dev/sda1 partition 1024 0 -2\n/swap.img file 1024 0 -3\n' +
      '/mnt/other/swap.img file 1024 0 -3\n/dev/sdb1 partition 1024 0 -4\n',
  });
  assert.deepEqual(finding.swaps, ['/dev/sda1', '/swap.img']);
});

test('of several mounts on / the last one is what counts', async (t) => {
  const finding = await find(t, { ...MIRROR, mountinfo: mounted('8:2', '/dev/sda2') + mounted('8:18', '/dev/sdb2') });
  assert.deepEqual(
    finding.disks.map(({ name }) => name),
    ['sdb'],
  );
});

test('a root that is on no disk is an error that says what it is on', async (t) => {
  const wrong: [string, RegExp][] = [
    [mounted('0:50', 'overlay', 'overlay'), /it is overlay of "overlay"/],
    [mounted('0:51', 'nas:/root', 'nfs4'), /it is nfs4 of "nas:\/root"/],
    [mounted('8:2', '/dev/sda2', 'ext4', '/mnt'), /nothing is mounted there/],
    ['', /nothing is mounted there/],
  ];
  for (const [mountinfo, words] of wrong) {
    await assert.rejects(find(t, { ...MIRROR, mountinfo }), (error: unknown) => {
      assert.ok(error instanceof LifeboatError);
      assert.equal(error.code, 'FAILED');
      assert.match(error.message, words);
      assert.match(error.hint ?? '', /--disk/);
      return true;
    });
  }
});

test('a ZFS root is recognised with its members, and refused with the commands that save it', async (t) => {
  const pool = 'E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n';
  const finding = await find(
    t,
    {
      ...MIRROR,
      mountinfo: mounted('0:30', 'rpool/ROOT/pve-1', 'zfs'),
      links: { 'disk/by-uuid/AAAA-1111': '../../sda1' },
      files: { 'run/udev/data/b8:2': pool, 'run/udev/data/b8:18': pool },
    },
    'AAAA-1111\n',
  );
  assert.deepEqual(finding.root, { device: 'rpool/ROOT/pve-1', fsType: 'zfs', layout: 'zfs' });
  assert.deepEqual(
    finding.disks.map(({ name }) => name),
    ['sda', 'sdb'],
  );
  assert.deepEqual(zfsByHand(finding), [
    'zfs snapshot -r rpool@lifeboat',
    'zfs send -R rpool@lifeboat | lifeboat image - -o /mnt/backup/rpool.zfs.zst',
    'zfs destroy -r rpool@lifeboat',
    'lifeboat image /dev/sda1 -o /mnt/backup/sda1.img.zst',
    'sgdisk --backup=/mnt/backup/sda.gpt /dev/sda',
    'sgdisk --backup=/mnt/backup/sdb.gpt /dev/sdb',
  ]);
  assert.throws(
    () => refuseZfsRoot(finding),
    (error: unknown) => {
      assert.ok(error instanceof LifeboatError && error.code === 'FAILED');
      assert.match(error.hint ?? '', /\n {2}zfs send -R rpool@lifeboat \|/);
      return true;
    },
  );
});

test('a ZFS root whose members udev does not tell is recognised all the same', async (t) => {
  const finding = await find(t, { ...MIRROR, mountinfo: mounted('0:30', 'rpool/ROOT/pve-1', 'zfs') });
  assert.deepEqual([finding.root.layout, finding.disks], ['zfs', []]);
});
