import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LZ4_HEADER_BYTES } from '../../src/codec/lz4-frame.js';
import { chooseXxh32 } from '../../src/codec/xxhash.js';
import { BLOCK_BYTES } from '../../src/gpu/block.js';
import { type CutFrame, cutFrame } from '../../src/gpu/cut-frame.js';
import { createDecompressor, type Decompressor } from '../../src/gpu/decompressor.js';
import { gpuFrameBound, writeGpuFrame } from '../../src/gpu/frame.js';
import { testDevice } from './adapter.js';
import { modelBody } from './model.js';
import { periodic, realFile, sample } from './samples.js';

const { open, skip } = await testDevice();
after(() => open?.close());
const xxh32 = await chooseXxh32();
const decompressor = open === undefined ? undefined : await createDecompressor(open, { chunks: 3, blocksPerChunk: 4 });

/** @returns for each frame its plaintext, or undefined where the processor would be asked */
async function decode(device: Decompressor | undefined, frames: Buffer[]): Promise<(Buffer | undefined)[]> {
  const cuts = frames.map((frame) => cutFrame(frame, xxh32));
  const fit = cuts.filter((cut): cut is CutFrame => cut !== undefined && (device as Decompressor).takes(cut));
  const results = new Map<CutFrame, Buffer>();
  if (fit.length > 0) {
    await device?.decompress(fit, (plains) => {
      for (const [at, plain] of plains.entries()) {
        const cut = fit[at] as CutFrame;
        if (plain !== undefined && xxh32(plain) >>> 0 === cut.contentChecksum) results.set(cut, Buffer.from(plain));
      }
    });
  }
  return cuts.map((cut) => cut && results.get(cut));
}

function frameOf(plain: Buffer): Buffer {
  const frame = Buffer.alloc(gpuFrameBound(plain.length));
  return frame.subarray(0, writeGpuFrame(frame, plain, modelBody(plain), xxh32));
}

