import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { LifeboatError } from '../../src/error.js';
import { decodeImage } from '../../src/image/decode.js';
import type { GpuWish } from '../../src/image/image-options.js';
import { openImageFile } from '../../src/image/open-image.js';
import { type RestoreOptions, type RestoreResult, restoreImage } from '../../src/image/restore.js';
import { type VerifyResult, verifyImage } from '../../src/image/verify.js';
import { directory, diskBytes, fileOf, flip, imageOf, KIB, MIB, noise, sameFile } from '../cli/program.js';
import { testDevice } from '../gpu/adapter.js';
import { realFile } from '../gpu/samples.js';

const { open, skip } = await testDevice();
open?.close();

const ALONE: GpuWish = { wanted: ['0'], isHybrid: false, isRequired: true };
const DISK = Buffer.concat([diskBytes(600 * KIB), realFile('program', 150 * KIB), realFile('text', 1000)]);

/** What a run says, kept. */
function listening() {
  const warnings: string[] = [];
  const report = { warn: (text: string) => void warnings.push(text), detail() {}, follow: () => () => undefined };
  return { warnings, report };
}

const common = (gpu: GpuWish | undefined) => ({
  raw: false,
  threads: 2,
  engine: 'auto' as const,
  gpu,
  signal: new AbortController().signal,
});

function verified(image: string, gpu: GpuWish | undefined, { report } = listening()): Promise<VerifyResult> {
  return verifyImage({ ...common(gpu), image, quick: false, against: undefined }, report);
}

function restored(
  image: string,
  target: string,
  gpu: GpuWish | undefined,
  more: Partial<RestoreOptions> = {},
  { report } = listening(),
): Promise<RestoreResult> {
  const plainly = { range: undefined, confirm: undefined, salvage: false, check: false, force: true, dryRun: false };
  return restoreImage({ ...common(gpu), ...plainly, image, target, ...more }, report);
}

/** A file of several frames, as people make them of pieces: each says how much it holds. */
async function stockFrames(base: string, plain: Buffer, ...flags: string[]): Promise<string> {
  const frames: Buffer[] = [];
  for (let at = 0; at < plain.length; at += 300_000) {
    const piece = fileOf(join(base, 'piece'), plain.subarray(at, at + 300_000));
    const { stdout } = await execa('lz4', ['-qc', '--content-size', ...flags, piece], { encoding: 'buffer' });
    frames.push(Buffer.from(stdout));
  }
  return fileOf(join(base, `stock${flags.join('')}.lz4`), Buffer.concat(frames));
}

