import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BenchResult, BenchRow } from '../../src/image/bench.js';
import { calibrationOf } from '../../src/image/bench-calibration.js';
import { parseCalibration } from '../../src/metrics/calibration-file.js';

const speed = {
  compressBytesPerSecond: 8e9,
  decompressBytesPerSecond: 9e9,
  ratio: 2.00049,
  saveSeconds: 1,
  restoreSeconds: 1,
};
const onCard = (name: string, isSoftware: boolean): BenchRow => ({
  codec: 'gpu-lz4',
  level: 1,
  engine: 'gpu',
  card: { index: 1, name, isSoftware, feeders: 2, trials: [] },
  ...speed,
});
const RESULT: BenchResult = {
  source: '/dev/sda',
  sourceBytes: 1,
  sampleBytes: 1,
  zeroBytes: 0,
  readBytesPerSecond: 1e9,
  threads: 4,
  rows: [
    { codec: 'lz4', level: 1, engine: 'native', ...speed },
    onCard('NVIDIA H200', false),
    onCard('SwiftShader', true),
  ],
  skipped: [],
};

test('a calibration keeps codecs by the thread, graphics cards as they are, and no software device', () => {
  const calibration = calibrationOf(RESULT, { disk: undefined, target: undefined }, new Date(0));
  assert.deepEqual(calibration.codecs, [
    { codec: 'lz4', level: 1, bytesPerSecondPerThread: 2e9, ratio: 2, decodeBytesPerSecondPerThread: 2.25e9 },
  ]);
  assert.deepEqual(calibration.gpus, [
    {
      index: 1,
      name: 'NVIDIA H200',
      feeders: 2,
      ratio: 2,
      compressBytesPerSecond: 8e9,
      decompressBytesPerSecond: 9e9,
    },
  ]);
  assert.deepEqual(parseCalibration(JSON.stringify(calibration)), calibration);
  const without = { ...RESULT, rows: RESULT.rows.slice(0, 1) };
  assert.equal('gpus' in calibrationOf(without, { disk: undefined, target: undefined }, new Date(0)), false);
});

test('a file without cards, with what is none, or with more than is known of one, is read for what it says', () => {
  const calibration = calibrationOf(RESULT, { disk: undefined, target: undefined }, new Date(0));
  const [card] = calibration.gpus ?? [];
  const gpusOf = (gpus: unknown) => parseCalibration(JSON.stringify({ ...calibration, gpus }))?.gpus;
  assert.equal(gpusOf(undefined), undefined);
  assert.equal(gpusOf('none'), undefined);
  assert.deepEqual(gpusOf([{ ...card, watts: 700 }]), [card]);
  for (const broken of [null, 7, { ...card, name: '' }, { ...card, feeders: 0.5 }, { ...card, feeders: 1e9 }])
    assert.deepEqual(gpusOf([broken, card]), [card], JSON.stringify(broken));
  assert.equal(
    gpusOf([
      { ...card, ratio: 'high' },
      { ...card, compressBytesPerSecond: -1 },
    ]),
    undefined,
  );
});
