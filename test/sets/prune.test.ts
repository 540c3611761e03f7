import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { findSets } from '../../src/sets/find-sets.js';
import { type PruneOptions, pruneSets } from '../../src/sets/prune.js';
import { dailyTimes, directory, makeSet, never } from './fake-set.js';

const silent = { warn: () => undefined, detail: () => undefined };

function prune(top: string, changes: Partial<PruneOptions> = {}) {
  return pruneSets({ directory: top, keep: { keepLast: 2 }, dryRun: false, signal: never, ...changes }, silent);
}

function makeDaily(top: string, count: number, hostname = 'pve1'): string[] {
  return dailyTimes(count).map((time) => makeSet(top, { time, hostname }));
}

/** Of those paths, the ones that are still there. */
function there(paths: string[]): string[] {
  return paths.filter((path) => existsSync(path));
}

test('what is covered stays, all else goes, with its directory', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 5);
  const result = await prune(top);
  assert.deepEqual(there(paths), paths.slice(0, 2));
  assert.equal(result.removed, 3);
  assert.ok(result.freedBytes > 3000);
  assert.deepEqual(result.failed, []);
  assert.equal((await findSets(top)).length, 2);
});

test('a dry run tells the same and removes nothing', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 5);
  const dry = await prune(top, { dryRun: true });
  assert.deepEqual(there(paths), paths);
  const real = await prune(top);
  assert.deepEqual({ ...real, dryRun: true }, dry);
});

test('without a keep option nothing goes', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 3);
  for (const keep of [{}, { keepLast: 0 }, { keepAll: true }]) {
    const result = await prune(top, { keep });
    assert.equal(result.removed, 0);
  }
  assert.deepEqual(there(paths), paths);
});

test('hosts and disks are judged each by itself, by exact name', async (t) => {
  const top = directory(t);
  const [time = new Date()] = dailyTimes(1);
  const paths = [
    ...makeDaily(top, 2, 'pve2'),
    makeSet(top, { time, hostname: 'pve' }),
    makeSet(top, { time: dailyTimes(9)[8] ?? time, hostname: 'pve', serial: 'another disk' }),
    makeSet(top, { time, hostname: 'pve2.example.org' }),
  ];
  await prune(top, { keep: { keepLast: 1 } });
  assert.deepEqual(
    there(paths),
    paths.filter((_, index) => index !== 1),
  );
});

test('--host leaves the other hosts alone', async (t) => {
  const top = directory(t);
  const mine = makeDaily(top, 2);
  const others = makeDaily(top, 2, 'pve2');
  await prune(top, { keep: { keepLast: 1 }, hostname: 'pve1' });
  assert.deepEqual(there([...mine, ...others]), [mine[0], ...others]);
});

test('the newest good set stays where newer ones are broken', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 4);
  for (const path of paths.slice(0, 2)) truncateSync(join(path, 'boot-disk.img.zst'), 1);
  await prune(top, { keep: { keepLast: 1 } });
  assert.deepEqual(there(paths), paths.slice(0, 3));
});

test('a protected set stays', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 4);
  writeFileSync(join(paths[3] ?? '', 'protected'), '');
  await prune(top, { keep: { keepLast: 1 } });
  assert.deepEqual(there(paths), [paths[0], paths[3]]);
});

test('a run in progress and what is no set are not touched', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 3);
  const unreadable = paths[2] ?? '';
  writeFileSync(join(unreadable, 'manifest.json'), 'damaged');
  const running = join(top, 'pve1', '2020-01-01T00-00-00Z');
  mkdirSync(running);
  writeFileSync(join(running, 'boot-disk.img.zst.partial'), 'half');
  await prune(top, { keep: { keepLast: 1 } });
  assert.ok(existsSync(join(running, 'boot-disk.img.zst.partial')));
  assert.ok(existsSync(join(unreadable, 'boot-disk.img.zst')));
  assert.deepEqual(there(paths), [paths[0], paths[2]]);
});

