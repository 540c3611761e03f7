import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
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
  noise,
  STATUS,
  sameBytes,
  sameFile,
} from '../cli/program.js';
import { attachLoop, noLoops } from '../device/loop.js';

const CHUNK = 256 * KIB;
const DISK = diskBytes(2 * MIB + 1000);
/** The frame that is damaged: neither the first nor the last, and no zeros. */
const LOST = { offset: 4 * CHUNK + 0, length: CHUNK };

/** `disk` with zeros in the lost range. */
function withHole(disk: Buffer, { offset, length }: { offset: number; length: number }): Buffer {
  const holed = Buffer.from(disk);
  holed.fill(0, offset, offset + length);
  return holed;
}

describe('--salvage', { concurrency: 2 }, () => {
  for (const codec of ['gzip', 'zstd', 'lz4', 'xz', 'bzip2', 'none']) {
    test(`gets everything but one flipped frame out of ${codec}, to a file, a pipe and a device, and lists it`, async (t) => {
      const base = directory(t);
      const disk = noise(DISK.length, 3);
      const image = await imageOf(
        fileOf(join(base, 'source'), disk),
        join(base, 'image'),
        '-c',
        codec,
        '--chunk',
        '256KiB',
      );
      const bytes = readFileSync(image);
      // Noise does not shrink: what lies at an offset of the disk is found near that of the image.
      fileOf(image, flip(bytes, LOST.offset + 140_000, 3));
      ends(await lifeboat(['verify', image]), STATUS.damage, /restore --salvage/);
      ends(await lifeboat(['restore', image, '-o', join(base, 'never')]), STATUS.damage);

      const expected = withHole(disk, LOST);
      const ran = await lifeboat(['restore', image, '-o', join(base, 'back'), '--salvage', '--json', '--check']);
      ends(ran, STATUS.partial);
      const { lostRanges, damage } = JSON.parse(ran.stdout);
      assert.deepEqual(lostRanges, [LOST]);
      assert.equal(damage.length, 1);
      sameFile(join(base, 'back'), expected);

      const piped = await lifeboatBytes(['restore', image, '-o', '-', '--salvage']);
      assert.equal(piped.status, STATUS.partial);
      assert.match(
        piped.stderr,
        new RegExp(`lost: ${LOST.length} bytes at offset ${LOST.offset} of the disk, now zeros`),
      );
      sameBytes(piped.bytes, expected, 'stdout');

      if (noLoops !== false) return;
      const loop = await attachLoop(4 * MIB);
      t.after(loop.detach);
      const toDevice = ['-o', loop.device, '--confirm', basename(loop.device)];
      const old = noise(4 * MIB, 8);
      ends(await lifeboat(['restore', '-', '-c', 'none', ...toDevice], { input: old }), STATUS.done);
      ends(await lifeboat(['restore', image, ...toDevice, '--salvage']), STATUS.partial);
      sameFile(loop.file, Buffer.concat([expected, old.subarray(disk.length)]));
    });
  }

  for (const codec of ['gzip', 'zstd', 'lz4', 'xz']) {
    test(`finds the frames of ${codec} whose index is cut off`, async (t) => {
      const base = directory(t);
      const image = await imageOf(
        fileOf(join(base, 'source'), DISK),
        join(base, 'image'),
        '-c',
        codec,
        '--chunk',
        '256KiB',
      );
      const bytes = readFileSync(image);
      const cut = fileOf(join(base, 'cut'), bytes.subarray(0, bytes.length - 30));
      ends(await lifeboat(['verify', cut]), STATUS.damage);
      ends(await lifeboat(['restore', cut, '-o', join(base, 'back')]), STATUS.damage, /--salvage/);
      const ran = await lifeboat(['restore', cut, '-o', join(base, 'back'), '--salvage']);
      ends(ran, STATUS.partial, /cut off|ends early|damaged|lost/);
      sameFile(join(base, 'back'), DISK);
      const piped = await lifeboatBytes(['restore', '-', '-o', '-', '--salvage'], { input: readFileSync(cut) });
      assert.equal(piped.status, STATUS.partial, piped.stderr);
      sameBytes(piped.bytes, DISK, 'piped');

      const half = fileOf(join(base, 'half'), bytes.subarray(0, bytes.length / 2));
      ends(await lifeboat(['restore', half, '-o', join(base, 'first'), '--salvage']), STATUS.partial);
      const first = readFileSync(join(base, 'first'));
      assert.ok(first.length >= CHUNK, `${first.length}`);
      const whole = first.length - (first.length % CHUNK);
      sameBytes(first.subarray(0, whole - CHUNK), DISK.subarray(0, whole - CHUNK), 'the first half');
    });
  }

  test('of a whole image is a restore like any other', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    ends(await lifeboat(['restore', image, '-o', join(base, 'back'), '--salvage']), STATUS.done);
    sameFile(join(base, 'back'), DISK);
  });

  test('of a range lists only what of it is lost', async (t) => {
    const base = directory(t);
    const disk = noise(2 * MIB, 4);
    const image = await imageOf(
      fileOf(join(base, 'source'), disk),
      join(base, 'image'),
      '-c',
      'lz4',
      '--chunk',
      '256KiB',
    );
    fileOf(image, flip(readFileSync(image), LOST.offset + 100_000));
    const good = ['restore', image, '-o', join(base, 'good'), '--salvage', '--range', `0:${LOST.offset}`];
    ends(await lifeboat(good), STATUS.done);
    sameFile(join(base, 'good'), disk.subarray(0, LOST.offset));
    const start = LOST.offset + 1000;
    const part = ['restore', image, '-o', join(base, 'part'), '--salvage', '--range', `${start}:300000`, '--json'];
    const ran = await lifeboat(part);
    ends(ran, STATUS.partial);
    assert.deepEqual(JSON.parse(ran.stdout).lostRanges, [{ offset: start, length: CHUNK - 1000 }]);
    sameFile(join(base, 'part'), withHole(disk, LOST).subarray(start, start + 300_000));
  });

  test('keeps the length of the disk when the last frame of a pipe is lost', async (t) => {
    const base = directory(t);
    const disk = noise(MIB, 6);
    const image = await imageOf(
      fileOf(join(base, 'source'), disk),
      join(base, 'image'),
      '-c',
      'lz4',
      '--chunk',
      '256KiB',
    );
    const input = flip(readFileSync(image), MIB - 100_000);
    const ran = await lifeboat(['restore', '-', '-o', join(base, 'back'), '--salvage', '--json'], { input });
    ends(ran, STATUS.partial);
    const lost = { offset: 3 * CHUNK, length: CHUNK };
    assert.deepEqual(JSON.parse(ran.stdout).lostRanges, [lost]);
    sameFile(join(base, 'back'), withHole(disk, lost));
  });
});
