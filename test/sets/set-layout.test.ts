import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hostDirectoryName, ownFileNames, setNameOf, timeOfSetName } from '../../src/sets/set-layout.js';

test('the name of a set is its time, to the second', () => {
  const time = new Date('2026-11-20T20:30:00.987Z');
  assert.equal(setNameOf(time), '2026-11-20T20-30-00Z');
  assert.deepEqual(timeOfSetName('2026-11-20T20-30-00Z'), new Date('2026-11-20T20:30:00Z'));
});

test('no other name is a time', () => {
  for (const name of [
    '2026-11-20T20:30:00Z',
    '2026-11-20T20-30-00',
    '2026-02-31T20-30-00Z',
    '2026-11-20T25-00-00Z',
    ' 2026-11-20T20-30-00Z',
    '2026-11-20T20-30-00Z.partial',
    'lost+found',
    '',
  ])
    assert.equal(timeOfSetName(name), undefined, name);
});

test('any time comes back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e9 }), (seconds) => {
      assert.equal(timeOfSetName(setNameOf(new Date(seconds * 1000)))?.getTime(), seconds * 1000);
    }),
  );
});

test('a hostname is one plain name of a directory, whatever it is', () => {
  assert.equal(hostDirectoryName('pve1.example.org'), 'pve1.example.org');
  assert.equal(hostDirectoryName('../../etc'), '_._.._etc');
  assert.equal(hostDirectoryName('.'), '_');
  assert.equal(hostDirectoryName('-rf'), '_rf');
  assert.equal(hostDirectoryName(''), '_');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (hostname) => {
      const name = hostDirectoryName(hostname);
      assert.match(name, /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/);
    }),
  );
});

test('names are ours with and without what stands behind them while they are written', () => {
  const own = ownFileNames('boot-disk.img.zst');
  for (const name of [
    'boot-disk.img.zst',
    'boot-disk.img.zst.partial',
    'boot-disk.img.zst.sha256.partial',
    'SHA256SUMS',
  ])
    assert.ok(own.has(name), name);
  for (const name of ['boot-disk.img.gz', 'notes.txt', 'host']) assert.ok(!own.has(name), name);
  assert.ok(ownFileNames(undefined).has('boot-disk.img.gz'));
});