function stock(plain: Buffer, ...flags: string[]): Buffer {
  // By name, for lz4 knows no content size of a pipe.
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-gpu-'));
  try {
    const file = join(directory, 'plain');
    writeFileSync(file, plain);
    // The last of several block sizes counts.
    return execFileSync('lz4', ['-B4', '-BI', '-c', ...flags, file], {
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 ** 2,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const PLAINS = {
  program: realFile('program', 4 * BLOCK_BYTES),
  text: sample('text', 2 * BLOCK_BYTES + 1),
  noise: sample('random', BLOCK_BYTES - 1),
  zeros: Buffer.alloc(3 * BLOCK_BYTES),
  three: Buffer.from('abc'),
  nothing: Buffer.alloc(0),
};

test('the device decodes our frames', { skip }, async () => {
  const plains = Object.values(PLAINS);
  for (let at = 0; at < plains.length; at += 3) {
    const some = plains.slice(at, at + 3);
    assert.deepEqual(await decode(decompressor, some.map(frameOf)), some);
  }
});

test("the device decodes lz4's frames with blocks of 64 KiB, with and without size and block checksums", {
  skip,
}, async () => {
  const { program, text } = PLAINS;
  const frames = [stock(program, '-1'), stock(text, '-9', '-BX'), stock(text, '-1', '--content-size')];
  assert.deepEqual(await decode(decompressor, frames), [program, text, text]);
  const half = Buffer.concat([sample('random', 100_000), text]);
  assert.deepEqual(await decode(decompressor, [stock(half, '-1')]), [half]);
});

test('copies of copies are followed within and across tiles: every period from 1 to 16, and some longer', {
  skip,
}, async () => {
  for (const periods of [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
    [10, 11, 12],
    [13, 14, 15],
    [16, 1023, 1025],
  ]) {
    const plains = periods.map((period) => periodic(period, 3000));
    assert.deepEqual(
      await decode(
        decompressor,
        plains.map((plain) => stock(plain, '-9')),
      ),
      plains,
    );
  }
});

const BLOCK_SIZES = [4, 5, 6, 7].map((number) => ({ flag: `-B${number}`, bytes: 64 * 1024 * 4 ** (number - 4) }));

test("the device decodes lz4's blocks of 256 KiB, 1 MiB and 4 MiB, a byte less and a byte more than those, and several", {
  skip,
}, async () => {
  const large = await createDecompressor(open as NonNullable<typeof open>, { chunks: 1, blocksPerChunk: 65 });
  const most = BLOCK_SIZES[3]?.bytes ?? 0;
  // Noise is what a software device is fastest with; the file stands where blocks end.
  const content = sample('random', most + 1);
  for (const { bytes } of BLOCK_SIZES) realFile('program', 40_000).copy(content, bytes - 30_000);
  for (const { flag, bytes } of BLOCK_SIZES.slice(1)) {
    for (const length of bytes === most ? [bytes + 1] : [bytes - 1, bytes, bytes + 1]) {
      const plain = content.subarray(0, length);
      const [back] = await decode(large, [stock(plain, flag, '--content-size')]);
      assert.ok(back?.equals(plain), `${length} bytes in blocks of ${bytes}`);
    }
  }
  const program = realFile('program', 600_000);
  assert.ok((await decode(large, [stock(program, '-B5', '-9', '-BX')]))[0]?.equals(program));
  assert.ok(
    (await decode(large, [stock(program, '-B6', '-BD', '--content-size')]))[0]?.equals(program),
    'a single block',
  );
});

test('literals and matches that are longer than a window of the walk, wherever in it they begin', {
  skip,
}, async () => {
  const large = await createDecompressor(open as NonNullable<typeof open>, { chunks: 1, blocksPerChunk: 16 });
  const noise = sample('random', 20_000);
  const text = realFile('text', 3000);
  const pieces = [1, 40, 250, 900, 1100, 5000, 20_000].flatMap((length, at) => [
    noise.subarray(0, length),
    Buffer.alloc(4000 + 2000 * at, at),
    text.subarray(at * 100, at * 100 + 300),
    Buffer.alloc(4090 + at, 0xff),
  ]);
  const plain = Buffer.concat([...pieces, Buffer.alloc(300_000), ...pieces.reverse()]);
  for (const { flag } of BLOCK_SIZES) {
    const [back] = await decode(large, [stock(plain, flag, '--content-size')]);
    assert.ok(back?.equals(plain), flag);
  }
});

test('frames that need what the device has not are left to the processor', () => {
  const plain = realFile('program', 3 * BLOCK_BYTES);
  const args = { input: plain, stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'], maxBuffer: 1e8 };
  assert.equal(cutFrame(execFileSync('lz4', ['-1', '-B4', '-BD', '-c'], args), xxh32), undefined);
  assert.equal(cutFrame(stock(plain, '--no-frame-crc'), xxh32), undefined);
  assert.equal(cutFrame(Buffer.concat([frameOf(plain), Buffer.alloc(1)]), xxh32), undefined);
  const checked = stock(plain, '-BX');
  checked.writeUInt8(checked.readUInt8(100) ^ 1, 100);
  assert.equal(cutFrame(checked, xxh32), undefined);
  const whole = frameOf(plain);
  for (let length = 0; length < 40; length++) assert.equal(cutFrame(whole.subarray(0, length), xxh32), undefined);
});

const MUTATIONS = 10_000;
const AT_ONCE = 500;

test(`of ${MUTATIONS} frames with bytes changed none hangs or decodes to wrong data`, { skip }, async () => {
  const many = await createDecompressor(open as NonNullable<typeof open>, { chunks: AT_ONCE, blocksPerChunk: 1 });
  const plains = [realFile('text', 400), realFile('program', 400), periodic(5, 2000), Buffer.alloc(2500, 7)];
  const seeds = plains.flatMap((plain) => [frameOf(plain), largeBlocks(stock(plain, '-9', '--content-size'), 7)]);
  assert.deepEqual(
    await decode(many, seeds),
    plains.flatMap((plain) => [plain, plain]),
  );
  const random = randomNumbers(20);
  let refused = 0;
  for (let done = 0; done < MUTATIONS; done += AT_ONCE) {
    const picks = Array.from({ length: AT_ONCE }, () => Math.floor(random() * seeds.length));
    const frames = picks.map((pick) => mutated(seeds[pick] as Buffer, random));
    const decoded = await decode(many, frames);
    for (const [at, plain] of decoded.entries()) {
      if (plain === undefined) refused += 1;
      else assert.ok(plain.equals(plains[(picks[at] ?? 0) >> 1] as Buffer), `mutation ${done + at}`);
    }
  }
  assert.ok(refused > MUTATIONS * 0.95, `${refused} were refused`);
});

test('of frames with blocks of several windows and of 256 KiB and more neither', { skip }, async () => {
  const several = await createDecompressor(open as NonNullable<typeof open>, { chunks: 8, blocksPerChunk: 3 });
  const plain = Buffer.concat([realFile('program', 70_000), sample('random', 20_000), realFile('text', 10_000)]);
  const seeds = [5, 6, 7].map((number) => largeBlocks(stock(plain, '-B5', '--content-size'), number));
  const random = randomNumbers(21);
  let refused = 0;
  assert.deepEqual(await decode(several, seeds), [plain, plain, plain]);
  for (let round = 0; round < 3; round++) {
    const frames = Array.from({ length: 8 }, (_, at) => mutated(seeds[at % 3] as Buffer, random));
    for (const back of await decode(several, frames)) {
      if (back === undefined) refused += 1;
      else assert.ok(back.equals(plain));
    }
  }
  assert.ok(refused >= 20, `${refused} were refused`);
});

test('blocks that break a rule are refused, with a checksum that fits the frame as it is', { skip }, async () => {
  const bad: Record<string, number[]> = {
    'distance 0': [0x14, 65, 0, 0, 0x50, 1, 2, 3, 4, 5],
    'distance before the start': [0x14, 65, 2, 0, 0x50, 1, 2, 3, 4, 5],
    'literals behind the end': [0xf0, 200, 1, 2, 3],
    'length without end': [0x1f, 65, 1, 0, 255, 255, 255],
    'no last literals': [0x14, 65, 1, 0],
    'half a distance': [0x14, 65, 1],
    'a match behind the end': [0x1f, 65, 1, 0, ...Array(258).fill(255), 0, 0x50, 1, 2, 3, 4, 5],
    'literals behind the end of the plaintext': [
      0x1f,
      65,
      1,
      0,
      ...Array(256).fill(255),
      200,
      0xf0,
      200,
      ...Array(215).fill(1),
    ],
    'a bad distance far inside': [...Array(400).fill([0x14, 65, 1, 0]).flat(), 0x14, 65, 0, 16, 0x50, 1, 2, 3, 4, 5],
  };
  for (const [what, block] of Object.entries(bad)) {
    const body = Buffer.alloc(4 + block.length);
    body.writeUInt32LE(block.length);
    body.set(block, 4);
    // A frame without content size, so that nothing but the block itself is wrong.
    const shell = stock(Buffer.from('x'));
    const frame = Buffer.concat([shell.subarray(0, 7), body, Buffer.alloc(8)]);
    assert.notEqual(cutFrame(frame, xxh32), undefined, what);
    let plain: Buffer | undefined = Buffer.alloc(0);
    await decompressor?.decompress([cutFrame(frame, xxh32) as CutFrame], ([first]) => {
      plain = first;
    });
    assert.equal(plain, undefined, what);
  }
});

/** The frame of one block with a header that says larger blocks: lz4 itself takes the smallest that will do. */
function largeBlocks(frame: Buffer, number: number): Buffer {
  const copy = Buffer.from(frame);
  copy.writeUInt8(number << 4, 5);
  copy.writeUInt8((xxh32(copy.subarray(4, LZ4_HEADER_BYTES - 1)) >>> 8) & 0xff, LZ4_HEADER_BYTES - 1);
  return copy;
}

/** Some bytes of the frame's blocks, its header or its end. */
function mutated(frame: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(frame);
  const changes = 1 + Math.floor(random() * 4);
  for (let change = 0; change < changes; change++) {
    const at = random() < 0.9 ? 19 + Math.floor(random() * (copy.length - 27)) : Math.floor(random() * copy.length);
    copy[at] = random() < 0.5 ? (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8)) : Math.floor(random() * 256);
  }
  return copy;
}

/** The same numbers at every run: https://en.wikipedia.org/wiki/Xorshift */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
