import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogicalVolume } from '../../src/device/lvm.js';
import { guestReason } from '../../src/sets/guests.js';

function volume(name: string, facts: Partial<LogicalVolume> = {}): LogicalVolume {
  return {
    vg: 'pve',
    name,
    uuid: name,
    path: `/dev/pve/${name}`,
    role: 'thick',
    pool: undefined,
    origin: undefined,
    sizeBytes: 1024 ** 3,
    tags: [],
    active: true,
    snapPercent: undefined,
    segments: [],
    ...facts,
  };
}

const POLICY = { includeGuests: false, exclude: [] };
const root = volume('root');
const pool = volume('data', { role: 'thin-pool', path: '' });
const poolData = volume('data_tdata', { role: 'internal', pool: 'data', path: '' });
const guest = volume('vm-100-disk-0', { role: 'thin', pool: 'data' });
const group = [root, pool, poolData, guest];
const mounts = [{ mountpoint: '/', device: '/dev/mapper/pve-root', fsType: 'ext4' }];

test("a thin pool, its parts and its volumes are the guests', and left out", () => {
  for (const one of [pool, poolData, guest])
    assert.deepEqual(guestReason(one, group, mounts, POLICY), { isGuest: true, excluded: 'guests' });
  assert.deepEqual(guestReason(root, group, mounts, POLICY), { isGuest: false, excluded: undefined });
});

test('a thick volume with a name of a guest disk is left out, and any other is not', () => {
  for (const name of ['vm-100-disk-0', 'base-9000-disk-1', 'vm-7-cloudinit', 'subvol-101-disk-0'])
    assert.equal(guestReason(volume(name), group, mounts, POLICY).excluded, 'guests', name);
  for (const name of ['vm', 'vmdata', 'my-vm-100-disk-0', 'base', 'swap'])
    assert.equal(guestReason(volume(name), group, mounts, POLICY).excluded, undefined, name);
});

test('--include-guests saves them, and what is named in exclude is still left out', () => {
  const policy = { includeGuests: true, exclude: ['pve/scratch', 'data'] };
  assert.deepEqual(guestReason(volume('vm-1-disk-0'), group, mounts, policy), { isGuest: true, excluded: undefined });
  assert.equal(guestReason(volume('scratch'), group, mounts, policy).excluded, 'excluded');
  assert.equal(guestReason(poolData, group, mounts, policy).excluded, 'excluded');
  assert.equal(guestReason(root, group, mounts, policy).excluded, undefined);
});

test('a pool that the host itself lives on is not left out', () => {
  const thinRoot = volume('root', { role: 'thin', pool: 'data' });
  for (const one of [pool, poolData, thinRoot])
    assert.equal(guestReason(one, [pool, poolData, thinRoot], mounts, POLICY).excluded, undefined);
});
