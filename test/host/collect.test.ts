import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { archive } from '../../src/host/archive.js';
import { collectHostFiles, makeHostFiles } from '../../src/host/collect.js';
import { database } from '../../src/host/config-database.js';
import { copy, fill, type HostFileMaker, report, written } from '../../src/host/host-file.js';
import { hostFileTable } from '../../src/host/host-file-table.js';
import { libsqlite3 } from '../../src/native/libsqlite3.js';

const signal = new AbortController().signal;
const root = process.getuid?.() === 0 ? false : 'needs root';
const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

test('the files of this host are made, each for its owner alone and none empty', { skip: root }, async (t) => {
  const dir = directory(t);
  const config = join(directory(t), 'lifeboat');
  mkdirSync(config);
  writeFileSync(join(config, 'config.toml'), 'x = 1\n');

  const { files, missing } = await collectHostFiles(dir, { disks: [], vgs: [], configPaths: [config], signal });

  assert.deepEqual(
    files.map(({ name }) => name).sort(),
    readdirSync(dir).sort(),
    'what is listed is there, and nothing else',
  );
  for (const { name, sizeBytes, madeBy } of files) {
    const stats = statSync(join(dir, name));
    assert.equal(stats.mode & 0o777, 0o600, name);
    assert.equal(stats.size, sizeBytes, name);
    assert.ok(sizeBytes > 0, name);
    assert.ok(!madeBy.includes(dir), `${name}: the path of this run says nothing to anybody`);
  }
  for (const name of ['lsblk.json', 'findmnt.txt', 'cmdline', 'hostname', 'os-release', 'packages.txt', 'ip-addr.json'])
    assert.ok(
      files.some((file) => file.name === name),
      name,
    );
  for (const { name, reason } of missing) assert.notEqual(reason, '', name);
  JSON.parse(readFileSync(join(dir, 'lsblk.json'), 'utf8'));
  const own = files.find(({ name }) => name.startsWith('lifeboat-config.tar'));
  assert.match(list(join(dir, own?.name ?? 'none')), /lifeboat\/config\.toml/);
});

test("a disk's partition table comes back from both of its dumps", { skip: root }, async (t) => {
  const disk = join(directory(t), 'disk.img');
  writeFileSync(disk, Buffer.alloc(64 << 20));
  execFileSync('sfdisk', ['--quiet', disk], { input: 'label: gpt\nsize=1M\nsize=8M, type=uefi\ntype=lvm\n' });
  const dir = directory(t);
  const { files } = await makeHostFiles(dir, tablesOf(disk), signal);
  const names = files.filter(({ madeBy }) => madeBy.includes(disk)).map(({ name }) => name);
  assert.deepEqual(
    names.map((name) => name.split('.').at(-1)),
    ['sfdisk', 'sgdisk'],
  );

  const partitions = (path: string): string =>
    execFileSync('sfdisk', ['--dump', path], { encoding: 'utf8' }).split('\n\n')[1] ?? '';
  const wanted = partitions(disk);
  for (const name of names) {
    writeFileSync(disk, Buffer.alloc(64 << 20));
    if (name.endsWith('sfdisk')) execFileSync('sfdisk', ['--quiet', disk], { input: readFileSync(join(dir, name)) });
    else execFileSync('sgdisk', [`--load-backup=${join(dir, name)}`, disk], { stdio: 'ignore' });
    assert.equal(partitions(disk), wanted, name);
  }
});

test('a disk without a table, and one with an MBR, are not given a GPT', { skip: root }, async (t) => {
  const disk = join(directory(t), 'disk.img');
  writeFileSync(disk, Buffer.alloc(8 << 20));
  const kinds = async (): Promise<string[]> => {
    const { missing } = await makeHostFiles(directory(t), tablesOf(disk), signal);
    return missing
      .filter(({ reason }) => reason.startsWith(disk))
      .map(({ name, kind }) => `${name.split('.').at(-1)} ${kind}`);
  };
  assert.deepEqual(await kinds(), ['sfdisk absent', 'sgdisk absent']);
  execFileSync('sfdisk', ['--quiet', disk], { input: 'label: dos\nsize=1M\n' });
  assert.deepEqual(await kinds(), ['sgdisk absent']);
});

