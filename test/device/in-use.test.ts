import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { describeDevice } from '../../src/device/describe.js';
import { mountedOn } from '../../src/device/in-use.js';
import { useInWords } from '../../src/device/use-in-words.js';
import { fakeKernel, PROXMOX } from './fake-kernel.js';

const { roots, remove } = fakeKernel(PROXMOX);
after(remove);

test('a disk is in use by mounts and swap on its partitions and on LVM above them', () => {
  const use = mountedOn('sda', roots);
  assert.deepEqual(use.mounts, [
    { device: '/dev/mapper/pve-root', mountpoint: '/' },
    { device: '/dev/sda2', mountpoint: '/boot/efi' },
  ]);
  assert.deepEqual(use.swaps, [{ device: '/dev/mapper/pve-swap' }]);
  assert.deepEqual(use.holders[0], {
    device: '/dev/sda3',
    holder: '/dev/mapper/pve-swap',
    release: 'vgchange -an pve',
  });
  assert.equal(use.holders.length, 5);
});

test('a partition is in use by what lies on it, not by its neighbours', () => {
  assert.deepEqual(mountedOn('sda2', roots).mounts, [{ device: '/dev/sda2', mountpoint: '/boot/efi' }]);
  assert.deepEqual(useInWords(mountedOn('sda1', roots), []).uses, []);
});

test('every device of a mounted btrfs is in use, though its device number is anonymous', () => {
  assert.deepEqual(mountedOn('sdb', roots).mounts, [{ device: '/dev/sdb1', mountpoint: '/srv/with blank' }]);
  assert.deepEqual(mountedOn('sdc', roots).mounts, [{ device: '/dev/sdc', mountpoint: '/srv/with blank' }]);
});

test('a member of an imported ZFS pool is in use', () => {
  const use = mountedOn('nvme0n1', roots);
  assert.deepEqual(use.pools, [{ device: '/dev/nvme0n1p3', pool: 'rpool' }]);
  assert.deepEqual(use.mounts, [{ device: '/dev/nvme0n1p3', mountpoint: '/rpool/data' }]);
});

test('a loop device on a partition holds the disk', () => {
  assert.deepEqual(mountedOn('sdd', roots).holders, [
    { device: '/dev/sdd1', holder: '/dev/loop0', release: 'losetup -d /dev/loop0' },
  ]);
});

test('a disk that nobody uses is free', () => {
  assert.deepEqual(useInWords(mountedOn('cciss!c0d0', roots), []).uses, []);
});

test('the commands to type come in the order that works, each once', () => {
  const { uses, release } = useInWords(mountedOn('sda', roots), [{ pid: 42, name: 'kvm' }]);
  assert.ok(uses.includes('/dev/sda2 is mounted on /boot/efi'));
  assert.ok(uses.includes('process 42 (kvm) has it open'));
  assert.deepEqual(release, [
    'stop process 42 (kvm)',
    'umount /boot/efi',
    'umount /',
    'swapoff /dev/mapper/pve-swap',
    'vgchange -an my-group',
    'vgchange -an pve',
  ]);
});

test('a device is described by model, size and partitions', () => {
  assert.equal(
    describeDevice('sda', roots),
    'sda (Samsung SSD 870, 465.8 GiB (500107862016 bytes), partitions sda1, sda2, sda3)',
  );
});
