import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { sample } from './samples.js';

const CODECS = new URL('../../src/codec/index.js', import.meta.url).href;

/** Round trips of all codecs on one piece of shared memory; ends with an error if any of them fails. */
const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { CODEC_NAMES, codecByName } = await import(${JSON.stringify(CODECS)});
    const plain = Buffer.from(workerData);
    for (const codec of CODEC_NAMES.map(codecByName)) for (const engine of ['native', 'portable']) {
      if (codec.levels(engine) === undefined) continue;
      const encoder = await codec.createEncoder(engine, { level: codec.defaultLevel, chunkBytes: plain.length });
      const decoder = await codec.createDecoder(engine);
      const frame = Buffer.from(new SharedArrayBuffer(codec.frameBound(plain.length)));
      const out = Buffer.from(new SharedArrayBuffer(plain.length));
      for (let i = 0; i < 5; i++) {
        const bytes = await encoder.encode(plain, frame);
        out.fill(0);
        if (await decoder.decode(frame.subarray(0, bytes), out) !== plain.length || !out.equals(plain)) {
          throw new Error(codec.name + ' ' + engine);
        }
      }
      encoder.close();
      decoder.close();
    }
    parentPort.postMessage('done');
  })();
`;

test('all codecs work in several threads at once', async () => {
  const plain = sample('text', 200_000);
  const memory = new SharedArrayBuffer(plain.length);
  plain.copy(Buffer.from(memory));
  const runs = [1, 2, 3, 4].map(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(WORKER, { eval: true, workerData: memory });
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', () => reject(new Error('the worker ended early')));
      }),
  );
  assert.deepEqual(await Promise.all(runs), ['done', 'done', 'done', 'done']);
});

test('koffi and the npm packages are not loaded before a codec needs them', () => {
  const script = `
    const { codecByName } = await import(${JSON.stringify(CODECS)});
    const encoder = await codecByName('gzip').createEncoder('portable', { level: 6, chunkBytes: 10 });
    encoder.encode(Buffer.from('abc'), Buffer.alloc(100));
    const { createRequire } = await import('node:module');
    process.stdout.write(Object.keys(createRequire('/').cache).join(' '));
  `;
  const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.doesNotMatch(loaded, /koffi|mongodb|lz4-napi/);
});
