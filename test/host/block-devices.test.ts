import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isEfiSystem, parseLsblk, readBlockDevices } from '../../src/host/block-devices.js';

/** Printed by lsblk 2.38 of a disk as Proxmox's installer lays it out. */
const PROXMOX = readFileSync('test/host/fixtures/lsblk-proxmox.json', 'utf8');

test('each device of a Proxmox disk is listed with what it holds and the disk it lies on', () => {
  const devices = parseLsblk(PROXMOX);
  assert.deepEqual(
    devices.map(({ path }) => path),
    ['/dev/sda', '/dev/sda1', '/dev/sda2', '/dev/sda3', '/dev/mapper/pve-swap', '/dev/mapper/pve-root'],
  );
  assert.deepEqual(devices.at(-1), {
    path: '/dev/mapper/pve-root',
    kind: 'lvm',
    sizeBytes: 12 * 1024 ** 3,
    fsType: 'ext4',
    uuid: '0f5c9d52-0000-4000-8000-000000000002',
    label: undefined,
    partitionType: undefined,
    partitionUuid: undefined,
    mountpoints: ['/'],
    disks: ['/dev/sda'],
  });
});

test('the EFI system partition is known by its type, GPT or MBR', () => {
  const devices = parseLsblk(PROXMOX);
  assert.deepEqual(
    devices.filter(isEfiSystem).map(({ path, uuid, mountpoints }) => [path, uuid, mountpoints]),
    [['/dev/sda2', 'A1B2-C3D4', ['/boot/efi']]],
  );
  const [mbr] = parseLsblk(listing({ path: '/dev/sdb1', type: 'part', size: 512, parttype: '0xef' }));
  assert.ok(mbr && isEfiSystem(mbr));
});

test('an array below two disks is listed once, on both of them', () => {
  const array = { path: '/dev/md0', type: 'raid1', size: 1024 };
  const disk = (name: string) => ({
    path: `/dev/${name}`,
    type: 'disk',
    size: 4096,
    children: [{ path: `/dev/${name}1`, type: 'part', size: 2048, children: [array] }],
  });
  const devices = parseLsblk(listing(disk('sda'), disk('sdb')));
  assert.equal(devices.length, 5);
  assert.deepEqual(devices.find(({ path }) => path === '/dev/md0')?.disks, ['/dev/sda', '/dev/sdb']);
});

test('sizes of old versions, in quotes, are read', () => {
  assert.equal(parseLsblk(listing({ path: '/dev/sda', type: 'disk', size: '4096' }))[0]?.sizeBytes, 4096);
});

test('what is no report of lsblk is an error, never a guess', () => {
  const sda = { path: '/dev/sda', type: 'disk', size: 1 };
  const wrong: [string, RegExp][] = [
    ['', /no JSON/],
    [PROXMOX.slice(0, 500), /no JSON/],
    ['null', /list of devices is missing/],
    ['{}', /list of devices is missing/],
    [listing(null), /no object/],
    [listing({ ...sda, path: 'sda' }), /path "sda"/],
    [listing({ type: 'disk', size: 1 }), /path ""/],
    [listing({ ...sda, size: '1.5G' }), /size "1\.5G"/],
    [listing({ ...sda, size: -1 }), /size -1/],
    [listing({ ...sda, size: null }), /size null/],
    [listing({ ...sda, uuid: 7 }), /"uuid" is 7/],
    [listing({ ...sda, mountpoints: '/' }), /list of devices is missing/],
    [listing({ ...sda, children: {} }), /list of devices is missing/],
  ];
  for (const [json, message] of wrong) assert.throws(() => parseLsblk(json), { code: 'FAILED', message });
});

test("this machine's own devices are read", async () => {
  const devices = await readBlockDevices(new AbortController().signal);
  assert.ok(devices.every(({ path, disks }) => path.startsWith('/dev/') && disks.length > 0));
});

function listing(...blockdevices: unknown[]): string {
  return JSON.stringify({ blockdevices });
}
