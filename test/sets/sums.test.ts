import assert from 'node:assert/strict';
import { appendFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { encodeSums, parseSums, sumsOf, verifySums } from '../../src/sets/sums.js';
import { directory, makeSet, never } from './fake-set.js';

const TIME = new Date('2026-11-20T20:30:00Z');
const ZEROS = '0'.repeat(64);

test('sha256sum -c takes what is written, and finds what is changed', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  const sums = await sumsOf(set, { signal: never });
  writeFileSync(join(set, 'SHA256SUMS'), encodeSums(sums));
  const { stdout } = await execa('sha256sum', ['-c', 'SHA256SUMS'], { cwd: set });
  assert.match(stdout, /^host\/config\.db: OK$/m);
  assert.match(stdout, /^manifest\.json: OK$/m);
  assert.doesNotMatch(stdout, /SHA256SUMS|protected/);
  appendFileSync(join(set, 'host/fstab'), 'x');
  await assert.rejects(execa('sha256sum', ['-c', 'SHA256SUMS'], { cwd: set }), /FAILED/);
});

test('by name, and the largest file last', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  const paths = (await sumsOf(set, { signal: never })).map(({ path }) => path);
  const largest = paths.at(-1);
  assert.ok(largest === 'manifest.json' || largest === 'boot-disk.img.zst');
  assert.deepEqual(paths.slice(0, -1), paths.slice(0, -1).sort());
});

test('a sum that is known is not computed again', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  const sums = await sumsOf(set, { signal: never, known: new Map([['boot-disk.img.zst', ZEROS]]) });
  assert.equal(sums.find(({ path }) => path === 'boot-disk.img.zst')?.sha256, ZEROS);
});

test('verify tells of what is damaged, missing and unknown, and skips what it is told to', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  assert.deepEqual((await verifySums(set, { signal: never })).damage, []);
  writeFileSync(join(set, 'boot-disk.img.zst'), 'other');
  rmSync(join(set, 'host/fstab'));
  writeFileSync(join(set, 'notes.txt'), 'mine');
  writeFileSync(join(set, 'protected'), '');
  const result = await verifySums(set, { signal: never });
  assert.deepEqual(result.damage, [
    '"boot-disk.img.zst" is damaged: its SHA-256 is another',
    '"host/fstab" is missing',
  ]);
  assert.deepEqual(result.unknown, ['notes.txt']);
  const skipping = await verifySums(set, { signal: never, skip: new Set(['boot-disk.img.zst']) });
  assert.equal(skipping.damage.length, 1);
});

test('a link in place of a file is not followed', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  rmSync(join(set, 'host/fstab'));
  symlinkSync('/etc/hostname', join(set, 'host/fstab'));
  const { damage } = await verifySums(set, { signal: never });
  assert.equal(damage.length, 1);
  assert.match(damage[0] ?? '', /ELOOP/);
});

test('an abort ends it', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  await assert.rejects(verifySums(set, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('without SHA256SUMS nothing is proven', async (t) => {
  const set = makeSet(directory(t), { time: TIME });
  rmSync(join(set, 'SHA256SUMS'));
  await assert.rejects(verifySums(set, { signal: never }), { code: 'DAMAGE', message: /it has no SHA256SUMS/ });
});

test('a line that is not as sha256sum writes it is damage', () => {
  const good = `${ZEROS}  a\n`;
  assert.deepEqual(parseSums(good, 'x'), [{ path: 'a', sha256: ZEROS }]);
  assert.deepEqual(parseSums(`${ZEROS} *a\n`, 'x'), [{ path: 'a', sha256: ZEROS }]);
  for (const text of [
    good.trimEnd(),
    `${good}${good}`,
    `${good}\n`,
    `${ZEROS} a\n`,
    `${ZEROS.slice(1)}  a\n`,
    `${ZEROS}  ../a\n`,
    `${ZEROS}  /etc/shadow\n`,
    `\\${ZEROS}  a\\nb\n`,
  ])
    assert.throws(() => parseSums(text, 'x'), { code: 'DAMAGE' }, JSON.stringify(text));
  assert.throws(() => encodeSums([{ path: 'a\nb', sha256: ZEROS }]), { code: 'DAMAGE' });
});
