import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { PhysicalVolumeOnDisk, VolumeContent } from '../../src/device/disk-map.js';
import { UNKNOWN } from '../../src/device/filesystem.js';
import type { LogicalVolume, PhysicalVolume, VolumeGroup } from '../../src/device/lvm.js';
import { leavingPoolsInactive } from '../../src/sets/inactive-pools.js';

const header = gunzipSync(readFileSync(join(import.meta.dirname, '../../../test/device/fixtures/lvm/pv-header.gz')));
const vg: VolumeGroup = { name: 'pve', uuid: 'g', seqno: 19, extentBytes: 1 << 22, freeExtents: 0, sizeBytes: 0 };
const pv: PhysicalVolume = {
  path: '/dev/sda3',
  uuid: 'p',
  vg: 'pve',
  dataOffset: header.length,
  sizeBytes: 0,
  extentCount: 0,
};
const lvm = { groups: [vg], physical: [pv], logical: [] };

function volume(name: string, role: LogicalVolume['role'], pool?: string): LogicalVolume {
  const none = { uuid: name, path: '', origin: undefined, sizeBytes: 0, tags: [], active: true, segments: [] };
  return { vg: 'pve', name, role, pool, snapPercent: undefined, ...none };
}

function pool(excluded: string | undefined, extra: LogicalVolume[] = []): PhysicalVolumeOnDisk {
  const left: VolumeContent = { facts: UNKNOWN, used: undefined, from: undefined, excluded };
  const volumes = [
    volume('root', 'thick'),
    volume('data', 'thin-pool'),
    volume('vm-100-disk-0', 'thin', 'data'),
    ...extra,
  ];
  const contents = new Map(volumes.filter(({ role }) => role !== 'thick').map(({ name }) => [name, left]));
  return { partition: 3, pv, vg, header, trailer: undefined, volumes, contents };
}

const marks = (bytes: Buffer) => bytes.toString('latin1').match(/NOAUTOACTIVATE/g)?.length ?? 0;
const silent = (text: string) => assert.fail(text);

test('a pool that is left out, and the volumes in it, are marked in the metadata of the image', () => {
  const marked = leavingPoolsInactive(pool('guests'), lvm, silent);
  // Texts of earlier days are still in the ring, and have been marked too.
  assert.equal(marks(marked.header), marks(header) + 2);
});

test('a pool that is saved stays as it is', () => {
  const on = pool(undefined);
  assert.equal(leavingPoolsInactive(on, lvm, silent), on);
});

test('where copies of the metadata lie on other disks nothing is changed, and it is told', () => {
  const told: string[] = [];
  const on = pool('guests');
  const two = { ...lvm, physical: [pv, { ...pv, path: '/dev/sdb1', uuid: 'q' }] };
  assert.equal(
    leavingPoolsInactive(on, two, (text) => told.push(text)),
    on,
  );
  assert.match(told.join(), /LVM activates data, vm-100-disk-0, empty, at boot/);
});

test('a volume that the metadata does not name is told, and nothing is changed', () => {
  const told: string[] = [];
  const on = pool('guests', [volume('vm-101-disk-0', 'thin', 'data')]);
  assert.equal(
    leavingPoolsInactive(on, lvm, (text) => told.push(text)),
    on,
  );
  assert.equal(told.length, 1);
});
