import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { CODEC_LIBRARIES, type KitSources, UNBUNDLED_PACKAGES } from '../../src/sets/kit-contents.js';
import { linkedLibraries } from '../../src/sets/kit-libraries.js';
import { kitLauncher } from '../../src/sets/kit-words.js';
import { keepRescueKitCurrent } from '../../src/sets/rescue-kit.js';
import { directory, diskBytes, ends, MIB, namesIn, STATUS, sameBytes } from '../cli/program.js';
import { silent } from './made-set.js';

const SOURCES: KitSources = { root: resolve('.'), node: process.execPath, builtins: [] };
const { signal } = new AbortController();
const notBuilt = existsSync('dist/main.js') ? false : 'the project is not built';
const BUSYBOX = '/usr/bin/busybox';
const noChroot =
  notBuilt || (process.getuid?.() !== 0 ? 'needs root' : existsSync(BUSYBOX) ? false : 'busybox is not installed');

test('the kit is written once, and again only when it is another or damaged', { skip: notBuilt }, async (t) => {
  const base = directory(t);
  const first = await keepRescueKitCurrent({ directory: base, signal, sources: SOURCES }, silent);
  assert.equal(first.isNew, true);
  assert.equal(statSync(first.path).size, first.sizeBytes);
  assert.equal(statSync(first.path).mode & 0o777, 0o644);
  assert.equal(namesIn(base).length, 2);
  const again = await keepRescueKitCurrent({ directory: base, signal, sources: SOURCES }, silent);
  assert.deepEqual(again, { ...first, isNew: false });
  const bytes = readFileSync(first.path);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  writeFileSync(first.path, bytes);
  const mended = await keepRescueKitCurrent({ directory: base, signal, sources: SOURCES }, silent);
  assert.deepEqual(mended, first);
});

test('a run that is stopped leaves nothing', { skip: notBuilt }, async (t) => {
  const base = directory(t);
  const stopping = new AbortController();
  const report = {
    ...silent,
    follow: () => {
      stopping.abort(new Error('stopped'));
      return () => undefined;
    },
  };
  await assert.rejects(keepRescueKitCurrent({ directory: base, signal: stopping.signal, sources: SOURCES }, report), {
    message: 'stopped',
  });
  assert.deepEqual(namesIn(base), []);
});

test('in a root with nothing but sh, the kit images, verifies and restores by its own libraries', {
  skip: noChroot,
}, async (t) => {
  const base = directory(t);
  const { path } = await keepRescueKitCurrent({ directory: base, signal, sources: SOURCES }, silent);
  const root = join(base, 'root');
  for (const name of ['bin', 'tmp', 'dev', 'proc', 'kit']) mkdirSync(join(root, name), { recursive: true });
  const { libraries, loader } = await linkedLibraries(BUSYBOX, signal);
  for (const library of [...libraries.map((each) => each.path), ...(loader === undefined ? [] : [loader])]) {
    mkdirSync(join(root, library, '..'), { recursive: true });
    cpSync(realpathSync(library), join(root, library));
  }
  cpSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const name of ['sh', 'readlink', 'dirname', 'cat']) symlinkSync('busybox', join(root, 'bin', name));
  await execa('tar', ['-xzf', path, '-C', join(root, 'kit')]);
  const disk = diskBytes(2 * MIB);
  writeFileSync(join(root, 'tmp/disk'), disk);
  const run = async (...args: string[]) => {
    const ran = await execa('chroot', [root, '/kit/lifeboat-rescue-kit/lifeboat', ...args], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      extendEnv: false,
      reject: false,
    });
    ends({ status: ran.exitCode, signal: ran.signal, stdout: ran.stdout, stderr: ran.stderr }, STATUS.done);
    return JSON.parse(ran.stdout) as { engine: string };
  };
  for (const codec of ['zstd', 'gzip', 'lz4', 'xz', 'bzip2']) {
    await run('image', '/tmp/disk', '-o', '/tmp/image', '-c', codec, '-f', '-p', '2', '--json');
    await run('verify', '/tmp/image', '--json');
    const { engine } = await run('restore', '/tmp/image', '-o', '/tmp/back', '-f', '-p', '2', '--json');
    assert.equal(engine, 'native', codec);
    sameBytes(readFileSync(join(root, 'tmp/back')), disk, codec);
  }
});

test('the launcher puts what node wants elsewhere to its place, and only if it is not there', async (t) => {
  const base = directory(t);
  const place = join(base, 'usr/share/nodejs/acorn.js');
  const kit = join(base, 'kit');
  mkdirSync(join(kit, 'builtins', place, '..'), { recursive: true });
  writeFileSync(join(kit, 'builtins', place), 'ours');
  const facts = { version: '1', nodeVersion: 'v20', arch: 'x86_64', loader: undefined, builtins: [place] };
  writeFileSync(join(kit, 'lifeboat'), kitLauncher(facts), { mode: 0o755 });
  writeFileSync(join(kit, 'node'), '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
  chmodSync(join(kit, 'node'), 0o755);
  const { stdout } = await execa(join(kit, 'lifeboat'), ['restore', 'a b']);
  assert.match(stdout, /dist\/main\.js restore a b$/);
  assert.equal(readFileSync(place, 'utf8'), 'ours');
  writeFileSync(place, 'theirs');
  await execa(join(kit, 'lifeboat'), []);
  assert.equal(readFileSync(place, 'utf8'), 'theirs');
});

test('what is not built, not installed or no directory is said', async (t) => {
  const base = directory(t);
  writeFileSync(join(base, 'package.json'), '{"name":"lifeboat"}');
  const sources = { ...SOURCES, root: base };
  await assert.rejects(keepRescueKitCurrent({ directory: base, signal, sources }, silent), {
    code: 'FAILED',
    hint: /npm ci/,
  });
  await assert.rejects(keepRescueKitCurrent({ directory: join(base, 'none'), signal, sources }, silent), {
    code: 'FAILED',
  });
  await assert.rejects(keepRescueKitCurrent({ directory: join(base, 'package.json'), signal, sources }, silent), {
    code: 'USAGE',
  });
});

test('the lists of packages and libraries are those of the build and of src/native', () => {
  const external = [...readFileSync('scripts/build', 'utf8').matchAll(/--external:([^.\s\\]\S*)/g)].map(
    ([, name]) => name,
  );
  // A live system has no driver for it.
  const needed = [...new Set(external)].filter((name) => name !== 'webgpu');
  assert.deepEqual([...UNBUNDLED_PACKAGES].sort(), needed.sort());
  const sonames = readdirSync('src/native').flatMap((name) =>
    [...readFileSync(join('src/native', name), 'utf8').matchAll(/'(lib[a-z0-9]+\.so\.[0-9.]+)'/g)].map(
      ([, soname]) => soname,
    ),
  );
  // Only host files are read by it, which a restore has no use for.
  const wanted = [...new Set(sonames)].filter((soname) => soname !== 'libsqlite3.so.0');
  assert.deepEqual([...CODEC_LIBRARIES].sort(), wanted.sort());
});
