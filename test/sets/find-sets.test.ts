import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findSets, readSet } from '../../src/sets/find-sets.js';
import { recordVerified } from '../../src/sets/verified.js';
import { dailyTimes, directory, makeSet } from './fake-set.js';

const [NEW = new Date(), OLD = new Date()] = dailyTimes(2);

test('sets of all hosts are found, the newest first', async (t) => {
  const top = directory(t);
  const paths = [
    makeSet(top, { time: NEW }),
    makeSet(top, { time: NEW, hostname: 'pve2' }),
    makeSet(top, { time: OLD, isProtected: true }),
  ];
  const found = await findSets(top);
  assert.deepEqual(
    found.map(({ path }) => path),
    paths,
  );
  assert.deepEqual(
    found.map((set) => set.protected),
    [false, false, true],
  );
  assert.deepEqual(
    found.map(({ state }) => state),
    ['good', 'good', 'good'],
  );
  assert.equal(found[1]?.manifest?.hostname, 'pve2');
  assert.deepEqual(
    (await findSets(join(top, 'pve1'))).map(({ path }) => path),
    [paths[0], paths[2]],
  );
});

test('what is of others is passed over', async (t) => {
  const top = directory(t);
  const other = directory(t);
  makeSet(other, { time: NEW });
  mkdirSync(join(top, 'pve1', '2026-11-20T20-30-00Z'), { recursive: true });
  writeFileSync(join(top, 'pve1', '2026-11-20T20-30-00Z', 'holiday.jpg'), 'x');
  mkdirSync(join(top, 'photos', '2026'), { recursive: true });
  writeFileSync(join(top, 'manifest.json'), '{}');
  symlinkSync(join(other, 'pve1'), join(top, 'linked'));
  symlinkSync('/nowhere', join(top, 'dangling'));
  assert.deepEqual(await findSets(top), []);
});

test('a broken set is listed with what is wrong', async (t) => {
  const top = directory(t);
  const cases: [(path: string) => void, RegExp][] = [
    [(path) => rmSync(join(path, 'boot-disk.img.zst')), /^"boot-disk\.img\.zst" is missing$/],
    [(path) => truncateSync(join(path, 'boot-disk.img.zst'), 7), /is 7 bytes long, not 1000$/],
    [(path) => rmSync(join(path, 'host/fstab')), /^"host\/fstab" is missing$/],
    [(path) => rmSync(join(path, 'host'), { recursive: true }), /is missing$/],
    [(path) => rmSync(join(path, 'manifest.json')), /it has no manifest\.json/],
    [(path) => writeFileSync(join(path, 'manifest.json'), '{'), /it is no JSON/],
    [
      (path) => {
        rmSync(join(path, 'boot-disk.img.zst'));
        symlinkSync('/etc/hostname', join(path, 'boot-disk.img.zst'));
      },
      /is no regular file$/,
    ],
    [
      (path) => {
        renameSync(join(path, 'manifest.json'), join(path, 'real.json'));
        symlinkSync('real.json', join(path, 'manifest.json'));
      },
      /ELOOP/,
    ],
  ];
  for (const [index, [spoil, why]] of cases.entries()) {
    const path = makeSet(top, { time: dailyTimes(20)[index] ?? NEW });
    spoil(path);
    const set = await readSet(path);
    assert.equal(set?.state, 'broken', String(why));
    assert.match(set.broken ?? '', why);
  }
  assert.equal((await findSets(top)).length, cases.length);
});

test('the size is that of our own files', async (t) => {
  const path = makeSet(directory(t), { time: NEW });
  const before = (await readSet(path))?.sizeBytes ?? 0;
  assert.ok(before > 1000);
  writeFileSync(join(path, 'notes.txt'), 'x'.repeat(5000));
  assert.equal((await readSet(path))?.sizeBytes, before);
});

test('the last proof counts: of the run itself, or of a later verify', async (t) => {
  const path = makeSet(directory(t), { time: NEW });
  assert.equal((await readSet(path))?.verifiedAt?.toISOString(), '2026-11-20T20:40:00.000Z');
  recordVerified(path, new Date('2026-12-01T00:00:00Z'));
  recordVerified(path, new Date('2026-12-24T00:00:00Z'));
  assert.equal((await readSet(path))?.verifiedAt?.toISOString(), '2026-12-24T00:00:00.000Z');
  writeFileSync(join(path, 'verified'), 'nonsense');
  assert.equal((await readSet(path))?.verifiedAt?.toISOString(), '2026-11-20T20:40:00.000Z');
});

test('a set that was copied away under another name can be looked at', async (t) => {
  const top = directory(t);
  const path = makeSet(top, { time: NEW });
  renameSync(path, join(top, 'the-good-one'));
  const set = await readSet(join(top, 'the-good-one'));
  assert.equal(set?.state, 'good');
  assert.deepEqual(set.time, NEW);
});

test('a missing directory is an error, an empty one is none', async (t) => {
  const top = directory(t);
  assert.deepEqual(await findSets(top), []);
  await assert.rejects(findSets(join(top, 'nas')), { code: 'FAILED', message: /Cannot list ".*nas"/ });
});

test('an abort ends the search', async (t) => {
  const top = directory(t);
  makeSet(top, { time: NEW });
  await assert.rejects(findSets(top, AbortSignal.abort()), { name: 'AbortError' });
});
