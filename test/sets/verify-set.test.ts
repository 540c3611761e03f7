import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { namesSet } from '../../src/sets/read-set.js';
import { restoreSet } from '../../src/sets/restore-set.js';
import { verifySet } from '../../src/sets/verify-set.js';
import { directory, flip, MIB } from '../cli/program.js';
import { testDevice } from '../gpu/adapter.js';
import { makeSet, noDisks, silent } from './made-set.js';

const { open, skip } = await testDevice();
open?.close();

function verify(set: string, quick = false) {
  const signal = new AbortController().signal;
  return verifySet({ set, quick, against: undefined, threads: 1, engine: 'auto', signal }, silent);
}

test('a set that is whole is proven, and that is noted in it', { skip: noDisks }, async (t) => {
  const set = await makeSet(directory(t));
  assert.ok(namesSet(set));
  assert.ok(!namesSet(join(set, 'host')));
  assert.ok(!namesSet(join(set, 'manifest.json')));
  assert.ok(!namesSet('-'));
  const quick = await verify(set, true);
  assert.deepEqual(quick.damage, []);
  assert.ok(!existsSync(join(set, 'verified')));
  const result = await verify(set);
  assert.deepEqual([result.damage, result.unknownFiles, result.proof], [[], [], 'index']);
  assert.ok(result.checkedBytes > 0);
  assert.ok(!Number.isNaN(Date.parse(readFileSync(join(set, 'verified'), 'utf8').trim())));
});

test('a set whose image is lz4 is proven and restored on a graphics card', { skip: noDisks || skip }, async (t) => {
  const base = directory(t);
  const plan = { sizeBytes: 16 * MIB, partitionBytes: 12 * MIB, filesystemBytes: 12 * MIB };
  const set = await makeSet(base, plan, { codec: 'lz4' });
  const gpu = { wanted: ['0'], isHybrid: false, isRequired: true };
  const how = { set, threads: 1, engine: 'auto', gpu, signal: new AbortController().signal } as const;
  const { damage, engine } = await verifySet({ ...how, quick: false, against: undefined }, silent);
  assert.deepEqual([damage, engine], [[], 'gpu']);
  const target = join(base, 'back');
  const plainly = { range: undefined, confirm: undefined, salvage: false, check: false, force: false, dryRun: false };
  const restored = await restoreSet({ ...how, ...plainly, target, shrinkTail: false }, silent);
  assert.equal(restored.engine, 'gpu');
  assert.ok(readFileSync(target).equals(readFileSync(join(base, 'disk.img'))));
});

test('damage of the image and of any other file is told', { skip: noDisks }, async (t) => {
  const set = await makeSet(directory(t));
  const image = join(set, 'boot-disk.img.zst');
  const whole = readFileSync(image);
  writeFileSync(image, flip(whole, Math.floor(whole.length / 2)));
  writeFileSync(join(set, 'host', 'fstab'), 'another');
  rmSync(join(set, 'RECOVERY.md'));
  writeFileSync(join(set, 'host', 'extra'), '');
  const { damage, unknownFiles } = await verify(set);
  assert.match(damage.join('\n'), /the frame at offset/);
  assert.match(damage.join('\n'), /"host\/fstab" is damaged/);
  assert.match(damage.join('\n'), /"RECOVERY.md" is missing/);
  assert.ok(unknownFiles.includes('host/extra'));
  assert.ok(!existsSync(join(set, 'verified')));
});

test('the whole image of another run is not taken for this one', { skip: noDisks }, async (t) => {
  const set = await makeSet(directory(t), undefined, { imageSizeBytes: 17 });
  assert.match((await verify(set)).damage.join('\n'), /not the image that the set was made with/);
});
