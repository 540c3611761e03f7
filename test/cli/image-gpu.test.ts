import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { SWIFTSHADER_ICD } from '../gpu/adapter.js';
import {
  directory,
  diskBytes,
  ends,
  fileOf,
  imageOf,
  KIB,
  lifeboat,
  namesIn,
  STATUS,
  sameBytes,
  sameFile,
} from './program.js';

const SOURCE = diskBytes(700 * KIB);
const NO_CARD = { env: { VK_ICD_FILENAMES: '/nonexistent' } };
const SOFTWARE = { env: { VK_ICD_FILENAMES: SWIFTSHADER_ICD } };
const skip = existsSync(SWIFTSHADER_ICD) ? false : 'chromium, with its SwiftShader, is not installed';

async function stockDecoded(image: string): Promise<Buffer> {
  const { stdout } = await execa('lz4', ['-dc', image], { encoding: 'buffer', stripFinalNewline: false });
  return Buffer.from(stdout);
}

describe('image -c gpu-lz4', () => {
  test('without a graphics card warns, and the processors make an image that stock lz4 decodes', async (t) => {
    const base = directory(t);
    const image = join(base, 'image.lz4');
    const ran = await lifeboat(['image', fileOf(join(base, 'source'), SOURCE), '-o', image, '-c', 'gpu-lz4'], NO_CARD);
    ends(ran, STATUS.done, /warning: no graphics card: .*; the processors go on/);
    sameBytes(await stockDecoded(image), SOURCE);
    assert.equal(JSON.parse(readFileSync(`${image}.json`, 'utf8')).image.engine, 'native');
  });

  test('a software device is not taken by itself', { skip }, async (t) => {
    const base = directory(t);
    const image = join(base, 'image.lz4');
    const ran = await lifeboat(['image', fileOf(join(base, 'source'), SOURCE), '-o', image, '-c', 'gpu-lz4'], SOFTWARE);
    ends(ran, STATUS.done, /the processors go on/);
    sameBytes(await stockDecoded(image), SOURCE);
  });

  test('--engine gpu without a card fails with what to do, and leaves nothing', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), SOURCE);
    const ran = await lifeboat(['image', source, '-o', join(base, 'image.lz4'), '--engine', 'gpu'], NO_CARD);
    ends(ran, STATUS.failed, /Cannot compress on a graphics card[\s\S]*lifeboat gpu shows what there is/);
    assert.deepEqual(namesIn(base), ['source']);
    ends(
      await lifeboat(['image', source, '-o', join(base, 'x'), '--engine', 'gpu', '-c', 'zstd']),
      STATUS.usage,
      /compresses to lz4, not to zstd/,
    );
  });

  test('--engine gpu on a device that is named makes an image that lifeboat and stock lz4 restore', {
    skip,
  }, async (t) => {
    const base = directory(t);
    const image = join(base, 'image.lz4');
    const source = fileOf(join(base, 'source'), SOURCE);
    const flags = ['-c', 'gpu-lz4', '--engine', 'gpu', '--gpu', '0', '--chunk', '256KiB'];
    ends(await lifeboat(['image', source, '-o', image, ...flags], { ...SOFTWARE, timeout: 120_000 }), STATUS.done);
    sameBytes(await stockDecoded(image), SOURCE);
    assert.equal(JSON.parse(readFileSync(`${image}.json`, 'utf8')).image.engine, 'gpu');
    ends(await lifeboat(['verify', image, '--against', source]), STATUS.done);

    const onCard = ['--engine', 'gpu', '--gpu', 'swiftshader'];
    const back = join(base, 'back');
    const restored = await lifeboat(['restore', image, '-o', back, '--check', ...onCard], SOFTWARE);
    ends(restored, STATUS.done, /lz4, gpu engine[\s\S]*3 frames decoded on SwiftShader.* \(software\)/);
    sameFile(back, SOURCE);
    const piped = await lifeboat(['verify', '-', '--json', ...onCard], { ...SOFTWARE, input: readFileSync(image) });
    ends(piped, STATUS.done);
    const { engine, gpu } = JSON.parse(piped.stdout);
    assert.deepEqual([engine, gpu.frames, gpu.isSoftware], ['gpu', 3, true]);
    const hybrid = await lifeboat(['verify', image, '--gpu', '0', '--against', source], SOFTWARE);
    ends(hybrid, STATUS.done, /holds the same/);
  });
});

describe('verify and restore on a graphics card', () => {
  test('fail without one if it is demanded, else warn and use the processors', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), SOURCE), join(base, 'image'), '-c', 'lz4');
    for (const verb of [
      ['verify', image],
      ['restore', image, '-o', join(base, 'back'), '-f'],
    ]) {
      const demanded = await lifeboat([...verb, '--engine', 'gpu'], NO_CARD);
      ends(demanded, STATUS.failed, /Cannot decode on a graphics card[\s\S]*lifeboat gpu shows what there is/);
      ends(await lifeboat([...verb, '--gpu', '0'], NO_CARD), STATUS.done, /no graphics card: .*; the processors go on/);
    }
    sameFile(join(base, 'back'), SOURCE);
  });

  test('wrong usage is told: another codec, an engine of the processors, a quick look', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), SOURCE), join(base, 'image'), '-c', 'zstd');
    ends(await lifeboat(['verify', image, '--engine', 'gpu']), STATUS.usage, /decodes lz4, and ".*" is zstd/);
    const both = ['restore', image, '-o', join(base, 'x'), '--gpu', '0', '--engine', 'native'];
    ends(await lifeboat(both), STATUS.usage, /--gpu goes with --engine auto or gpu/);
    ends(await lifeboat(['verify', image, '--quick', '--gpu', '0']), STATUS.usage, /two frames only/);
    assert.deepEqual(namesIn(base, 'x'), []);
  });

  test('two threads that feed one device make the image that one makes', { skip }, async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), SOURCE);
    const imageBy = async (gpu: string, name: string) => {
      const image = join(base, name);
      const flags = ['--engine', 'gpu', '--gpu', gpu, '--chunk', '128KiB', '-v'];
      const ran = await lifeboat(['image', source, '-o', image, ...flags], { ...SOFTWARE, timeout: 120_000 });
      ends(ran, STATUS.done, /compressing on SwiftShader/);
      return { bytes: readFileSync(image), threads: JSON.parse(readFileSync(`${image}.json`, 'utf8')).image.threads };
    };
    const [one, two] = [await imageBy('0', 'one.lz4'), await imageBy('0,0', 'two.lz4')];
    assert.ok(one.bytes.equals(two.bytes));
    assert.ok(one.threads === 1 && two.threads <= 2, `${one.threads} and ${two.threads} threads`);
  });

  test('all is every hardware card, and where there is none the processors; a list has no gaps', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), SOURCE);
    const image = join(base, 'image.lz4');
    const all = ['image', source, '-o', image, '-c', 'gpu-lz4', '--gpu', 'all'];
    const ran = await lifeboat(all, skip === false ? SOFTWARE : NO_CARD);
    ends(ran, STATUS.done, /no graphics card: .*; the processors go on/);
    sameBytes(await stockDecoded(image), SOURCE);
    ends(await lifeboat([...all.slice(0, -1), '0,', '-f'], NO_CARD), STATUS.usage, /--gpu takes names or numbers/);
  });
});
