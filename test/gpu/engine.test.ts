import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { openEngine } from '../../src/gpu/engine.js';
import { gpuFrameBound } from '../../src/gpu/frame.js';
import { testDevice } from './adapter.js';
import { modelBody } from './model.js';
import { realFile, sample } from './samples.js';

const { open, skip } = await testDevice();
open?.close();
const CHUNK_BYTES = 4 * 1024 * 1024;
const engine = skip === false ? await openEngine('0', CHUNK_BYTES + 4096) : undefined;
after(() => engine?.close());

async function encode(plain: Buffer): Promise<Buffer> {
  const out = Buffer.alloc(gpuFrameBound(plain.length));
  return out.subarray(0, await engine?.encode(plain, out));
}

/** Noise is what a software device is fastest with; the file stands where the last block begins or ends. */
function around(bytes: number): Buffer {
  const plain = sample('random', bytes);
  realFile('program', 70_000).copy(plain, bytes - 100_000);
  return plain;
}

test('chunks of a byte less and a byte more than 4 MiB go there and back, and lz4 restores them', {
  skip,
}, async () => {
  for (const bytes of [CHUNK_BYTES - 1, CHUNK_BYTES + 1]) {
    const plain = around(bytes);
    const frame = await encode(plain);
    if (bytes > CHUNK_BYTES) assert.ok(frame.subarray(15, -8).equals(modelBody(plain)), "the model's");
    assert.ok(execFileSync('lz4', ['-dc'], { input: frame, maxBuffer: 1e8 }).equals(plain), `${bytes} bytes: lz4`);
    const back = Buffer.alloc(bytes);
    assert.equal(await engine?.decode(frame, back), bytes);
    assert.ok(back.equals(plain), `${bytes} bytes: the device`);
  }
});

test('no bytes at all become a frame that lz4 takes', { skip }, async () => {
  const frame = await encode(Buffer.alloc(0));
  assert.equal(frame.length, 23);
  assert.equal(execFileSync('lz4', ['-dc'], { input: frame }).length, 0);
  assert.equal(await engine?.decode(frame, Buffer.alloc(0)), 0);
});

test('a frame whose checksum is wrong, or that holds more than there is room for, is left to the processor', {
  skip,
}, async () => {
  const plain = realFile('program', 5000);
  const frame = await encode(plain);
  assert.equal(await engine?.decode(frame, Buffer.alloc(4999)), undefined);
  const wrong = Buffer.from(frame);
  wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 1, wrong.length - 1);
  assert.equal(await engine?.decode(wrong, Buffer.alloc(5000)), undefined);
});
