import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type HostCalibration, parseCalibration } from '../../src/metrics/calibration-file.js';
import { predictRestore } from '../../src/metrics/recovery-time.js';
import type { Restored } from '../../src/metrics/runs.js';

const CALIBRATION: HostCalibration = {
  madeAt: '2026-11-21T03:00:00.000Z',
  threads: 4,
  readBytesPerSecond: 500e6,
  targetReadBytesPerSecond: 100e6,
  diskWriteBytesPerSecond: 400e6,
  codecs: [
    { codec: 'zstd', level: 3, bytesPerSecondPerThread: 300e6, ratio: 2.5, decodeBytesPerSecondPerThread: 800e6 },
    { codec: 'zstd', level: 19, bytesPerSecondPerThread: 3e6, ratio: 3.5, decodeBytesPerSecondPerThread: 700e6 },
    { codec: 'xz', level: 6, bytesPerSecondPerThread: 3e6, ratio: 4, decodeBytesPerSecondPerThread: 50e6 },
  ],
};

const of = (codec: string, imageBytes: number, dataBytes: number, level?: number) => ({
  codec,
  level,
  imageBytes,
  dataBytes,
});
const seconds = (one: { ms: number } | undefined) => Math.round((one?.ms ?? Number.NaN) / 100) / 10;

describe('predictRestore', () => {
  test('the slowest of reading, decoding and writing decides', () => {
    const reading = predictRestore(of('zstd', 10e9, 20e9), CALIBRATION, []);
    assert.deepEqual([reading?.slowest, seconds(reading)], ['reading', 100.2]);
    const writing = predictRestore(of('zstd', 1e9, 20e9), CALIBRATION, []);
    assert.deepEqual([writing?.slowest, seconds(writing)], ['writing', 50.2]);
    const decoding = predictRestore(of('xz', 1e9, 20e9), CALIBRATION, []);
    assert.deepEqual([decoding?.slowest, seconds(decoding)], ['decoding', 100.2]);
    assert.equal(seconds(predictRestore(of('none', 20e9, 20e9), CALIBRATION, [])), 200.2);
  });

  test('a codec or a host that was not measured is not predicted', () => {
    assert.equal(predictRestore(of('lz4', 1, 1), CALIBRATION, []), undefined);
    assert.equal(predictRestore(of('zstd', 1, 1), undefined, []), undefined);
  });

  test('what earlier restores of this codec took corrects it, whatever was predicted then', () => {
    const restored = (actualMs: number, over: Partial<Restored> = {}): Restored => ({
      timeMs: 0,
      ok: true,
      codec: 'zstd',
      place: undefined,
      plainBytes: undefined,
      predictedMs: 1,
      modelMs: 10_000,
      actualMs,
      ...over,
    });
    const factor = (...list: Restored[]) => {
      const found = predictRestore(of('zstd', 10e9, 1e9), CALIBRATION, list);
      return [Math.round((100 * (found?.ms ?? 0)) / (found?.modelMs ?? 1)) / 100, found?.restores];
    };
    assert.deepEqual(factor(restored(13_000)), [1.3, 1]);
    // The median of the last five.
    assert.deepEqual(factor(...[9e4, 9e4, 12e3, 12e3, 12e3, 99e3, 5e3].map((ms) => restored(ms))), [1.2, 5]);
    assert.deepEqual(factor(restored(1e9)), [4, 1]);
    const useless = [{ ok: false }, { codec: 'xz' }, { modelMs: undefined }, { modelMs: 0 }, { actualMs: 100 }];
    assert.deepEqual(factor(...useless.map((over) => restored(20_000, over))), [1, 0]);
  });
});

describe('parseCalibration', () => {
  test('reads what is written', () => {
    assert.deepEqual(parseCalibration(JSON.stringify(CALIBRATION)), CALIBRATION);
  });

  test('speeds that are none are left out, and what has no codec is none', () => {
    const [first] = CALIBRATION.codecs;
    const odd = {
      ...CALIBRATION,
      readBytesPerSecond: 0,
      diskWriteBytesPerSecond: 'fast',
      codecs: [first, null, { ...first, ratio: -1 }, 7],
    };
    const parsed = parseCalibration(JSON.stringify(odd));
    assert.deepEqual(parsed?.codecs, [first]);
    assert.deepEqual([parsed?.readBytesPerSecond, parsed?.diskWriteBytesPerSecond], [undefined, undefined]);
    for (const text of [
      '',
      '{',
      '[]',
      'null',
      '{"codecs":[]}',
      JSON.stringify({ ...CALIBRATION, threads: 0 }),
      JSON.stringify({ ...CALIBRATION, madeAt: 'x' }),
    ])
      assert.equal(parseCalibration(text), undefined, text);
  });
});
