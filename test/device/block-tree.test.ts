import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  ancestors,
  descendants,
  deviceNumber,
  kernelName,
  nameOfNode,
  nodePath,
  partitionsOf,
  wholeDiskOf,
} from '../../src/device/block-tree.js';
import { fakeKernel, PROXMOX } from './fake-kernel.js';

const { roots, remove } = fakeKernel(PROXMOX);
after(remove);

test('device numbers are split as glibc does', () => {
  assert.equal(deviceNumber(0x0803), '8:3');
  assert.equal(deviceNumber(0xfe00), '254:0');
  assert.equal(deviceNumber(0x10301), '259:1');
  assert.equal(deviceNumber((0xabcden << 20n) | 0x800n | 0x12n), `8:${0xabcde12}`);
  assert.equal(deviceNumber((0x12n << 44n) | 0xfff00n), `${0x12fff}:0`);
});

test('names are found by number, and none for an anonymous device', () => {
  assert.equal(kernelName('8:3', roots), 'sda3');
  assert.equal(kernelName('0:45', roots), undefined);
});

test('the disk of a partition is found, also where the name does not tell', () => {
  assert.equal(wholeDiskOf('8:3', roots), 'sda');
  assert.equal(wholeDiskOf('259:3', roots), 'nvme0n1');
  assert.equal(wholeDiskOf('8:0', roots), 'sda');
  assert.equal(wholeDiskOf('253:1', roots), 'dm-1');
  assert.equal(wholeDiskOf('1:1', roots), undefined);
  assert.deepEqual(partitionsOf('sda', roots), ['sda1', 'sda2', 'sda3']);
});

test('descendants go through partitions and every layer of LVM', () => {
  assert.deepEqual(descendants('sda', roots), ['sda', 'sda1', 'sda2', 'sda3', 'dm-0', 'dm-1', 'dm-2', 'dm-3', 'dm-4']);
  assert.deepEqual(descendants('sda1', roots), ['sda1']);
});

test('ancestors go down to the disk', () => {
  assert.deepEqual(ancestors('dm-4', roots), ['dm-4', 'dm-3', 'dm-2', 'sda3', 'sda']);
});

test('a loop device on a block device is built on it', () => {
  assert.deepEqual(descendants('sdd', roots), ['sdd', 'sdd1', 'loop0']);
  assert.deepEqual(ancestors('loop0', roots), ['loop0', 'sdd1', 'sdd']);
});

test('nodes are known by link, by name with a slash, and not outside of /dev', () => {
  assert.equal(nameOfNode('/dev/mapper/pve-root', roots), 'dm-1');
  assert.equal(nameOfNode('/dev/cciss/c0d0', roots), 'cciss!c0d0');
  assert.equal(nameOfNode('/dev/none', roots), undefined);
  assert.equal(nameOfNode('rpool/data', roots), undefined);
});

test('paths are those that people know', () => {
  assert.equal(nodePath('dm-1', roots), '/dev/mapper/pve-root');
  assert.equal(nodePath('cciss!c0d0', roots), '/dev/cciss/c0d0');
  assert.equal(nodePath('sda', roots), '/dev/sda');
});
