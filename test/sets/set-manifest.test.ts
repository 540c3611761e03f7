import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeSetManifest, parseSetManifest } from '../../src/sets/set-manifest.js';
import { manifestOf } from './fake-set.js';

const parse = (text: string) => parseSetManifest(text, '/nas/manifest.json');

/** The manifest with one field as it should not be. */
function spoiled(path: string[], value: unknown): string {
  const manifest = JSON.parse(encodeSetManifest(manifestOf())) as Record<string, unknown>;
  let at: Record<string, unknown> = manifest;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = path.at(-1) ?? '';
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(manifest);
}

test('a manifest comes back as it was written', () => {
  assert.deepEqual(parse(encodeSetManifest(manifestOf())), manifestOf());
  const bare = manifestOf({ verifiedAt: undefined, hostFiles: [], missingHostFiles: [], leftOut: [] });
  bare.disk = { ...bare.disk, model: undefined, serial: undefined };
  assert.deepEqual(parse(encodeSetManifest(bare)), bare);
});

test('fields of a later version are passed over, a later format is not', () => {
  assert.deepEqual(parse(spoiled(['new'], { a: 1 })), manifestOf());
  assert.throws(() => parse(spoiled(['formatVersion'], 2)), { code: 'FAILED', message: /its format is 2, not 1/ });
});

test('what is no manifest is damage', () => {
  for (const text of ['', '{', 'null', '[]', '"lifeboat-set"', '{"format":"lifeboat-manifest","formatVersion":1}'])
    assert.throws(() => parse(text), { code: 'DAMAGE', message: /"\/nas\/manifest.json"/ });
});

test('a cut at any byte is found', () => {
  const text = encodeSetManifest(manifestOf()).trimEnd();
  for (let length = 0; length < text.length; length++)
    assert.throws(() => parse(text.slice(0, length)), { code: 'DAMAGE' });
});

test('a field that is missing or of another kind is named', () => {
  const fields = Object.keys(manifestOf()).filter((key) => !['format', 'formatVersion', 'verifiedAt'].includes(key));
  for (const key of fields)
    for (const value of [undefined, null, [[]], true, -1])
      assert.throws(
        () => parse(spoiled([key], value)),
        { code: 'DAMAGE', message: new RegExp(`"${key}"`) },
        `${key} ${value}`,
      );
  for (const key of ['path', 'sizeBytes', 'logicalSectorBytes'])
    assert.throws(() => parse(spoiled(['disk', key], undefined)), { code: 'DAMAGE', message: new RegExp(`"${key}"`) });
});

test('numbers and times that are none are refused', () => {
  const wrong: [string[], unknown][] = [
    [['imageSizeBytes'], 1.5],
    [['plainBytes'], 2 ** 60],
    [['plainBytes'], '12'],
    [['disk', 'logicalSectorBytes'], 0],
    [['createdAt'], 'yesterday'],
    [['verifiedAt'], 'never'],
    [['consistency'], 'perfect'],
    [['hostFiles'], ['fstab']],
    [['leftOut'], [{ what: 'x', bytes: 1, reason: 'mood' }]],
  ];
  for (const [path, value] of wrong)
    assert.throws(() => parse(spoiled(path, value)), { code: 'DAMAGE' }, path.join('.'));
});

test('no name leads out of the set', () => {
  for (const name of ['', '.', '..', '/etc/shadow', '../x', 'a/../../x', 'a//b', 'a/', 'a\nb', 'a\0b', 'a\\b']) {
    assert.throws(() => parse(spoiled(['image'], name)), { code: 'DAMAGE' }, JSON.stringify(name));
    const files = [{ name, madeBy: 'x', sizeBytes: 1 }];
    assert.throws(() => parse(spoiled(['hostFiles'], files)), { code: 'DAMAGE' }, JSON.stringify(name));
  }
  assert.throws(() => parse(spoiled(['image'], 'host/x')), { code: 'DAMAGE' });
});
