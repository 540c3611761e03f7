import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { findSets, readSet } from '../../src/sets/find-sets.js';
import { openSetDir, removeLeftovers } from '../../src/sets/open-set-dir.js';
import { encodeOwner, thisOwner } from '../../src/sets/set-owner.js';
import { verifySums } from '../../src/sets/sums.js';
import { directory, IMAGE_BYTES, makeSet, manifestOf, never } from './fake-set.js';

const TIME = new Date('2026-11-20T20:30:00Z');
const NAME = '2026-11-20T20-30-00Z';
const manifest = manifestOf({ hostFiles: [{ name: 'fstab', madeBy: 'copy', sizeBytes: 6 }] });

function fill(path: string): void {
  writeFileSync(join(path, 'boot-disk.img.zst'), 'i'.repeat(IMAGE_BYTES));
  writeFileSync(join(path, 'backup.log'), 'log\n');
  writeFileSync(join(path, 'host/fstab'), 'fstab\n');
}

/** A process that was, and is no more. */
async function deadPid(): Promise<number> {
  const subprocess = execa('true');
  const pid = subprocess.pid ?? 0;
  await subprocess;
  return pid;
}

async function leaveBehind(top: string, changes: object = {}): Promise<string> {
  const path = join(top, 'pve1', NAME);
  mkdirSync(join(path, 'host/deep'), { recursive: true });
  const owner = { ...thisOwner('pve1'), pid: await deadPid(), ...changes };
  writeFileSync(join(path, 'UNFINISHED'), encodeOwner(owner));
  writeFileSync(join(path, 'boot-disk.img.zst.partial'), 'half');
  writeFileSync(join(path, 'SHA256SUMS'), '');
  writeFileSync(join(path, 'host/deep/file'), 'x');
  return path;
}

test('a set is one only once its manifest is there', async (t) => {
  const top = directory(t);
  const set = openSetDir(top, 'pve1', TIME);
  assert.equal(set.path, join(top, 'pve1', NAME));
  for (const path of [join(top, 'pve1'), set.path, set.hostPath])
    assert.equal(statSync(path).mode & 0o777, 0o700, path);
  fill(set.path);
  assert.equal((await readSet(set.path))?.state, 'running');

  await set.finish(manifest, { signal: never });
  assert.deepEqual(readdirSync(set.path).sort(), [
    'SHA256SUMS',
    'backup.log',
    'boot-disk.img.zst',
    'host',
    'manifest.json',
  ]);
  const found = await readSet(set.path);
  assert.equal(found?.state, 'good');
  assert.deepEqual(found.manifest, manifest);
  assert.deepEqual(await verifySums(set.path, { signal: never }), {
    damage: [],
    unknown: [],
    checkedBytes: found.sizeBytes - statSync(join(set.path, 'SHA256SUMS')).size,
  });
  for (const name of ['SHA256SUMS', 'manifest.json']) assert.equal(statSync(join(set.path, name)).mode & 0o777, 0o600);
  assert.deepEqual(await set.abandon(), []);
  assert.ok(existsSync(join(set.path, 'manifest.json')));
});

test('the manifest itself is in SHA256SUMS, and a known sum is taken as it is', async (t) => {
  const set = openSetDir(directory(t), 'pve1', TIME);
  fill(set.path);
  const sum = 'a'.repeat(64);
  await set.finish(manifest, { signal: never, knownSums: new Map([['boot-disk.img.zst', sum]]) });
  const text = readFileSync(join(set.path, 'SHA256SUMS'), 'utf8');
  const own = createHash('sha256')
    .update(readFileSync(join(set.path, 'manifest.json')))
    .digest('hex');
  assert.ok(text.startsWith(`${own}  manifest.json\n`));
  assert.ok(text.includes(`${sum}  boot-disk.img.zst\n`));
});

test('an abandoned one is gone, at any moment, and twice', async (t) => {
  const top = directory(t);
  const set = openSetDir(top, 'pve1', TIME);
  fill(set.path);
  writeFileSync(join(set.path, 'boot-disk.img.zst.sha256.partial'), 'x');
  await assert.rejects(set.finish(manifest, { signal: AbortSignal.abort() }));
  assert.deepEqual(await set.abandon(), []);
  assert.deepEqual(await set.abandon(), []);
  assert.deepEqual(readdirSync(join(top, 'pve1')), []);
});

test("somebody else's file stays when it is abandoned", async (t) => {
  const set = openSetDir(directory(t), 'pve1', TIME);
  fill(set.path);
  writeFileSync(join(set.path, 'notes.txt'), 'mine');
  assert.deepEqual(await set.abandon(), ['notes.txt']);
  assert.deepEqual(readdirSync(set.path), ['notes.txt']);
});

