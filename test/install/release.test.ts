import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { UNBUNDLED_PACKAGES } from '../../src/sets/kit-contents.js';
import { makeRelease, skip } from './release.js';

const release = skip ? undefined : await makeRelease();
const { tree = '', tarball = '', deb = '', version = '' } = release ?? {};
const MOST_BYTES = 4_000_000;

test('the same source gives the same bytes, and SHA256SUMS has them', { skip }, async () => {
  const again = await makeRelease();
  for (const [a, b] of [
    [tarball, again.tarball],
    [deb, again.deb],
  ] as const)
    assert.ok(readFileSync(a).equals(readFileSync(b)), a);
  await execa('sha256sum', ['--strict', '-c', 'SHA256SUMS'], { cwd: join(tree, '..') });
});

test('the tarball belongs to root and has all that runs, and nothing of the workshop', { skip }, async () => {
  const { stdout } = await execa('tar', ['-tvJf', tarball, '--numeric-owner']);
  const lines = stdout.split('\n');
  for (const line of lines) assert.match(line, /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) 0\/0 /);
  const names = lines.map((line) => line.replace(/^.* lifeboat-[^/]+-linux-x64\//, ''));
  for (const name of [
    'bin/lifeboat',
    'dist/worker.js',
    'hooks/vzdump-hook',
    'install.sh',
    'docs/lifeboat.8',
    'LICENSE',
  ])
    assert.ok(names.includes(name), name);
  for (const name of UNBUNDLED_PACKAGES) assert.ok(names.includes(`node_modules/${name}/package.json`), name);
  assert.deepEqual(
    names.filter((name) =>
      /^(src|test|bench|scripts\/(?!disaster-restore|$))|\.ts$|musl|esbuild|biome|typescript/.test(name),
    ),
    [],
  );
  assert.ok(readFileSync(tarball).length < MOST_BYTES);
});

test('the unpacked tarball runs by itself: an image by each engine, and its rescue kit', { skip }, async () => {
  const program = join(tree, 'bin/lifeboat');
  for (const [codec, engine] of [
    ['gzip', 'portable'],
    ['zstd', 'portable'],
    ['lz4', 'portable'],
    ['zstd', 'native'],
  ] as const) {
    const out = join(tree, '..', `${codec}-${engine}`);
    await execa(program, ['image', deb, '-o', out, '-c', codec, '--engine', engine, '--verify', '-q']);
  }
  const { exitCode } = await execa(join(tree, 'scripts/disaster-restore'), ['--help']);
  assert.equal(exitCode, 0);
  await execa(program, ['rescue-kit', join(tree, '..')]);
});

test('each package that is in it stands with its licence in one file', { skip }, () => {
  const text = readFileSync(join(tree, 'docs/third-party-licences.txt'), 'utf8');
  for (const name of ['koffi', 'yargs', 'execa', 'zod', 'smol-toml', 'systeminformation', '@mongodb-js/zstd'])
    assert.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: \\S+`, 'm'));
});

test('the package depends on what a host must have, and enables nothing', { skip }, async () => {
  const field = async (name: string) => (await execa('dpkg-deb', ['-f', deb, name])).stdout;
  assert.equal(await field('Version'), version);
  assert.equal(await field('Architecture'), 'amd64');
  assert.equal(await field('Depends'), 'nodejs (>= 20.19), libdeflate0');
  assert.match(await field('Recommends'), /partclone, sqlite3, gdisk/);
  const { stdout } = await execa('dpkg-deb', ['-c', deb]);
  assert.match(stdout, /^drwxr-xr-x root\/root .* \.\/etc\/$/m);
  assert.match(stdout, /^drwx------ root\/root .* \.\/etc\/lifeboat\/$/m);
  assert.match(stdout, /^-rw------- root\/root .* \.\/etc\/lifeboat\/config\.toml$/m);
  assert.doesNotMatch(stdout, /etc\/(cron|systemd)|install\.sh/);
});
