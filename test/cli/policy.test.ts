import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { wishesOf } from '../../src/cli/policy-options.js';
import { LifeboatError } from '../../src/error.js';
import { parseManifest } from '../../src/format/manifest.js';
import { ends, fileOf, lifeboat, STATUS } from './program.js';

const base = mkdtempSync(join(tmpdir(), 'lifeboat-policy-'));
after(() => rmSync(base, { recursive: true }));
const DISK = Buffer.alloc(3_000_000, 'some words that compress ');
const source = fileOf(join(base, 'source'), DISK);

test('flags win over the configuration, and the configuration over the defaults', () => {
  const configured = { priority: 'ratio', kind: 'logs' } as const;
  assert.deepEqual(wishesOf({}), { priority: 'balanced', kind: 'general', endAtMs: undefined });
  assert.deepEqual(wishesOf({}, configured), { ...configured, endAtMs: undefined });
  assert.equal(wishesOf({ priority: 'speed' }, configured).priority, 'speed');
  const { endAtMs } = wishesOf({ finishBy: '06:30' }, { 'finish-by': 'nonsense' });
  assert.ok(endAtMs !== undefined && endAtMs > performance.now() && endAtMs <= performance.now() + 86_400_000);
  assert.throws(() => wishesOf({}, { 'finish-by': '25:00' }), LifeboatError);
});

test('a run whose codec was chosen says in its manifest and its log what was decided and why', async () => {
  const out = join(base, 'image');
  const ran = await lifeboat(['image', source, '-o', out, '--kind', 'logs', '--priority', 'balanced', '-v']);
  ends(ran, STATUS.done);
  const manifest = parseManifest(readFileSync(`${out}.json`, 'utf8'));
  assert.equal(manifest?.image.level, 9);
  assert.deepEqual([manifest?.policy?.priority, manifest?.policy?.kind], ['balanced', 'logs']);
  const [first] = manifest?.policy?.decisions ?? [];
  assert.equal(first?.atMs, 0);
  assert.match(first?.what ?? '', /^zstd level 9, \d+ threads$/);
  assert.match(readFileSync(`${out}.log`, 'utf8'), /policy at 0\.0 s: zstd level 9/);
  assert.match(ran.stderr, /policy at 0\.0 s: zstd level 9/);
});

test('a codec that was named has no policy, and the name of a file decides for auto', async () => {
  const named = join(base, 'named');
  ends(await lifeboat(['image', source, '-o', named, '-c', 'zstd', '-q']), STATUS.done);
  assert.equal(parseManifest(readFileSync(`${named}.json`, 'utf8'))?.policy, undefined);
  for (const [suffix, codec] of [
    ['gz', 'gzip'],
    ['lz4', 'lz4'],
    ['zst', 'zstd'],
  ]) {
    const out = join(base, `disk.${suffix}`);
    ends(await lifeboat(['image', source, '-o', out, '-q']), STATUS.done);
    assert.equal(parseManifest(readFileSync(`${out}.json`, 'utf8'))?.image.codec, codec);
  }
});

test('a dry run says what it would choose', async () => {
  const ran = await lifeboat(['image', source, '-o', join(base, 'dry'), '-n', '--kind', 'database', '--json']);
  ends(ran, STATUS.done);
  const { dryRun, codec, level } = JSON.parse(ran.stdout);
  assert.deepEqual([dryRun, codec, level], [true, 'zstd', 6]);
});

test('words that no flag takes are refused', async () => {
  for (const flags of [
    ['--priority', 'fast'],
    ['--kind', 'cats'],
    ['--finish-by', '25:00'],
  ]) {
    ends(await lifeboat(['image', source, '-o', join(base, 'x'), ...flags]), STATUS.usage);
  }
});