test('two runs of one second, a missing directory', (t) => {
  const top = directory(t);
  openSetDir(top, 'pve1', TIME);
  assert.throws(() => openSetDir(top, 'pve1', TIME), { code: 'BUSY' });
  assert.throws(() => openSetDir(join(top, 'nas'), 'pve1', TIME), { code: 'FAILED', hint: /mkdir -p/ });
});

test('a hostname cannot lead out of the directory', (t) => {
  const top = directory(t);
  const { path } = openSetDir(join(top), '../../evil', TIME);
  assert.equal(path, join(top, '_._.._evil', NAME));
});

test('what a killed run left is removed by the next one', async (t) => {
  const top = directory(t);
  const path = await leaveBehind(top);
  assert.equal((await readSet(path))?.state, 'unfinished');
  const said: string[] = [];
  assert.equal(await removeLeftovers(top, 'pve1', (text) => said.push(text)), 1);
  assert.equal(existsSync(path), false);
  assert.match(said[0] ?? '', /^removed ".*2026-11-20T20-30-00Z", which a run that was killed had left$/);
});

test('a start of the machine since then is as good a proof as a process that is gone', async (t) => {
  const top = directory(t);
  const path = await leaveBehind(top, { pid: process.pid, bootId: 'of another start' });
  assert.equal(await removeLeftovers(top, 'pve1', () => undefined), 1);
  assert.equal(existsSync(path), false);
});

test('a process that has its number by chance does not save it', async (t) => {
  const top = directory(t);
  await leaveBehind(top, { pid: process.pid, pidStart: '1' });
  assert.equal(await removeLeftovers(top, 'pve1', () => undefined), 1);
});

test('nothing is removed of which it is not proven that its run is dead', async (t) => {
  const cases: [string, (path: string) => void][] = [
    ['of a process that lives', (path) => writeFileSync(join(path, 'UNFINISHED'), encodeOwner(thisOwner('pve1')))],
    ['without the marker', (path) => rmSync(join(path, 'UNFINISHED'))],
    ['with an empty marker', (path) => writeFileSync(join(path, 'UNFINISHED'), '')],
    ['with a marker of somebody else', (path) => writeFileSync(join(path, 'UNFINISHED'), '{"pid": 1}')],
    [
      'with a link for a marker',
      (path) => {
        rmSync(join(path, 'UNFINISHED'));
        symlinkSync('/etc/hostname', join(path, 'UNFINISHED'));
      },
    ],
  ];
  for (const [what, change] of cases) {
    const top = directory(t);
    const path = await leaveBehind(top);
    change(path);
    assert.equal(await removeLeftovers(top, 'pve1', assert.fail), 0, what);
    assert.ok(existsSync(join(path, 'boot-disk.img.zst.partial')), what);
  }
  for (const changes of [{ machineId: 'another' }, { machineId: '' }]) {
    const top = directory(t);
    const path = await leaveBehind(top, changes);
    assert.equal(await removeLeftovers(top, 'pve1', assert.fail), 0);
    assert.ok(existsSync(path));
  }
});

test('nor what a run of this process is at', async (t) => {
  const top = directory(t);
  const set = openSetDir(top, 'pve1', TIME);
  // As if the machine had been started since: the lock alone tells.
  writeFileSync(join(set.path, 'UNFINISHED'), encodeOwner({ ...thisOwner('pve1'), bootId: 'another' }));
  assert.equal(await removeLeftovers(top, 'pve1', assert.fail), 0);
  await set.abandon();
});

test('nor of other hosts, nor behind links, nor under other names', async (t) => {
  const top = directory(t);
  const elsewhere = directory(t);
  const path = await leaveBehind(elsewhere);
  mkdirSync(join(top, 'pve1'));
  symlinkSync(path, join(top, 'pve1', NAME));
  assert.equal(await removeLeftovers(top, 'pve1', assert.fail), 0);
  assert.equal(await removeLeftovers(elsewhere, 'pve2', assert.fail), 0);
  assert.ok(existsSync(join(path, 'SHA256SUMS')));
});

test('a set whose run was killed at the very last is a set, and stays', async (t) => {
  const top = directory(t);
  const path = makeSet(top, { time: TIME });
  writeFileSync(join(path, 'UNFINISHED'), encodeOwner({ ...thisOwner('pve1'), pid: await deadPid() }));
  assert.equal((await readSet(path))?.state, 'good');
  assert.equal(await removeLeftovers(top, 'pve1', assert.fail), 0);
  assert.equal(existsSync(join(path, 'UNFINISHED')), false);
  assert.equal((await findSets(top))[0]?.state, 'good');
});
