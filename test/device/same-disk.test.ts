import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { deviceNumber } from '../../src/device/block-tree.js';
import { devicesOf } from '../../src/device/mount-devices.js';
import { parseMountinfo } from '../../src/device/mounts.js';
import { liesOn } from '../../src/device/same-disk.js';
import { fakeKernel, PROXMOX } from './fake-kernel.js';
import { attachLoop, noLoops } from './loop.js';

test('a directory lies on a disk through LVM on its partition', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-same-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const here = deviceNumber(statSync(directory).dev);
  const { roots, remove } = fakeKernel({
    devices: {
      sda: { number: '8:0' },
      sda3: { number: '8:3', partitionOf: 'sda' },
      'dm-0': { number: here, on: ['sda3'] },
      sdb: { number: '8:16' },
    },
  });
  t.after(remove);
  assert.equal(liesOn(directory, 0x800, roots), true);
  assert.equal(liesOn(directory, 0x803, roots), true);
  assert.equal(liesOn(directory, 0x810, roots), false);
  assert.equal(liesOn(directory, statSync(directory).dev, roots), true);
});

test('the devices of a mount are found for btrfs and ZFS by other ways than its number', (t) => {
  const { roots, remove } = fakeKernel(PROXMOX);
  t.after(remove);
  const devices = parseMountinfo(PROXMOX.mountinfo ?? '').map((mount) => devicesOf(mount, roots));
  assert.deepEqual(devices, [[], ['dm-1'], ['sda2'], ['sdb1', 'sdc'], ['nvme0n1p3'], []]);
});

test('a mounted loop device counts, and so does the disk that its file lies on', { skip: noLoops }, async (t) => {
  const outer = await attachLoop(32 << 20);
  const mountpoint = join(outer.directory, 'outer');
  const inner = join(outer.directory, 'inner');
  let innerDevice = '';
  t.after(async () => {
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8');
    if (mounted.includes(` ${inner} `)) await execa('umount', [inner]);
    if (innerDevice !== '') await execa('losetup', ['--detach', innerDevice]);
    if (mounted.includes(` ${mountpoint} `)) await execa('umount', [mountpoint]);
    await outer.detach();
  });
  mkdirSync(mountpoint);
  mkdirSync(inner);
  await execa('mkfs.ext4', ['-q', outer.device]);
  await execa('mount', [outer.device, mountpoint]);
  await execa('truncate', ['-s', '8M', join(mountpoint, 'inner.img')]);
  innerDevice = (await execa('losetup', ['--find', '--show', join(mountpoint, 'inner.img')])).stdout.trim();
  await execa('mkfs.ext4', ['-q', innerDevice]);
  await execa('mount', [innerDevice, inner]);
  writeFileSync(join(inner, 'out.zst'), '');

  const outerRdev = statSync(outer.device).rdev;
  const innerRdev = statSync(innerDevice).rdev;
  assert.equal(liesOn(mountpoint, outerRdev), true);
  assert.equal(liesOn(join(inner, 'out.zst'), innerRdev), true);
  assert.equal(liesOn(join(inner, 'out.zst'), outerRdev), true);
  assert.equal(liesOn(mountpoint, innerRdev), false);
  assert.equal(liesOn('/proc', outerRdev), false);
  assert.throws(() => liesOn(join(inner, 'missing'), outerRdev), { code: 'ENOENT' });
});
