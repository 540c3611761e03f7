import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { execa } from 'execa';
import {
  directory,
  diskBytes,
  ends,
  fileOf,
  imageOf,
  lifeboat,
  MIB,
  namesIn,
  PROGRAM,
  STATUS,
  sameBytes,
  sameFile,
} from '../cli/program.js';
import { attachLoop, type Loop, noLoops } from '../device/loop.js';

const DISK = diskBytes(2 * MIB);

async function loopOf(t: TestContext, sizeBytes: number, options: string[] = []): Promise<Loop> {
  const loop = await attachLoop(sizeBytes, options);
  t.after(loop.detach);
  return loop;
}

describe('where an image goes', { concurrency: 2 }, () => {
  test('/dev/null is written to and stays a device, with and without -f', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    for (const flags of [[], ['-f']]) {
      await imageOf(join(base, 'source'), '/dev/null', ...flags);
      ends(await lifeboat(['restore', image, '-o', '/dev/null', ...flags]), STATUS.done);
    }
    assert.ok(statSync('/dev/null').isCharacterDevice());
    assert.deepEqual(
      namesIn('/dev', 'null').filter((name) => name !== 'null' && !name.startsWith('nullb')),
      [],
    );
  });

  test('what cannot be read back is not said to be proven', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    ends(
      await lifeboat(['image', join(base, 'source'), '-o', '/dev/null', '--verify']),
      STATUS.usage,
      /cannot read back/,
    );
    ends(await lifeboat(['restore', image, '-o', '/dev/null', '--check']), STATUS.usage, /cannot read back/);
  });

  test('a full device is exit 14', async (t) => {
    const source = fileOf(join(directory(t), 'source'), DISK);
    ends(await lifeboat(['image', source, '-o', '/dev/full']), STATUS.noSpace, /Cannot write "\/dev\/full": ENOSPC/);
  });

  test('a FIFO is waited for until somebody reads from it, and stays a FIFO', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const fifo = join(base, 'fifo');
    await execa('mkfifo', [fifo]);
    const [imaged, got] = await Promise.all([
      lifeboat(['image', source, '-o', fifo, '-f']),
      execa('sh', ['-c', 'sleep 0.4; cat "$1"', 'sh', fifo], { encoding: 'buffer' }),
    ]);
    ends(imaged, STATUS.done);
    assert.ok(statSync(fifo).isFIFO());
    assert.deepEqual(namesIn(base), ['fifo', 'source']);
    const [restored, back] = await Promise.all([
      lifeboat(['restore', '-', '-o', fifo], { input: got.stdout }),
      execa('cat', [fifo], { encoding: 'buffer', stripFinalNewline: false }),
    ]);
    ends(restored, STATUS.done);
    sameBytes(Buffer.from(back.stdout), DISK);
  });

  test('a block device is refused', { skip: noLoops }, async (t) => {
    const loop = await loopOf(t, MIB);
    const source = fileOf(join(loop.directory, 'source'), DISK);
    for (const flags of [[], ['-f']]) {
      ends(
        await lifeboat(['image', source, '-o', loop.device, ...flags]),
        STATUS.usage,
        /it is a block device\n.*lifeboat restore/,
      );
    }
    sameFile(loop.file, Buffer.alloc(MIB));
  });

  test('an OUT on the disk that is imaged is refused, behind links and redirections too, and a mounted source is told', {
    skip: noLoops,
  }, async (t) => {
    const loop = await attachLoop(12 * MIB);
    const mountpoint = join(loop.directory, 'mnt');
    t.after(async () => {
      await execa('umount', [mountpoint], { reject: false });
      await loop.detach();
    });
    mkdirSync(mountpoint);
    await execa('mkfs.ext4', ['-q', loop.device]);
    await execa('mount', [loop.device, mountpoint]);
    const refusal = /it lies on "\/dev\/loop\d+", which is being imaged\n.*another disk/;
    const inside = join(mountpoint, 'out');
    ends(await lifeboat(['image', loop.device, '-o', inside]), STATUS.usage, refusal);
    await execa('ln', ['-s', fileOf(inside, 'old'), join(loop.directory, 'link')]);
    ends(await lifeboat(['image', loop.device, '-o', join(loop.directory, 'link'), '-f']), STATUS.usage, refusal);
    const redirected = await execa('sh', ['-c', `"$1" image "$2" -o - > "$3"`, 'sh', PROGRAM, loop.device, inside], {
      reject: false,
    });
    assert.equal(redirected.exitCode, STATUS.usage);
    assert.match(redirected.stderr, /Cannot write stdout: it lies on/);
    assert.deepEqual(namesIn(mountpoint), ['lost+found', 'out']);

    const out = join(loop.directory, 'out');
    const ran = await lifeboat(['image', loop.device, '-o', out]);
    ends(ran, STATUS.done, /warning: "\/dev\/loop\d+" is mounted on .*mnt: .*consistency: crash/);
    const manifest = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
    assert.equal(manifest.source.consistency, 'crash');
    assert.equal(manifest.source.kind, 'block');
    assert.equal(manifest.warnings.length, 1);
    assert.match(readFileSync(`${out}.log`, 'utf8'), /warning: .*is mounted on/);
    await execa('umount', [mountpoint]);
    await imageOf(loop.device, out, '-f');
    assert.equal(JSON.parse(readFileSync(`${out}.json`, 'utf8')).source.consistency, 'still');
  });

  test('a target without room is exit 14 and keeps nothing that looks whole', {
    skip: noLoops,
  }, async (t) => {
    const base = directory(t);
    const full = join(base, 'full');
    mkdirSync(full);
    const mounted = await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', full], { reject: false });
    if (mounted.exitCode !== 0) return t.skip('tmpfs cannot be mounted here');
    try {
      const source = fileOf(join(base, 'source'), DISK);
      const image = await imageOf(source, join(base, 'image'));
      ends(await lifeboat(['image', source, '-o', join(full, 'x'), '-c', 'none']), STATUS.noSpace, /df -h/);
      ends(await lifeboat(['restore', image, '-o', join(full, 'x')]), STATUS.noSpace, /df -h/);
      assert.deepEqual(namesIn(full), []);
      fileOf(join(full, 'filler'), Buffer.alloc(900_000, 1));
      ends(await lifeboat(['image', source, '-o', join(full, 'x'), '--chunk', '64KiB']), STATUS.noSpace);
      assert.deepEqual(namesIn(full), ['filler']);
    } finally {
      await execa('umount', [full]);
    }
  });

  test('a 4Kn disk is imaged and restored, and its sector size is told', { skip: noLoops }, async (t) => {
    const loop = await loopOf(t, 4 * MIB, ['--sector-size', '4096']);
    const target = await loopOf(t, 4 * MIB, ['--sector-size', '4096']);
    const disk = diskBytes(4 * MIB, 9);
    const base = directory(t);
    ends(
      await lifeboat(['restore', '-', '-o', loop.device, '-c', 'none', '--confirm', basename(loop.device)], {
        input: disk,
      }),
      STATUS.done,
    );
    const out = await imageOf(loop.device, join(base, 'out'), '-c', 'lz4', '--verify');
    assert.equal(JSON.parse(readFileSync(`${out}.json`, 'utf8')).source.logicalSectorBytes, 4096);
    const args = ['restore', out, '-o', target.device, '--confirm', basename(target.device), '--check'];
    ends(await lifeboat(args), STATUS.done, /read back and compared/);
    sameFile(target.file, disk);
    ends(await lifeboat(['verify', out, '--against', target.device]), STATUS.done);
    const other = await loopOf(t, 4 * MIB);
    const toOther = ['restore', out, '-o', other.device, '--confirm', basename(other.device)];
    ends(await lifeboat(toOther), STATUS.usage, /logical sectors have 512 bytes, those of the source had 4096/);
    sameFile(other.file, Buffer.alloc(4 * MIB));
    ends(await lifeboat([...toOther, '-f']), STATUS.done);
    sameFile(other.file, disk);
  });
});