test('what fails is noted with its reason and does not stop the others', async (t) => {
  const dir = directory(t);
  writeFileSync(join(dir, 'theirs'), 'older');
  symlinkSync('/etc/hostname', join(dir, 'link'));
  const { files, missing } = await makeHostFiles(
    dir,
    [
      report('first', 'echo', ['one']),
      report('not-installed', 'no-such-program', [], { package: 'no-such-package' }),
      report('failing', 'sh', ['-c', 'echo half; echo "disk on fire" >&2; exit 3']),
      report('silent', 'true', []),
      copy('no-source', '/nonexistent/file'),
      copy('theirs', '/proc/version'),
      copy('link', '/proc/version'),
      report('needing', 'echo', ['x'], { needs: '/nonexistent' }),
      made('incomplete', async (path) => {
        await fill(path, 'most of it');
        return 'the rest is lost';
      }),
      made('defect', async () => {
        throw new TypeError('x is not a function');
      }),
      report('last', 'echo', ['two']),
    ],
    signal,
  );
  assert.deepEqual(
    files.map(({ name, sizeBytes }) => [name, sizeBytes]),
    [
      ['first', 4],
      ['incomplete', 10],
      ['last', 4],
    ],
  );
  const reasons = new Map(missing.map(({ name, kind, reason }) => [name, `${kind}: ${reason}`]));
  assert.equal(reasons.get('not-installed'), 'absent: no-such-program is not installed: apt install no-such-package');
  assert.match(reasons.get('failing') ?? '', /^failed: .*status 3: disk on fire$/);
  assert.equal(reasons.get('silent'), 'absent: there is nothing in it');
  assert.equal(reasons.get('no-source'), 'absent: this host has no /nonexistent/file');
  assert.match(reasons.get('theirs') ?? '', /^failed: Cannot create .*EEXIST/);
  assert.match(reasons.get('link') ?? '', /^failed: Cannot create .*EEXIST/);
  assert.equal(reasons.get('needing'), 'absent: this host has no /nonexistent');
  assert.equal(reasons.get('incomplete'), 'incomplete: the rest is lost');
  assert.equal(reasons.get('defect'), 'failed: x is not a function');
  assert.deepEqual(readdirSync(dir).sort(), ['first', 'incomplete', 'last', 'link', 'theirs']);
  assert.equal(readFileSync(join(dir, 'theirs'), 'utf8'), 'older');
});

test('a program that writes its file itself, even another one in its place, leaves it to its owner alone', async (t) => {
  const dir = directory(t);
  const script = 'umask 022; rm "$1"; echo mine > "$1"; chmod 644 "$1"';
  await makeHostFiles(dir, [written('file', 'sh', (path) => ['-c', script, 'sh', path])], signal);
  assert.equal(statSync(join(dir, 'file')).mode & 0o777, 0o600);
});

test('what takes too long is stopped and noted', async (t) => {
  const dir = directory(t);
  const slow = { ...report('slow', 'sleep', ['60']), limitMs: 50 };
  const { files, missing } = await makeHostFiles(dir, [slow, report('quick', 'echo', ['x'])], signal);
  assert.deepEqual(
    files.map(({ name }) => name),
    ['quick'],
  );
  assert.deepEqual(missing, [{ name: 'slow', reason: 'it took longer than 1 s', kind: 'failed' }]);
});

test('an abort stops all of it within seconds, and nothing is left half made', async (t) => {
  const dir = directory(t);
  const stop = new AbortController();
  const makers = Array.from({ length: 8 }, (_, index) => report(`slow-${index}`, 'sleep', ['60']));
  const running = makeHostFiles(dir, makers, stop.signal);
  const began = performance.now();
  await setTimeout(100);
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
  assert.ok(performance.now() - began < 4000);
  assert.deepEqual(readdirSync(dir), []);
  await assert.rejects(makeHostFiles(dir, makers, stop.signal), /enough/);
});

test('a directory that is not there is an error', async (t) => {
  const dir = directory(t);
  await assert.rejects(makeHostFiles(join(dir, 'none'), [], signal), { code: 'FAILED', message: /host files/ });
  writeFileSync(join(dir, 'file'), '');
  await assert.rejects(makeHostFiles(join(dir, 'file'), [], signal), { code: 'FAILED', message: /no directory/ });
});

for (const compression of ['zstd', 'gzip'] as const)
  test(`an archive by ${compression} has contents, modes and extended attributes`, {
    skip: compression === 'zstd' && !isInstalled('zstd') ? 'zstd is not installed' : false,
  }, async (t) => {
    const source = directory(t);
    mkdirSync(join(source, 'sub'));
    writeFileSync(join(source, 'sub/secret'), 'hidden');
    chmodSync(join(source, 'sub/secret'), 0o640);
    writeFileSync(join(source, 'left-out'), 'x');
    const attributes =
      spawnSync('setfattr', ['-n', 'user.note', '-v', 'kept', join(source, 'sub/secret')]).status === 0;

    const dir = directory(t);
    const maker = archive('kept', [source, join(source, 'sub'), '/nonexistent'], {
      compression,
      exclude: [`${source.slice(1)}/left-*`],
    });
    const { files, missing } = await makeHostFiles(dir, [maker], signal);
    assert.deepEqual(missing, []);
    assert.equal(files[0]?.name, compression === 'zstd' ? 'kept.tar.zst' : 'kept.tar.gz');

    const out = directory(t);
    execFileSync('tar', ['-xf', join(dir, files[0]?.name ?? ''), '-C', out, '--xattrs']);
    const back = join(out, source.slice(1));
    assert.deepEqual(readdirSync(back), ['sub']);
    assert.equal(readFileSync(join(back, 'sub/secret'), 'utf8'), 'hidden');
    assert.equal(statSync(join(back, 'sub/secret')).mode & 0o777, 0o640);
    if (attributes)
      assert.equal(
        execFileSync('getfattr', ['--only-values', '-n', 'user.note', join(back, 'sub/secret')], { encoding: 'utf8' }),
        'kept',
      );
  });

