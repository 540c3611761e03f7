import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { namesSet } from '../../src/sets/read-set.js';
import { verifySet } from '../../src/sets/verify-set.js';
import { directory, flip } from '../cli/program.js';
import { makeSet, noDisks, silent } from './made-set.js';

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