describe('on a graphics card', { skip }, () => {
  const kinds: Record<string, (base: string) => Promise<string>> = {
    "the processors' images with one block a frame": (base) =>
      imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'), '-c', 'lz4', '--chunk', '200KiB'),
    "the portable engine's images": (base) =>
      imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'), '-c', 'lz4', '--engine', 'portable'),
    'frames of lz4 -B4 -BI': (base) => stockFrames(base, DISK, '-B4', '-BI'),
    'frames of lz4 -B7': (base) => stockFrames(base, DISK, '-B7', '-9'),
  };
  for (const [what, make] of Object.entries(kinds)) {
    test(`${what} are verified and restored, every frame by the card`, async (t) => {
      const base = directory(t);
      const image = await make(base);
      const frames = (await restored(image, join(base, 'back'), ALONE)).gpu?.frames;
      sameFile(join(base, 'back'), DISK);
      const { damage, engine, gpu, plainBytes } = await verified(image, ALONE);
      assert.deepEqual([damage, engine, plainBytes], [[], 'gpu', DISK.length]);
      assert.ok(gpu !== null && gpu.frames > 0 && gpu.processorFrames === 0);
      assert.equal(gpu.frames, frames);
    });
  }

  test('images of 0 to 3 bytes and about 64 KiB and 4 MiB are restored', async (t) => {
    const base = directory(t);
    for (const bytes of [0, 1, 2, 3, 64 * KIB - 1, 64 * KIB + 1, 4 * MIB + 1]) {
      // Noise is what a software device is fastest with; text stands at the end.
      const plain = Buffer.concat([noise(bytes), realFile('text', 5000)]).subarray(-bytes);
      const source = fileOf(join(base, 'source'), bytes === 0 ? '' : plain);
      const image = await imageOf(source, join(base, 'image'), '-c', 'lz4', '-f');
      const { gpu, plainBytes } = await restored(image, join(base, 'back'), ALONE);
      sameFile(join(base, 'back'), readFileSync(source));
      assert.deepEqual([plainBytes, gpu?.frames ?? 0], [bytes, Math.ceil(bytes / (4 * MIB))]);
    }
  });

  test('a range, and zeros, which are decoded once', async (t) => {
    const base = directory(t);
    const disk = Buffer.concat([noise(100 * KIB), Buffer.alloc(3 * MIB), noise(50 * KIB)]);
    const image = await imageOf(
      fileOf(join(base, 'source'), disk),
      join(base, 'image'),
      '-c',
      'lz4',
      '--chunk',
      '256KiB',
    );
    const { zeroBytes } = await restored(image, join(base, 'back'), ALONE);
    assert.ok(zeroBytes >= 2.5 * MIB);
    sameFile(join(base, 'back'), disk);
    const range = { offset: 90 * KIB, length: 3 * MIB };
    await restored(image, join(base, 'part'), { ...ALONE, isHybrid: true, isRequired: false }, { range });
    sameFile(join(base, 'part'), disk.subarray(90 * KIB, 90 * KIB + 3 * MIB));
  });

  test('damage is reported as without one, and salvage gets out the same', async (t) => {
    const base = directory(t);
    const disk = Buffer.concat([noise(300_000, 1), realFile('text', 200_000), noise(300_000, 2)]);
    const source = fileOf(join(base, 'source'), disk);
    const ours = await imageOf(source, join(base, 'image'), '-c', 'lz4', '--chunk', '128KiB');
    const stock = await stockFrames(base, disk, '-B5');
    for (const [image, at] of [
      [ours, 400_000],
      [stock, 310_000],
    ] as const) {
      const whole = readFileSync(image);
      writeFileSync(image, flip(whole, Math.min(at, whole.length - 200_000), 5));
      const expected = await verified(image, undefined);
      const found = await verified(image, ALONE);
      assert.equal(expected.damage.length, 1);
      assert.deepEqual([found.damage, found.lostRanges], [expected.damage, expected.lostRanges]);
      const refused = await restored(image, join(base, 'never'), ALONE).catch((error: unknown) => error);
      assert.ok(refused instanceof LifeboatError && refused.code === 'DAMAGE', String(refused));
      const salvage = { salvage: true };
      const salvaged = await restored(image, join(base, 'salvaged'), ALONE, salvage);
      const byProcessors = await restored(image, join(base, 'expected'), undefined, salvage);
      assert.deepEqual(salvaged.lostRanges, byProcessors.lostRanges);
      assert.equal(salvaged.engine, 'gpu');
      sameFile(join(base, 'salvaged'), readFileSync(join(base, 'expected')));
    }
  });

  test('a run that ends at damage while the card has frames in hand leaves nothing behind that ends the process', async (t) => {
    const base = directory(t);
    const disk = Buffer.concat([noise(300_000), realFile('program', 600_000)]);
    const flags = ['-c', 'lz4', '--chunk', '64KiB'];
    const image = await imageOf(fileOf(join(base, 'source'), disk), join(base, 'image'), ...flags);
    fileOf(image, flip(readFileSync(image), 350_000, 3));
    for (let round = 0; round < 2; round++) {
      await assert.rejects(restored(image, join(base, 'never'), ALONE), { code: 'DAMAGE' });
      // What its thread has under way ends by itself.
      await sleep(300);
    }
  });

  /** One frame, whose checksum at its end is all that proves it. */
  async function oneFrame(base: string, plain: Buffer, ...flags: string[]): Promise<string> {
    const image = join(base, 'one.lz4');
    await execa('lz4', ['-qf', ...flags, fileOf(join(base, 'source'), plain), image]);
    return image;
  }

  for (const flags of [['-B4'], ['-B4', '-BX', '--content-size'], ['-B7']]) {
    test(`a file of one frame, as lz4 ${flags.join(' ')} makes it, is decoded by the card`, async (t) => {
      const base = directory(t);
      const plain = Buffer.concat([noise(4 * MIB - 5), DISK]);
      const image = await oneFrame(base, plain, ...flags);
      const heard = listening();
      const { gpu, plainBytes } = await restored(image, join(base, 'back'), ALONE, { check: true }, heard);
      assert.deepEqual([gpu?.frames, gpu?.processorFrames, plainBytes, heard.warnings], [2, 0, plain.length, []]);
      sameFile(join(base, 'back'), plain);
      const { damage, engine } = await verified(image, ALONE, heard);
      assert.deepEqual([damage, engine, heard.warnings], [[], 'gpu', []]);
    });
  }

  test('where its checksum does not prove what the card decoded, the processors decode it once more', async (t) => {
    const base = directory(t);
    const plain = Buffer.concat([noise(300_000), Buffer.alloc(70_000)]);
    const image = await oneFrame(base, plain, '-B4');
    const whole = readFileSync(image);
    // A stored block: nothing but the checksum at the end tells, and that is the same for a card that decodes wrongly.
    writeFileSync(image, flip(whole, 100_000, 1));
    const heard = listening();
    const { damage, lostRanges, engine } = await verified(image, ALONE, heard);
    assert.match(damage.join(), /wrong checksum of the content/);
    assert.deepEqual([lostRanges, engine], [[{ offset: 0, length: plain.length }], 'native']);
    assert.match(heard.warnings.join(), /the processors decode it once more/);

    writeFileSync(image, whole);
    const signal = new AbortController().signal;
    const opened = await openImageFile(image, { engine: 'auto', raw: false, salvage: false, signal });
    const target = Buffer.alloc(plain.length, 0xee);
    const passes: boolean[] = [];
    let hasLied = false;
    const decoded = await decodeImage({
      image: {
        ...opened,
        // The card's part: what it is given is not what the file has, but for the second time.
        async provide(range) {
          const provider = await opened.provide(range);
          const isFirst = !hasLied;
          hasLied = true;
          return {
            ...provider,
            async fetch(slot) {
              const fetched = await provider.fetch(slot);
              if (isFirst && fetched?.kind === 'frame') slot.frame.writeUInt8(0x5a, 1000);
              return fetched;
            },
          };
        },
      },
      threads: 1,
      gpu: { wanted: ['0'], isHybrid: false, onReady() {}, onUnusable: assert.fail },
      openSink(isAgain) {
        passes.push(isAgain);
        return {
          ordered: false,
          zerosForLost: false,
          put: async ({ plain: piece, plainOffset }) => void piece.copy(target, plainOffset),
        };
      },
      onDamage: 'stop',
      progress: { storedBytes: 0, plainBytes: 0, zeroBytes: 0 },
      signal,
    });
    opened.close();
    assert.deepEqual([passes, decoded.frames, decoded.structure, decoded.gpuFrames], [[false, true], [], [], 0]);
    assert.ok(target.equals(plain));
  });

  test('what nothing proves, or cannot be decoded again, is decoded by the processors', async (t) => {
    const base = directory(t);
    for (const flags of [['-BD'], ['--no-frame-crc']]) {
      const heard = listening();
      const { damage, engine, gpu } = await verified(await oneFrame(base, DISK, '-B4', ...flags), ALONE, heard);
      assert.deepEqual([damage, engine, gpu], [[], 'native', null]);
      assert.match(heard.warnings.join(), /nothing would prove what a card decodes of .*: the processors decode it/);
    }
    const linked = await restored(await stockFrames(base, DISK, '-B4', '-BD'), join(base, 'back'), ALONE);
    assert.deepEqual([linked.engine, linked.gpu?.frames, linked.gpu?.processorFrames], ['native', 0, 3]);
    sameFile(join(base, 'back'), DISK);
  });
});

