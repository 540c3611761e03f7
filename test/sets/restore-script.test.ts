import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { restoreScript } from '../../src/sets/restore-script.js';
import { encodeSetManifest, type SetManifest } from '../../src/sets/set-manifest.js';
import { shellWord } from '../../src/sets/stock-tools.js';
import { encodeSums, sumsOf } from '../../src/sets/sums.js';
import { attachLoop, type Loop, noLoops } from '../device/loop.js';
import { directory, manifestOf, never } from './fake-set.js';

const MIB = 1024 * 1024;
const DISK_BYTES = 24 * MIB;

const missing: string[] = [];
for (const program of ['dash', 'busybox', 'zstd', 'gzip', 'lz4', 'xz', 'bzip2', 'sgdisk']) {
  const { failed } = await execa('which', [program], { reject: false });
  if (failed) missing.push(program);
}
const skip = noLoops || (missing.length > 0 && `${missing.join(', ')} not installed`);

const SHELLS: Record<string, string[]> = { dash: ['dash'], 'busybox sh': ['busybox', 'sh'] };

const shared = mkdtempSync(join(tmpdir(), 'lifeboat-restore-sh-'));
after(() => rmSync(shared, { recursive: true, force: true }));
const SOURCE = join(shared, 'source.img');

/** A disk with a GPT, two partitions and some data, as a file. Made once, for sgdisk takes a second. */
async function makeDisk(): Promise<void> {
  const path = SOURCE;
  const fd = openSync(path, 'w');
  ftruncateSync(fd, DISK_BYTES);
  writeSync(fd, randomBytes(MIB), 0, MIB, 5 * MIB);
  closeSync(fd);
  await execa('sgdisk', ['--new=1:2048:+4M', '--new=2:0:0', path]);
}
if (skip === false) await makeDisk();

const DECODERS: Record<string, { encode: string[]; image: string }> = {
  zstd: { encode: ['zstd', '-qc'], image: 'boot-disk.img.zst' },
  gzip: { encode: ['gzip', '-c1'], image: 'boot-disk.img.gz' },
  lz4: { encode: ['lz4', '-qc'], image: 'boot-disk.img.lz4' },
  xz: { encode: ['xz', '-c0'], image: 'boot-disk.img.xz' },
  bzip2: { encode: ['bzip2', '-c1'], image: 'boot-disk.img.bz2' },
  none: { encode: ['cat'], image: 'boot-disk.img' },
};

async function makeSetOf(base: string, codec = 'zstd', changes: Partial<SetManifest> = {}): Promise<string> {
  const set = join(base, "it's a set");
  mkdirSync(set);
  const { encode, image } = DECODERS[codec] ?? { encode: ['cat'], image: 'x' };
  const [program = '', ...flags] = encode;
  await execa(program, [...flags, SOURCE], { stdout: { file: join(set, image) }, buffer: false });
  const manifest = manifestOf({ codec, image, plainBytes: DISK_BYTES, ...changes });
  writeFileSync(join(set, 'manifest.json'), encodeSetManifest(manifest));
  writeFileSync(join(set, 'restore.sh'), restoreScript(manifest, 'gpt'));
  writeFileSync(join(set, 'SHA256SUMS'), encodeSums(await sumsOf(set, { signal: never })));
  return set;
}

async function loopOf(t: TestContext, sizeBytes: number, options: string[] = []): Promise<Loop> {
  const loop = await attachLoop(sizeBytes, options);
  t.after(() => loop.detach());
  // Not zeros: what was there before must be overwritten, by zeros too.
  const fd = openSync(loop.device, 'r+');
  for (let at = 0; at < sizeBytes; at += MIB)
    writeSync(fd, Buffer.alloc(Math.min(MIB, sizeBytes - at), 0xa5), 0, undefined, at);
  closeSync(fd);
  return loop;
}

interface Ran {
  status: number | undefined;
  words: string;
}

async function restore(
  set: string,
  args: string[],
  options: { shell?: string[]; input?: string; path?: string } = {},
): Promise<Ran> {
  const [shell = 'dash', ...flags] = options.shell ?? ['dash'];
  const env = options.path === undefined ? {} : { env: { PATH: options.path }, extendEnv: false };
  const file = shell === 'busybox' ? '/usr/bin/busybox' : '/usr/bin/dash';
  const { exitCode, stderr, stdout } = await execa(file, [...flags, join(set, 'restore.sh'), ...args], {
    reject: false,
    input: options.input ?? '',
    ...env,
  });
  return { status: exitCode, words: `${stdout}\n${stderr}` };
}

function ends(ran: Ran, status: number, words: RegExp): void {
  assert.equal(ran.status, status, ran.words);
  assert.match(ran.words, words);
}

function isUntouched(loop: Loop): void {
  const bytes = readFileSync(loop.file);
  assert.ok(bytes.equals(Buffer.alloc(bytes.length, 0xa5)), 'the disk was written to');
}