test("somebody else's files stay, with their directories, and it is said", async (t) => {
  const top = directory(t);
  const [, old = ''] = makeDaily(top, 2);
  const outside = directory(t);
  writeFileSync(join(outside, 'precious'), 'x');
  writeFileSync(join(old, 'notes.txt'), 'mine');
  writeFileSync(join(old, 'host', 'mine'), 'mine');
  mkdirSync(join(old, 'host', 'empty'));
  symlinkSync(outside, join(old, 'link'));
  mkdirSync(join(old, 'backup.log.partial'));
  const warnings: string[] = [];
  const options = { directory: top, keep: { keepLast: 1 }, dryRun: false, signal: never };
  const result = await pruneSets(options, { ...silent, warn: (text) => warnings.push(text) });
  const left = ['backup.log.partial', 'host/empty', 'host/mine', 'link', 'notes.txt'];
  assert.deepEqual(result.sets[1]?.left, left);
  assert.match(warnings.join('\n'), /stays, for not everything in it is lifeboat's: backup\.log\.partial, host\/empty/);
  assert.deepEqual(readdirSync(old).sort(), ['backup.log.partial', 'host', 'link', 'notes.txt']);
  assert.deepEqual(readdirSync(join(old, 'host')).sort(), ['empty', 'mine']);
  assert.deepEqual(readdirSync(outside), ['precious']);
  // What is left is no set, and no later prune comes back to it.
  assert.equal((await findSets(top)).length, 1);
  assert.equal((await prune(top, { keep: { keepLast: 1 } })).removed, 0);
});

test('a link in place of host/ is not followed', async (t) => {
  const top = directory(t);
  const [, old = ''] = makeDaily(top, 2);
  const outside = directory(t);
  rmSync(join(old, 'host'), { recursive: true });
  for (const name of ['fstab', 'config.db']) writeFileSync(join(outside, name), 'of somebody else');
  symlinkSync(outside, join(old, 'host'));
  await prune(top, { keep: { keepLast: 1 } });
  assert.deepEqual(readdirSync(outside).sort(), ['config.db', 'fstab']);
});

test('something mounted in host/ is not emptied', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, async (t) => {
  const top = directory(t);
  const [, old = ''] = makeDaily(top, 2);
  const host = join(old, 'host');
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat-test', host]);
  // As good as the set's own, by its name and size.
  for (const [name, text] of Object.entries({ fstab: 'fstab\n', 'config.db': 'database\n' }))
    writeFileSync(join(host, name), text);
  const result = await prune(top, { keep: { keepLast: 1 } });
  const left = readdirSync(host).sort();
  await execa('umount', [host]);
  assert.deepEqual(result.sets[1]?.left, ['host']);
  assert.deepEqual(left, ['config.db', 'fstab']);
});

test('a prune that was stopped anywhere is ended by the next one', async (t) => {
  // Whatever it had removed by then: the manifest had its other name before anything else was done.
  const names = ['boot-disk.img.zst', 'SHA256SUMS', 'host/fstab', 'host/config.db', 'restore.sh', 'RECOVERY.md'];
  for (let gone = 0; gone <= names.length; gone++) {
    const top = directory(t);
    const [, old = ''] = makeDaily(top, 2);
    renameSync(join(old, 'manifest.json'), join(old, 'manifest.json.removing'));
    for (const name of names.slice(0, gone)) rmSync(join(old, name));
    assert.equal((await findSets(top))[1]?.state, 'removing');
    assert.equal((await prune(top)).removed, 1, `${gone} files were gone`);
    assert.equal(existsSync(old), false);
  }
});

test('only a prune that removes something ends another', async (t) => {
  const top = directory(t);
  const [, old = ''] = makeDaily(top, 2);
  renameSync(join(old, 'manifest.json'), join(old, 'manifest.json.removing'));
  await prune(top, { keep: {} });
  await prune(top, { dryRun: true });
  await prune(top, { hostname: 'another' });
  assert.ok(existsSync(join(old, 'boot-disk.img.zst')));
});

test('a set that cannot be removed keeps no other from it', {
  skip: process.getuid?.() !== 0 && 'needs root, and chattr',
}, async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 4);
  const stuck = paths[3] ?? '';
  const made = await execa('chattr', ['+i', join(stuck, 'boot-disk.img.zst')], { reject: false });
  if (made.failed) return t.skip('this file system has no such flag');
  t.after(() => execa('chattr', ['-i', join(stuck, 'boot-disk.img.zst')], { reject: false }));
  const result = await prune(top, { keep: { keepLast: 1 } });
  assert.deepEqual(
    result.failed.map(({ path }) => basename(path)),
    [basename(stuck)],
  );
  assert.equal(result.removed, 2);
  assert.deepEqual(there(paths), [paths[0], stuck]);
  // It is no set any more, and says so: what can be restored is not half a set.
  assert.equal((await findSets(top)).at(-1)?.state, 'removing');
  await execa('chattr', ['-i', join(stuck, 'boot-disk.img.zst')]);
  assert.equal((await prune(top, { keep: { keepLast: 1 } })).removed, 1);
  assert.deepEqual(there(paths), [paths[0]]);
});

test('an abort stops it between two sets', async (t) => {
  const top = directory(t);
  const paths = makeDaily(top, 5);
  const abort = new AbortController();
  const report = { ...silent, detail: () => abort.abort() };
  const options = { directory: top, keep: { keepLast: 1 }, dryRun: false, signal: abort.signal };
  await assert.rejects(pruneSets(options, report), { name: 'AbortError' });
  // The oldest goes first.
  assert.deepEqual(there(paths), paths.slice(0, 4));
});
