import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODEC_NAMES, codecByName, parseCodecName } from '../../src/codec/index.js';
import { encode, everyEngine, sample } from './samples.js';

for (const { codec, engine, title } of everyEngine()) {
  const range = codec.levels(engine) ?? { min: 0, max: 0 };

  test(`${title} has its default level within its range`, () => {
    assert.ok(codec.defaultLevel >= range.min && codec.defaultLevel <= range.max);
    assert.equal(codec.missing(engine), undefined);
  });

  test(`${title} refuses a level outside of its range`, async () => {
    for (const level of [range.min - 1, range.max + 1, 0.5]) {
      const options = { level, chunkBytes: 4096 };
      await assert.rejects(async () => codec.createEncoder(engine, options), { code: 'USAGE' }, `level ${level}`);
    }
  });

  if (range.max > range.min) {
    test(`${title} makes smaller frames at its highest level`, async () => {
      const plain = sample('text', 400_000);
      const low = await encode(codec, engine, plain, range.min);
      const high = await encode(codec, engine, plain, range.max);
      assert.ok(high.length < low.length, `${low.length} at level ${range.min}, ${high.length} at ${range.max}`);
    });
  }
}

test('zstd obeys each level from 1 to 22 with both engines, and these agree', async () => {
  const zstd = codecByName('zstd');
  const plain = sample('text', 300_000);
  for (const level of [-100, -5, 1, 3, 9, 15, 19, 22]) {
    const native = await encode(zstd, 'native', plain, level);
    const portable = await encode(zstd, 'portable', plain, level);
    const ratio = native.length / portable.length;
    assert.ok(ratio > 0.9 && ratio < 1.1, `level ${level}: ${native.length} and ${portable.length} bytes`);
  }
});

test('xz and bzip2 have no portable engine and say what to install', async () => {
  for (const [name, debianPackage] of [
    ['xz', 'liblzma5'],
    ['bzip2', 'libbz2-1.0'],
  ] as const) {
    const codec = codecByName(name);
    const sentence = `${name} has no portable engine: apt install ${debianPackage} for its native one`;
    assert.equal(codec.levels('portable'), undefined);
    assert.equal(codec.missing('portable'), sentence);
    const failure = { code: 'FAILED', message: sentence };
    await assert.rejects(async () => codec.createEncoder('portable', { level: 6, chunkBytes: 1 }), failure);
    await assert.rejects(async () => codec.createDecoder('portable'), failure);
    await assert.rejects(async () => codec.createStreamDecoder('portable'), failure);
  }
});

test('a codec is found by its name, and pigz is gzip', () => {
  for (const name of CODEC_NAMES) {
    assert.equal(codecByName(name).name, name);
    assert.equal(parseCodecName(name), name);
  }
  assert.equal(parseCodecName('pigz'), 'gzip');
  for (const text of ['', 'ZSTD', 'rar', 'constructor', 'auto']) {
    assert.throws(() => parseCodecName(text), { code: 'USAGE' });
  }
});
