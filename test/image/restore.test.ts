import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { execa } from 'execa';
import {
  directory,
  diskBytes,
  ends,
  fileOf,
  flip,
  imageOf,
  KIB,
  lifeboat,
  lifeboatBytes,
  MIB,
  namesIn,
  noise,
  STATUS,
  sameBytes,
  sameFile,
  start,
  until,
} from '../cli/program.js';
import { attachLoop, holding, type Loop, noLoops } from '../device/loop.js';

const SIZE = 3 * MIB + 12_288;
const DISK = diskBytes(SIZE);
const CHUNK = 256 * KIB;
const CODECS = ['gzip', 'zstd', 'lz4', 'xz', 'bzip2', 'none'] as const;

async function loopOf(t: TestContext, sizeBytes: number): Promise<Loop & { confirm: string[] }> {
  const loop = await attachLoop(sizeBytes);
  t.after(loop.detach);
  return { ...loop, confirm: ['--confirm', basename(loop.device)] };
}

describe('a restore', { concurrency: 2 }, () => {
  for (const codec of CODECS) {
    test(`of a range gives just that range of ${codec}, across chunks, to a file, to stdout and from stdin`, async (t) => {
      const base = directory(t);
      const source = fileOf(join(base, 'source'), DISK);
      const image = await imageOf(source, join(base, 'image'), '-c', codec, '--chunk', '256KiB');
      const raw = codec === 'none' ? ['-c', 'none'] : [];
      const ranges = [
        [CHUNK - 3, 7],
        [SIZE - 1, 1],
      ] as const;
      for (const [offset, length] of ranges) {
        const range = ['--range', `${offset}:${length}`];
        const expected = DISK.subarray(offset, offset + length);
        ends(await lifeboat(['restore', image, '-o', join(base, 'part'), '-f', ...range]), STATUS.done);
        sameFile(join(base, 'part'), expected);
      }
      const range = ['--range', `${CHUNK + 1}:${3 * CHUNK}`];
      const expected = DISK.subarray(CHUNK + 1, 4 * CHUNK + 1);
      sameBytes((await lifeboatBytes(['restore', image, '-o', '-', ...range])).bytes, expected, 'stdout');
      const input = readFileSync(image);
      sameBytes(
        (await lifeboatBytes(['restore', '-', '-o', '-', ...raw, ...range], { input })).bytes,
        expected,
        'piped',
      );
    });
  }

  test('of a range beyond the end is exit 64 and leaves nothing, from a pipe too', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    await execa('sh', ['-c', 'gzip -c "$1" > "$2"', 'sh', join(base, 'source'), join(base, 'foreign')]);
    const before = namesIn(base);
    for (const range of [`${SIZE}:1`, `0:${SIZE + 1}`, `${SIZE - 1}:2`, '1T:1']) {
      const words = new RegExp(`The range ends at \\d+, but the image holds ${SIZE} bytes`);
      ends(await lifeboat(['restore', image, '-o', join(base, 'x'), '--range', range]), STATUS.usage, words);
    }
    for (const piped of [image, join(base, 'foreign')]) {
      const input = readFileSync(piped);
      const args = ['restore', '-', '-o', join(base, 'x'), '--range', `0:${SIZE + 1}`];
      ends(await lifeboat(args, { input }), STATUS.usage, /The range ends at/);
    }
    assert.deepEqual(namesIn(base), before);
  });

  test('of raw data is done only when told, or when the manifest tells it', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const image = await imageOf(source, join(base, 'image'), '-c', 'none');
    ends(await lifeboat(['restore', image, '-o', join(base, 'a')]), STATUS.done);
    sameFile(join(base, 'a'), DISK);
    ends(await lifeboat(['restore', source, '-o', join(base, 'b')]), STATUS.damage, /-c none/);
    ends(await lifeboat(['restore', '-', '-o', join(base, 'b')], { input: DISK }), STATUS.damage, /-c none/);
    assert.equal(existsSync(join(base, 'b')), false);
    ends(await lifeboat(['restore', source, '-o', join(base, 'b'), '-c', 'none']), STATUS.done);
    sameFile(join(base, 'b'), DISK);
    // The manifest finds what raw data itself cannot.
    fileOf(image, flip(DISK, 1_000_000));
    ends(await lifeboat(['restore', image, '-o', join(base, 'c')]), STATUS.damage);
    assert.equal(existsSync(join(base, 'c')), false);
  });

  test('never writes compressed bytes when a bit of the magic is flipped', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK.subarray(0, 70_000));
    for (const codec of ['gzip', 'zstd', 'lz4', 'xz', 'bzip2']) {
      const image = await imageOf(source, join(base, codec), '-c', codec);
      const flipped = fileOf(join(base, 'flipped'), flip(readFileSync(image), 0, 5));
      ends(await lifeboat(['restore', flipped, '-o', join(base, 'x')]), STATUS.damage);
      const piped = await lifeboatBytes(['restore', '-', '-o', '-'], { input: flip(readFileSync(image), 2, 1) });
      assert.equal(piped.status, STATUS.damage, piped.stderr);
      assert.equal(piped.bytes.length, 0);
    }
    assert.equal(existsSync(join(base, 'x')), false);
  });

  test('of an image into itself is refused', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    const before = readFileSync(image);
    ends(await lifeboat(['restore', image, '-o', `${base}/./image`, '-f']), STATUS.usage, /into itself/);
    sameFile(image, before);
  });

  test('with -n writes nothing, and no device is claimed without its name', { skip: noLoops }, async (t) => {
    const base = directory(t);
    const loop = await loopOf(t, 4 * MIB);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    ends(await lifeboat(['restore', image, '-o', loop.device, '-n']), STATUS.usage, /add --confirm loop\d+/);
    ends(await lifeboat(['restore', image, '-o', loop.device, '-n', ...loop.confirm]), STATUS.done, /would restore/);
    sameFile(loop.file, Buffer.alloc(4 * MIB));
  });

  test('to a device wants its name; then it holds the image, and what lies behind is kept', {
    skip: noLoops,
  }, async (t) => {
    const base = directory(t);
    const loop = await loopOf(t, 4 * MIB);
    const old = noise(4 * MIB, 5);
    const toDevice = ['-o', loop.device, ...loop.confirm];
    ends(await lifeboat(['restore', '-', '-c', 'none', ...toDevice], { input: old }), STATUS.done);
    const source = fileOf(join(base, 'source'), DISK);
    const image = await imageOf(source, join(base, 'image'), '--chunk', '256KiB');
    ends(await lifeboat(['restore', image, '-o', loop.device]), STATUS.usage, /destroys all .*\n.*--confirm loop\d+/);
    ends(await lifeboat(['restore', image, '-o', loop.device, '--confirm', 'sda']), STATUS.usage, /is another device/);
    sameFile(loop.file, old);
    const expected = Buffer.concat([DISK, old.subarray(SIZE)]);
    for (const from of ['file', 'stdin'] as const) {
      const input = from === 'stdin' ? { input: readFileSync(image) } : {};
      const ran = await lifeboat(['restore', from === 'stdin' ? '-' : image, ...toDevice, '--check'], input);
      ends(ran, STATUS.done, /read back and compared/);
      sameFile(loop.file, expected);
      ends(
        await lifeboat(['restore', '-', '-c', 'none', ...toDevice, '--range', `0:${4 * MIB}`], { input: old }),
        STATUS.done,
      );
      sameFile(loop.file, old);
    }
  });

  test('to a device that is too small, mounted or held open is refused, and nothing of it changes', {
    skip: noLoops,
  }, async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    const small = await loopOf(t, MIB);
    ends(
      await lifeboat(['restore', image, '-o', small.device, ...small.confirm, '-f']),
      STATUS.noSpace,
      /it has 1\.0 MiB.*, the image needs 3\.0 MiB/,
    );
    sameFile(small.file, Buffer.alloc(MIB));

    const loop = await loopOf(t, 4 * MIB);
    const holder = await holding('exec 3<"$1"; echo; exec sleep 30', loop.device);
    try {
      const ran = await lifeboat(['restore', image, '-o', loop.device, ...loop.confirm, '-f']);
      ends(ran, STATUS.failed, new RegExp(`sleep.*${holder.pid}|${holder.pid}.*sleep`));
    } finally {
      await holder.end();
    }
    sameFile(loop.file, Buffer.alloc(4 * MIB));

    const mountpoint = join(loop.directory, 'mnt');
    mkdirSync(mountpoint);
    await execa('mkfs.ext4', ['-q', loop.device]);
    await execa('mount', ['-o', 'ro', loop.device, mountpoint]);
    try {
      const before = readFileSync(loop.file);
      const ran = await lifeboat(['restore', image, '-o', loop.device, ...loop.confirm, '-f']);
      ends(ran, STATUS.failed, /mounted on .*mnt.*\n.*umount/);
      sameFile(loop.file, before);
    } finally {
      await execa('umount', [mountpoint]);
    }
  });

  test('from a pipe that is longer than the device fails, and says not to boot from it', {
    skip: noLoops,
  }, async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'), '--chunk', '256KiB');
    const loop = await loopOf(t, 2 * MIB);
    const args = ['restore', '-', '-o', loop.device, ...loop.confirm];
    const ran = await lifeboat(args, { input: readFileSync(image) });
    assert.notEqual(ran.status, STATUS.done);
    ends(ran, STATUS.noSpace, /does not hold the whole image: do not boot from it/);
    sameBytes(readFileSync(loop.file).subarray(0, MIB), Buffer.alloc(MIB), 'the first MiB');
  });

  test('to a device that is broken off leaves its first MiB erased', { skip: noLoops }, async (t) => {
    const base = directory(t);
    const image = await imageOf(
      fileOf(join(base, 'source'), DISK),
      join(base, 'image'),
      '--chunk',
      '256KiB',
      '-c',
      'lz4',
    );
    const loop = await loopOf(t, 4 * MIB);
    const toDevice = ['-o', loop.device, ...loop.confirm];
    ends(await lifeboat(['restore', '-', '-c', 'none', ...toDevice], { input: noise(4 * MIB) }), STATUS.done);
    const bytes = readFileSync(image);
    const running = start(['restore', '-', ...toDevice, '-p', '2'], { stdin: 'pipe' });
    running.stdin?.on('error', () => undefined);
    running.stdin?.write(bytes.subarray(0, bytes.length - 1000));
    const isErased = () => readFileSync(loop.file).subarray(0, MIB).equals(Buffer.alloc(MIB));
    await until('the first MiB is erased', isErased, 20_000);
    running.kill('SIGTERM');
    assert.equal((await running).signal, 'SIGTERM');
    assert.ok(isErased());

    const cut = bytes.subarray(0, bytes.length - 1000);
    const ran = await lifeboat(['restore', '-', ...toDevice], { input: cut });
    ends(ran, STATUS.damage, /warning: .*do not boot from it, restore it again/);
    sameBytes(readFileSync(loop.file).subarray(0, MIB), Buffer.alloc(MIB), 'the first MiB');
  });

  test('makes a sparse file, and --check reads it back', async (t) => {
    const base = directory(t);
    const disk = Buffer.concat([noise(MIB), Buffer.alloc(20 * MIB), noise(4096), Buffer.alloc(3 * MIB)]);
    const image = await imageOf(fileOf(join(base, 'source'), disk), join(base, 'image'));
    const ran = await lifeboat(['restore', image, '-o', join(base, 'back'), '--check']);
    ends(ran, STATUS.done, /zeros 2\d\.\d MiB.*read back and compared/);
    sameFile(join(base, 'back'), disk);
    assert.ok(statSync(join(base, 'back')).blocks * 512 < 2 * MIB);
    assert.equal(statSync(join(base, 'back')).mode & 0o777, 0o600);
  });

  test('to an existing file is done with -f, and a failure leaves that as it was', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'), '--chunk', '256KiB');
    const back = fileOf(join(base, 'back'), 'precious');
    const damaged = fileOf(join(base, 'damaged'), flip(readFileSync(image), 500_000));
    ends(await lifeboat(['restore', damaged, '-o', back, '-f']), STATUS.damage, /frame at offset \d+.*\n.*--salvage/);
    sameFile(back, Buffer.from('precious'));
    ends(await lifeboat(['restore', image, '-o', back, '-f']), STATUS.done);
    sameFile(back, DISK);
  });

  test('reads what stock tools wrote, each codec, from a file and from a pipe', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    for (const [tool, ...flags] of [
      ['gzip'],
      ['pigz', '-b', '128'],
      ['zstd', '-q'],
      ['lz4', '-q'],
      ['xz', '-1'],
      ['bzip2'],
    ]) {
      if (tool === undefined || (await execa('which', [tool], { reject: false })).exitCode !== 0) continue;
      const file = join(base, tool);
      await execa(tool, [...flags, '-c', source], { stdout: { file } });
      ends(await lifeboat(['restore', file, '-o', join(base, 'back'), '-f']), STATUS.done);
      sameFile(join(base, 'back'), DISK);
      const piped = await lifeboatBytes(['restore', '-', '-o', '-'], { input: readFileSync(file) });
      sameBytes(piped.bytes, DISK, tool);
    }
  });
});
