import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { chooseXxh32 } from '../../src/codec/xxhash.js';
import { batchShape } from '../../src/gpu/batch.js';
import { BLOCK_BYTES } from '../../src/gpu/block.js';
import { type Compressor, createCompressor } from '../../src/gpu/compressor.js';
import { gpuFrameBound, writeGpuFrame } from '../../src/gpu/frame.js';
import { testDevice } from './adapter.js';
import { modelBody } from './model.js';
import { periodic, realFile, sample } from './samples.js';

const { open, skip } = await testDevice();
after(() => open?.close());
const xxh32 = await chooseXxh32();
const BLOCKS_A_CHUNK = 4;
const compressor =
  open === undefined ? undefined : await createCompressor(open, { chunks: 3, blocksPerChunk: BLOCKS_A_CHUNK });

async function compress(...plains: Buffer[]): Promise<Buffer[]> {
  let bodies: Buffer[] = [];
  await (compressor as Compressor).compress(plains, (mapped) => {
    bodies = mapped.map((body) => Buffer.from(body));
  });
  return bodies;
}

/** What the device makes must be what the model makes, and what lz4 makes the plaintext of again. */
async function hold(what: string, plain: Buffer): Promise<number> {
  const [body = Buffer.alloc(0)] = await compress(plain);
  assert.ok(body.equals(modelBody(plain)), `${what}: the device's bytes are the model's`);
  const frame = Buffer.alloc(gpuFrameBound(plain.length));
  const frameBytes = writeGpuFrame(frame, plain, body, xxh32);
  const restored = execFileSync('lz4', ['-dc'], { input: frame.subarray(0, frameBytes), maxBuffer: 64 * 1024 ** 2 });
  assert.ok(restored.equals(plain), `${what}: lz4 restores it`);
  return frameBytes;
}

test('lz4 restores what the device made of any length', { skip }, async () => {
  const text = realFile('text', 200_000);
  for (const length of [1, 2, 3, 4, 11, 12, 13, 14, 255, 1023, 1025, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1]) {
    await hold(`${length} bytes`, Buffer.concat(Array(9).fill(text)).subarray(0, length));
  }
  await hold('a whole chunk', realFile('program', BLOCKS_A_CHUNK * BLOCK_BYTES));
  await hold('a chunk less a byte', realFile('program', BLOCKS_A_CHUNK * BLOCK_BYTES - 1));
});

test('noise is stored, in a frame that is no larger than its bound', { skip }, async () => {
  const plain = sample('random', 2 * BLOCK_BYTES + 5);
  assert.equal(await hold('noise', plain), gpuFrameBound(plain.length));
});

test('zeros and long runs become nearly nothing', { skip }, async () => {
  assert.ok((await hold('zeros', Buffer.alloc(BLOCK_BYTES))) < 300);
  const runs = Buffer.concat([
    Buffer.alloc(30_000, 1),
    sample('random', 500),
    Buffer.alloc(35_000, 2),
    Buffer.from('end'),
  ]);
  assert.ok((await hold('runs', runs)) < 1000);
});

test('every period from 1 to 16 is found', { skip }, async () => {
  for (let period = 1; period <= 16; period++) {
    const bytes = await hold(`period ${period}`, periodic(period, 9000));
    assert.ok(bytes < 600, `period ${period}: ${bytes} bytes`);
  }
});

test('equal blocks become equal bytes, wherever they are', { skip }, async () => {
  const block = realFile('program', BLOCK_BYTES);
  const [body] = await compress(Buffer.concat([block, block, block]));
  const third = (body?.length ?? 0) / 3;
  assert.ok(body?.subarray(0, third).equals(body.subarray(third, 2 * third)));
  assert.ok(body?.subarray(0, third).equals(body.subarray(2 * third)));
});

test('matches that end at every place behind the joint of two segments of the parser', { skip }, async () => {
  const noise = sample('random', 40_000);
  for (const shift of [0, 1, 5, 31, 32, 33]) {
    const pieces = Array.from({ length: 60 }, (_, at) => noise.subarray(at, at + 300 + 37 * at + shift));
    await hold(`shifted by ${shift}`, Buffer.concat(pieces).subarray(0, BLOCK_BYTES));
  }
});

test('chunks of one submit, and submits under way at once, do not touch each other', { skip }, async () => {
  const plains = [
    [realFile('program', 100_001), Buffer.alloc(70_000), sample('random', 3)],
    [sample('text', 131_073)],
    [sample('random', 65_536), realFile('text', 5000)],
    [sample('text', 17)],
  ];
  const bodies = await Promise.all(plains.map((batch) => compress(...batch)));
  assert.deepEqual(
    bodies,
    plains.map((batch) => batch.map(modelBody)),
  );
});

test('the size is at most that of lz4 -1 with the same blocks', { skip }, async () => {
  for (const plain of [realFile('program', 3_000_000), realFile('text', 60_000)]) {
    const theirs = execFileSync('lz4', ['-1', '-B4', '-BI', '-c'], {
      input: plain,
      stdio: ['pipe', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 ** 2,
    });
    assert.ok(modelBody(plain).length <= theirs.length, `${modelBody(plain).length} of ${theirs.length} bytes`);
  }
});

test('a submit has as many chunks as the device takes, and no more than keep it busy', () => {
  const MiB = 1024 ** 2;
  const shape = (chunkBytes: number, maxBindingBytes: number, isSoftware = false) =>
    batchShape(chunkBytes, { maxBindingBytes, isSoftware });
  assert.deepEqual(shape(4 * MiB, 2048 * MiB), { blocksPerChunk: 64, chunks: 16 });
  assert.deepEqual(shape(4 * MiB, 128 * MiB), { blocksPerChunk: 64, chunks: 8 });
  assert.deepEqual(shape(4 * MiB, 2048 * MiB, true), { blocksPerChunk: 64, chunks: 1 });
  assert.deepEqual(shape(4096, 128 * MiB), { blocksPerChunk: 1, chunks: 512 });
  assert.equal(shape(64 * MiB, 128 * MiB), undefined);
});