test('an archive does not walk another file system', { skip: root }, async (t) => {
  const source = directory(t);
  mkdirSync(join(source, 'pve'));
  writeFileSync(join(source, 'file'), 'x');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'none', join(source, 'pve')]);
  if (mounted.status !== 0) return t.skip('cannot mount a tmpfs here');
  try {
    writeFileSync(join(source, 'pve/inside'), 'x');
    const dir = directory(t);
    const { files } = await makeHostFiles(dir, [archive('one', [source])], signal);
    const names = list(join(dir, files[0]?.name ?? ''));
    assert.match(names, /\/pve\/$/m);
    assert.doesNotMatch(names, /inside/);
  } finally {
    execFileSync('umount', [join(source, 'pve')]);
  }
});

test('an archive of files that change meanwhile is no failure', async (t) => {
  const source = directory(t);
  writeFileSync(join(source, 'log'), Buffer.alloc(32 << 20, 'x'));
  const grow = `while :; do echo more >> "$1/log"; done`;
  const dir = directory(t);
  const stop = new AbortController();
  const growing = makeHostFiles(directory(t), [report('growing', 'sh', ['-c', grow, 'sh', source])], stop.signal);
  const { files, missing } = await makeHostFiles(dir, [archive('log', [source])], signal);
  stop.abort(new Error('grown'));
  await assert.rejects(growing, /grown/);
  assert.deepEqual(missing, []);
  assert.equal(files.length, 1);
});

test('an archive without anything to save is absent', async (t) => {
  const { missing } = await makeHostFiles(
    directory(t),
    [archive('none', ['/nonexistent/a', '/nonexistent/b'])],
    signal,
  );
  assert.equal(missing[0]?.kind, 'absent');
  assert.equal(missing[0]?.reason, 'this host has no /nonexistent/a, /nonexistent/b');
});

for (const library of [true, false]) {
  const absent = library ? libsqlite3.missing() : isInstalled('sqlite3') ? undefined : 'sqlite3 is not installed';
  test(`a database is copied by SQLite's ${library ? 'library' : 'shell'}, and nothing lies beside the copy`, {
    skip: absent ?? (isInstalled('sqlite3') ? false : 'sqlite3 is not installed'),
  }, async (t) => {
    const source = join(directory(t), 'config.db');
    const sql = 'PRAGMA journal_mode = WAL; CREATE TABLE tree(x); INSERT INTO tree VALUES (1), (2)';
    execFileSync('sqlite3', [source, sql]);
    const dir = directory(t);
    const strange = join(dir, 'a "b" \\ c');
    mkdirSync(strange);
    const { files, missing } = await makeHostFiles(strange, [database('config.db', source, { library })], signal);
    assert.deepEqual(missing, []);
    assert.equal(files.length, 1);
    assert.deepEqual(readdirSync(strange), ['config.db']);
    assert.equal(statSync(join(strange, 'config.db')).mode & 0o777, 0o600);
    const rows = execFileSync('sqlite3', [join(strange, 'config.db'), 'SELECT count(*) FROM tree'], {
      encoding: 'utf8',
    });
    assert.equal(rows.trim(), '2');
  });
}

function tablesOf(disk: string): HostFileMaker[] {
  return hostFileTable({ disks: [disk], vgs: [], configPaths: [] }).filter(({ name }) => /\.s[fg]disk$/.test(name));
}

function made(name: string, make: HostFileMaker['make']): HostFileMaker {
  return { name, madeBy: 'a test', make };
}

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'lifeboat-host-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function list(path: string): string {
  return execFileSync('tar', ['-tf', path], { encoding: 'utf8' });
}

test('the table names each file once, also for odd names of disks', () => {
  const disks = ['/dev/sda', '/dev/cciss/c0d0', '/dev/disk/by-id/ata X'];
  const names = hostFileTable({ disks, vgs: ['pve'], configPaths: [] }).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[\w.+-]+$/);
  assert.ok(names.includes('cciss_c0d0.sfdisk') && names.includes('pve.vgcfg'));
});