async function sameAsSource(loop: Loop): Promise<void> {
  await execa('blockdev', ['--flushbufs', loop.device]);
  const source = readFileSync(SOURCE);
  const found = readFileSync(loop.file);
  // A larger disk has its primary header changed: it tells where the backup is.
  const from = found.length === source.length ? 0 : MIB;
  const to = found.length === source.length ? source.length : source.length - 34 * 512;
  assert.ok(found.subarray(from, to).equals(source.subarray(from, to)), 'the disk differs from its source');
}

test('shellcheck has nothing to say', async (t) => {
  const path = join(directory(t), 'restore.sh');
  const odd = manifestOf({ hostname: "the admin's host", codec: 'xz', image: 'boot-disk.img.xz' });
  for (const manifest of [manifestOf(), odd]) {
    writeFileSync(path, restoreScript(manifest, 'gpt'));
    for (const shell of ['dash', 'sh'] as const) {
      const ran = await execa('shellcheck', [`--shell=${shell}`, path], { reject: false });
      if (ran.code === 'ENOENT') return t.skip('shellcheck is not installed');
      assert.equal(ran.stdout, '');
    }
  }
});

test('a codec that stock tools do not know is refused', () => {
  assert.throws(() => restoreScript(manifestOf({ codec: 'toString' }), 'gpt'), { code: 'DAMAGE' });
});

test('words of a shell', async () => {
  for (const text of ['plain', '', "it's", '$(id) `id` "x" \\', '-n', '!', '* ?', 'ü'])
    assert.equal((await execa('sh', ['-c', `printf %s ${shellWord(text)}`])).stdout, text);
  assert.equal(shellWord('a\nb'), "'a?b'");
});

