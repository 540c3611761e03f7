import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDisk } from '../../src/sets/lock.js';
import { holding } from '../device/loop.js';
import { directory } from './fake-set.js';

test('one run a disk; another disk is another lock', (t) => {
  const base = directory(t);
  const lock = lockDisk('sda', base);
  assert.equal(lock.path, join(base, 'lifeboat-sda.lock'));
  assert.throws(() => lockDisk('sda', base), {
    code: 'BUSY',
    exitStatus: 11,
    message: new RegExp(`another run is at it \\(pid ${process.pid} since 20`),
  });
  lockDisk('sdb', base).release();
  lock.release();
  lock.release();
  lockDisk('sda', base).release();
});

test('a lock that somebody else holds is seen, and is free once they are killed', async (t) => {
  const base = directory(t);
  const path = join(base, 'lifeboat-sda.lock');
  writeFileSync(path, 'not as we write it\n');
  const other = await holding('flock "$1" sh -c "echo held; exec sleep 60"', path);
  t.after(() => other.end());
  assert.throws(() => lockDisk('sda', base), { code: 'BUSY', message: /another run is at it$/ });
});

test('a file is left behind that says who had it, and harms nobody', (t) => {
  const base = directory(t);
  const { path, release } = lockDisk('cciss!c0d0', base);
  release();
  assert.match(readFileSync(path, 'utf8'), /^pid \d+ since /);
  lockDisk('cciss!c0d0', base).release();
});

test('a link that lies in wait is not followed', (t) => {
  const base = directory(t);
  symlinkSync(join(base, 'victim'), join(base, 'lifeboat-sda.lock'));
  assert.throws(() => lockDisk('sda', base), { code: 'FAILED', message: /it is a symbolic link/ });
  assert.equal(existsSync(join(base, 'victim')), false);
});
