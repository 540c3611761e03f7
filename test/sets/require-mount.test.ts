import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { judgeMount, requireMount } from '../../src/sets/require-mount.js';
import { directory } from './fake-set.js';

const NAS = { id: 1, deviceNumber: '0:42', mountpoint: '/mnt/nas', fsType: 'nfs4', source: 'nas:/backup' };
const ROOT = { id: 2, deviceNumber: '8:1', mountpoint: '/', fsType: 'ext4', source: '/dev/sda1' };

test('a directory on a mount of its own will do, one on the root file system will not', () => {
  judgeMount('/mnt/nas/sets', NAS, undefined);
  judgeMount('/mnt/nas/sets', NAS, '/mnt/nas');
  assert.throws(() => judgeMount('/mnt/nas/sets', ROOT, undefined), {
    code: 'FAILED',
    message: /it is on the root file system \(\/dev\/sda1\)/,
    hint: /mount "\/mnt\/nas\/sets"/,
  });
});

test('what has to be mounted has to be that very mount', () => {
  assert.throws(() => judgeMount('/mnt/nas/sets', ROOT, '/mnt/nas'), { message: /on "\/" .* and not on a mount/ });
  assert.throws(() => judgeMount('/mnt/nas/sets', { ...NAS, mountpoint: '/mnt' }, '/mnt/nas'), { code: 'FAILED' });
  assert.throws(() => judgeMount('/mnt/nas', { ...NAS, fsType: 'autofs' }, undefined), {
    message: /waits to be mounted/,
  });
});

test('a missing mountpoint is a mount that is missing', (t) => {
  const base = directory(t);
  assert.throws(() => requireMount(base, join(base, 'nas')), { code: 'FAILED', message: /there is no ".*nas"/ });
  assert.throws(() => requireMount(join(base, 'nothing')), { code: 'FAILED', message: /nothing/ });
});

test('a real mount is found, through a link too', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, async (t) => {
  const base = directory(t);
  const mountpoint = join(base, 'mnt');
  mkdirSync(mountpoint);
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat-test', mountpoint]);
  try {
    mkdirSync(join(mountpoint, 'sets'));
    symlinkSync(mountpoint, join(base, 'link'));
    assert.equal(requireMount(join(mountpoint, 'sets'), mountpoint).source, 'lifeboat-test');
    assert.equal(requireMount(join(base, 'link', 'sets'), join(base, 'link')).fsType, 'tmpfs');
    assert.throws(() => requireMount(base, mountpoint), { code: 'FAILED' });
    // The share is there, and the directory on it is not yet.
    for (const wanted of [mountpoint, undefined])
      assert.throws(() => requireMount(join(mountpoint, 'new', 'sets'), wanted), {
        message: /there is no such directory/,
        hint: /mkdir -p ".*\/mnt\/new\/sets"/,
      });
  } finally {
    await execa('umount', [mountpoint]);
  }
});
