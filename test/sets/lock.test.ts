import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDisk, waitForDisk } from '../../src/sets/lock.js';
import { holding } from '../device/loop.js';
import { directory, never } from './fake-set.js';

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
  const other = await holding('exec 9<"$1"; flock 9; echo held; exec sleep 60', path);
  t.after(() => other.end());
  assert.throws(() => lockDisk('sda', base), { code: 'BUSY', message: /another run is at it$/ });
  await other.end();
  lockDisk('sda', base).release();
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

test('a lock that comes free is waited for, and who has it is told once', async (t) => {
  const base = directory(t);
  const lock = lockDisk('sda', base);
  setTimeout(lock.release, 1200);
  const said: string[] = [];
  const since = performance.now();
  const taken = await waitForDisk('sda', {
    waitMs: 60_000,
    signal: never,
    say: (text) => said.push(text),
    directory: base,
  });
  t.after(taken.release);
  assert.ok(performance.now() - since >= 1100);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^waiting 1 minute at the most for "sda": another run is at it \(pid \d+ since 20/);
  assert.throws(() => lockDisk('sda', base), { code: 'BUSY' });
});

test('waiting ends when its time is over, and says for how long it was', async (t) => {
  const base = directory(t);
  const lock = lockDisk('sda', base);
  t.after(lock.release);
  const wait = { signal: never, say: () => undefined, directory: base };
  await assert.rejects(waitForDisk('sda', { ...wait, waitMs: 0 }), {
    code: 'BUSY',
    message: /another run is at it \(pid .*\)$/,
  });
  const since = performance.now();
  await assert.rejects(waitForDisk('sda', { ...wait, waitMs: 700 }), {
    code: 'BUSY',
    exitStatus: 11,
    message: /another run is at it \(pid .*\), still after 1 minute$/,
  });
  assert.ok(performance.now() - since >= 690);
});

test('waiting ends at once when the run is stopped', async (t) => {
  const base = directory(t);
  const lock = lockDisk('sda', base);
  t.after(lock.release);
  const controller = new AbortController();
  const reason = new Error('stopped by SIGTERM');
  setTimeout(() => controller.abort(reason), 100);
  const since = performance.now();
  const wait = { waitMs: 60_000, signal: controller.signal, say: () => undefined, directory: base };
  await assert.rejects(waitForDisk('sda', wait), reason);
  assert.ok(performance.now() - since < 5000);
  await assert.rejects(waitForDisk('sdb', wait), reason);
});
