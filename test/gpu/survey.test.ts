import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../../src/gpu/engine.js';
import { measureSpeed } from '../../src/gpu/speed.js';
import { hasWebgpu, surveyGpus } from '../../src/gpu/survey.js';
import { testDevice } from './adapter.js';
import { realFile, sample } from './samples.js';

const { open, skip } = await testDevice();
open?.close();

test('every adapter is shown with its limits, and software as software', { skip }, async () => {
  assert.equal(hasWebgpu(), true);
  const { gpus, reason } = await surveyGpus({ measure: false, signal: new AbortController().signal });
  assert.equal(reason, undefined);
  assert.deepEqual(
    gpus.map(({ index }) => index),
    [...gpus.keys()],
  );
  for (const { name, isSoftware, maxBindingBytes, speed } of gpus) {
    assert.equal(isSoftware, /SwiftShader|llvmpipe/i.test(name));
    assert.ok(maxBindingBytes >= 128 * 1024 ** 2);
    assert.equal(speed, undefined);
  }
});

test('a survey that is stopped rejects with the reason', async () => {
  const stopping = new AbortController();
  const surveyed = surveyGpus({ measure: false, signal: stopping.signal });
  stopping.abort(new Error('enough'));
  await assert.rejects(surveyed, /enough/);
});

test('speed is measured on what comes back as it was', { skip }, async (t) => {
  const chunks = [realFile('program', 65_536), sample('text', 65_536)];
  const engine = await openEngine('0', 65_536);
  t.after(() => engine.close());
  const speed = await measureSpeed(engine, chunks);
  assert.equal(speed.sampleBytes, 131_072);
  assert.ok(speed.ratio > 1 && speed.compressBytesPerSecond > 0 && speed.decompressBytesPerSecond > 0);
});

test('a device that is lost says so to whoever waits for it, and to whoever comes later', { skip }, async () => {
  const engine = await openEngine('0', 65_536);
  const plain = realFile('program', 65_536);
  const encoded = assert.rejects(engine.encode(plain, Buffer.alloc(70_000)), { name: 'GpuUnusable', kind: 'lost' });
  engine.close();
  await encoded;
  await assert.rejects(engine.encode(plain, Buffer.alloc(70_000)), { name: 'GpuUnusable', kind: 'lost' });
});

test('chunks that no buffer of the device takes are refused at once', { skip }, async () => {
  await assert.rejects(openEngine('0', 2 ** 40), { name: 'GpuUnusable', kind: 'memory' });
});
