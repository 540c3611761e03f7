import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMountinfo, parseSwaps, readMounts, readSwaps } from '../../src/device/mounts.js';

test('mountinfo is read with none, one and several optional fields', () => {
  const mounts = parseMountinfo(`22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw,discard
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 propagate_from:2 - ext3 /dev/root rw,errors=continue
`);
  assert.deepEqual(mounts, [
    { id: 22, deviceNumber: '0:21', mountpoint: '/proc', fsType: 'proc', source: 'proc' },
    { id: 27, deviceNumber: '254:0', mountpoint: '/', fsType: 'ext4', source: '/dev/vda' },
    { id: 36, deviceNumber: '98:0', mountpoint: '/mnt2', fsType: 'ext3', source: '/dev/root' },
  ]);
});

test('octal escapes in mountpoints and sources are decoded', () => {
  const [mount] = parseMountinfo('1 2 8:1 / /mnt/a\\040b\\011c\\134d\\043e rw - ext4 /dev/x\\040y rw');
  assert.equal(mount?.mountpoint, '/mnt/a b\tc\\d#e');
  assert.equal(mount?.source, '/dev/x y');
});

test('a file system that is read-only is told from a read-only mount of one that is not', () => {
  const [whole, mount] = parseMountinfo(`36 1 0:40 /@ / rw - btrfs /dev/sda3 ro,subvolid=256,subvol=/@
37 1 0:40 /@ /mnt ro - btrfs /dev/sda3 rw,subvolid=256,subvol=/ro`);
  assert.deepEqual([whole?.isReadOnly, mount?.isReadOnly], [true, undefined]);
});

test('a mountpoint named with a hyphen and an empty source are understood', () => {
  const [mount] = parseMountinfo('1 2 0:5 / - rw - tmpfs  rw');
  assert.deepEqual(mount, { id: 1, deviceNumber: '0:5', mountpoint: '-', fsType: 'tmpfs', source: '' });
});

test('swaps are read, without the heading', () => {
  const heading = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';
  assert.deepEqual(parseSwaps(heading), []);
  assert.deepEqual(parseSwaps(''), []);
  assert.deepEqual(
    parseSwaps(`${heading}/dev/dm-0      partition\t8388604\t0\t-2\n/swap\\040file  file\t\t1024\t\t0\t\t-3\n`),
    [
      { path: '/dev/dm-0', kind: 'partition', sizeBytes: 8388604 * 1024 },
      { path: '/swap file', kind: 'file', sizeBytes: 1024 * 1024 },
    ],
  );
});

test('this host has a root mount', () => {
  assert.ok(readMounts().some(({ mountpoint }) => mountpoint === '/'));
  assert.ok(Array.isArray(readSwaps()));
});