describe('without a card that can be used', () => {
  async function smallImage(t: TestContext, codec: string) {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'), '-c', codec);
    return { image, target: join(base, 'back') };
  }

  test('the processors do it, and that is said once', async (t) => {
    const { image, target } = await smallImage(t, 'lz4');
    const heard = listening();
    const wish: GpuWish = { wanted: ['no such card'], isHybrid: true, isRequired: false };
    const { engine, gpu } = await restored(image, target, wish, {}, heard);
    sameFile(target, DISK);
    assert.deepEqual([engine, gpu], ['native', null]);
    assert.equal(heard.warnings.length, 1);
    assert.match(heard.warnings[0] ?? '', /no graphics card: .*; the processors go on/);
  });

  test('where one is demanded nothing is written', async (t) => {
    const { image, target } = await smallImage(t, 'lz4');
    const demanded = restored(fileOf(`${target}.lz4`, readFileSync(image)), fileOf(target, 'as it was'), {
      ...ALONE,
      wanted: ['no such card'],
    });
    await assert.rejects(demanded, { code: 'FAILED', message: /Cannot decode on a graphics card/ });
    sameFile(target, Buffer.from('as it was'));
  });

  test('of another codec it says so, and where a card is demanded it is wrong usage', async (t) => {
    const { image } = await smallImage(t, 'zstd');
    const heard = listening();
    assert.deepEqual((await verified(image, { ...ALONE, isHybrid: true, isRequired: false }, heard)).damage, []);
    assert.match(heard.warnings[0] ?? '', /is zstd, and a graphics card decodes lz4 only/);
    await assert.rejects(verified(image, ALONE), { code: 'USAGE', message: /decodes lz4, and ".*" is zstd/ });
  });
});