for (const [name, shell] of Object.entries(SHELLS)) {
  describe(`under ${name}`, { skip }, () => {
    test('a set goes back on to a disk of the same size, bit by bit', async (t) => {
      const set = await makeSetOf(directory(t));
      const loop = await loopOf(t, DISK_BYTES);
      const ran = await restore(set, [loop.device, '--compare'], { shell, input: `${basename(loop.device)}\n` });
      ends(ran, 0, /done: \/dev\/loop\d+ is the disk of pve1 as of 2026-11-20T20:30:00\.000Z/);
      assert.match(ran.words, /boot-disk\.img\.zst: OK/);
      assert.match(ran.words, /starts by UEFI.*\n.*guests were left out/);
      await sameAsSource(loop);
    });

    test('on a larger disk the backup GPT is moved, and old ends are cleared', async (t) => {
      const set = await makeSetOf(directory(t));
      const loop = await loopOf(t, DISK_BYTES + 5 * MIB);
      ends(
        await restore(set, ['--yes-destroy', basename(loop.device), loop.device], { shell }),
        0,
        /5242880 bytes of it are unused/,
      );
      await sameAsSource(loop);
      const { stdout } = await execa('sgdisk', ['--verify', loop.device]);
      assert.match(stdout, /No problems found/);
      const end = readFileSync(loop.file).subarray(-MIB, -34 * 512);
      assert.ok(end.equals(Buffer.alloc(end.length)), 'the end is not cleared');
    });

    test('what is not confirmed is not written', async (t) => {
      const set = await makeSetOf(directory(t));
      const loop = await loopOf(t, DISK_BYTES);
      for (const input of ['', '\n', 'y\n', 'yes\n', 'sda\n', `${basename(loop.device)}1\n`])
        ends(await restore(set, [loop.device], { shell, input }), 1, /not confirmed: .* Nothing was written/);
      ends(await restore(set, ['--yes-destroy', 'sda', loop.device], { shell }), 1, /not confirmed/);
      isUntouched(loop);
    });

    test('a disk that is too small, or of other sectors, is refused with the figures', async (t) => {
      const set = await makeSetOf(directory(t));
      const small = await loopOf(t, DISK_BYTES - 512);
      ends(
        await restore(set, ['--yes-destroy', basename(small.device), small.device], { shell }),
        1,
        new RegExp(`too small: it has ${DISK_BYTES - 512} bytes, this set needs ${DISK_BYTES}`),
      );
      isUntouched(small);
      const other = await loopOf(t, DISK_BYTES, ['--sector-size', '4096']);
      ends(
        await restore(set, ['--yes-destroy', basename(other.device), other.device], { shell }),
        1,
        /has sectors of 4096 bytes, the saved disk had 512/,
      );
      isUntouched(other);
    });

    test('a damaged set is not written', async (t) => {
      const set = await makeSetOf(directory(t));
      const loop = await loopOf(t, DISK_BYTES);
      const args = ['--yes-destroy', basename(loop.device), loop.device];
      const image = join(set, 'boot-disk.img.zst');
      const bytes = readFileSync(image);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      writeFileSync(image, bytes);
      ends(await restore(set, args, { shell }), 1, /boot-disk\.img\.zst: FAILED[\s\S]*this set is damaged/);
      ends(await restore(set, ['--check'], { shell }), 1, /this set is damaged/);
      isUntouched(loop);
    });

    test('a disk that is written by half does not start', async (t) => {
      const set = await makeSetOf(directory(t));
      const loop = await loopOf(t, DISK_BYTES);
      const image = join(set, 'boot-disk.img.zst');
      writeFileSync(image, readFileSync(image).subarray(0, -100));
      const ran = await restore(set, ['--skip-check', '--yes-destroy', basename(loop.device), loop.device], { shell });
      ends(ran, 1, /writing \/dev\/loop\d+ failed \(.*decode=1/);
      assert.match(ran.words, /first MiB of \/dev\/loop\d+ was cleared/);
      await execa('blockdev', ['--flushbufs', loop.device]);
      assert.ok(readFileSync(loop.file).subarray(0, MIB).equals(Buffer.alloc(MIB)));
    });

    test('a mounted disk is refused, with the command that releases it', async (t) => {
      const base = directory(t);
      const set = await makeSetOf(base);
      const loop = await loopOf(t, DISK_BYTES);
      await execa('mkfs.ext4', ['-q', '-F', loop.device]);
      const mountpoint = join(base, 'mnt');
      mkdirSync(mountpoint);
      await execa('mount', [loop.device, mountpoint]);
      try {
        const ran = await restore(set, ['--yes-destroy', basename(loop.device), loop.device], { shell });
        ends(ran, 1, /is in use\. Nothing was written:\n\/dev\/loop\d+ is mounted on .*mnt: umount .*mnt/);
      } finally {
        await execa('umount', [mountpoint]);
      }
    });

    test('a read-only disk, and what is no disk, are refused', async (t) => {
      const base = directory(t);
      const set = await makeSetOf(base);
      const loop = await loopOf(t, DISK_BYTES);
      await execa('blockdev', ['--setro', loop.device]);
      ends(await restore(set, ['--yes-destroy', basename(loop.device), loop.device], { shell }), 1, /is read-only/);
      await execa('blockdev', ['--setrw', loop.device]);
      for (const target of ['/dev/null', '/dev/nothing', SOURCE, base])
        ends(await restore(set, [target], { shell }), 1, /is no disk of this machine/);
    });

    test('a set that is not whole is named so', async (t) => {
      const set = await makeSetOf(directory(t));
      for (const name of ['SHA256SUMS', 'manifest.json', 'boot-disk.img.zst']) {
        copyFileSync(join(set, name), join(set, 'kept'));
        rmSync(join(set, name));
        ends(await restore(set, ['--check'], { shell }), 1, new RegExp(name.replaceAll('.', '\\.')));
        copyFileSync(join(set, 'kept'), join(set, name));
        rmSync(join(set, 'kept'));
      }
      ends(await restore(set, ['--check'], { shell }), 0, /this set is whole/);
    });

    test('wrong words', async (t) => {
      const set = await makeSetOf(directory(t));
      ends(await restore(set, ['--help'], { shell }), 0, /Usage: .*\n[\s\S]*This set: pve1/);
      ends(await restore(set, [], { shell }), 64, /Usage/);
      ends(await restore(set, ['--force'], { shell }), 64, /there is no option --force/);
      ends(await restore(set, ['/dev/a', '/dev/b'], { shell }), 1, /name one disk only/);
      ends(await restore(set, ['--yes-destroy'], { shell }), 1, /wants the name/);
    });
  });
}

for (const codec of Object.keys(DECODERS)) {
  test(`an image of ${codec} goes back`, { skip }, async (t) => {
    const set = await makeSetOf(directory(t), codec);
    const loop = await loopOf(t, DISK_BYTES);
    ends(await restore(set, ['--yes-destroy', basename(loop.device), loop.device]), 0, /done/);
    await sameAsSource(loop);
  });
}

test('busybox is all it needs, but for the decoder', { skip }, async (t) => {
  const base = directory(t);
  const set = await makeSetOf(base);
  const loop = await loopOf(t, DISK_BYTES + 2 * MIB);
  const bin = join(base, 'bin');
  mkdirSync(bin);
  const { stdout } = await execa('busybox', ['--list']);
  for (const applet of stdout.split('\n')) symlinkSync('/usr/bin/busybox', join(bin, applet));
  symlinkSync('/usr/bin/zstd', join(bin, 'zstd'));
  const args = ['--yes-destroy', basename(loop.device), loop.device, '--compare'];
  const ran = await restore(set, args, { shell: ['busybox', 'sh'], path: bin });
  ends(ran, 0, /warning: put it there later: sgdisk -e \/dev\/loop/);
  await execa('blockdev', ['--flushbufs', loop.device]);
  const source = readFileSync(SOURCE);
  assert.ok(readFileSync(loop.file).subarray(0, source.length).equals(source));
});

test('without a decoder it says what to install', { skip }, async (t) => {
  const base = directory(t);
  const set = await makeSetOf(base);
  const bin = join(base, 'bin');
  mkdirSync(bin);
  for (const applet of ['dirname', 'sha256sum', 'dd']) symlinkSync('/usr/bin/busybox', join(bin, applet));
  ends(await restore(set, ['--check'], { path: bin }), 1, /zstd is not there\. On Debian: apt install zstd/);
});
