import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import { containerOf } from '../../src/format/containers.js';
import type { FrameTable } from '../../src/format/frame-table.js';
import { type ImageShape, identifyFile, MAX_PARALLEL_FRAME_BYTES, walkFile } from '../../src/format/identify.js';
import { skippableFrame } from '../../src/format/skippable.js';
import { fileCursor } from '../../src/stream/cursors.js';
import { assembleImage, CHUNK_BYTES, memoryFile, PROVING_CODECS, THREE_CHUNKS } from './assemble.js';
import { answerOrDamage, entries } from './container-rules.js';

const image = (codec: (typeof PROVING_CODECS)[number]) => assembleImage(codec, THREE_CHUNKS, CHUNK_BYTES);
const identify = (bytes: Buffer) => identifyFile(memoryFile(bytes));
const messages = (shape: ImageShape) => shape.damage.map(({ message }) => message);

async function stock(command: string, ...flags: string[]): Promise<Buffer> {
  const options = { input: THREE_CHUNKS, encoding: 'buffer', stripFinalNewline: false } as const;
  return Buffer.from((await execa(command, ['-c', ...flags], options)).stdout);
}

function flipped(bytes: Buffer, at: number, bit = 0): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << bit), at);
  return copy;
}

for (const codec of PROVING_CODECS) {
  test(`a ${codec} image of ours is whole, and all of its frames are known`, async () => {
    const { file, table } = await image(codec);
    const shape = await identify(file);
    assert.deepEqual([shape.codec, shape.origin, messages(shape)], [codec, 'lifeboat', []]);
    assert.equal(shape.chunkBytes, codec === 'xz' ? 0 : CHUNK_BYTES);
    assert.deepEqual(entries(shape.table as FrameTable), entries(table));
  });

  test(`a ${codec} image of nothing is whole`, async () => {
    const { file } = await assembleImage(codec, Buffer.alloc(0), CHUNK_BYTES);
    const shape = await identify(file);
    assert.deepEqual([shape.codec, shape.origin, messages(shape)], [codec, 'lifeboat', []]);
    assert.equal(shape.table?.count, 0);
  });

  test(`bytes behind a ${codec} image are damage, or left to a decoder that says so`, async () => {
    const { file } = await image(codec);
    for (const extra of [1, 4, 1000]) {
      const shape = await identify(Buffer.concat([file, Buffer.alloc(extra, 1)]));
      if (codec === 'xz') assert.deepEqual([shape.origin, shape.table], ['foreign', undefined]);
      else assert.equal(shape.damage.length, 1, `${extra} bytes`);
    }
  });

  test(`two ${codec} images one behind the other are not one whole image`, async () => {
    const { file } = await image(codec);
    const shape = await identify(Buffer.concat([file, file]));
    if (codec === 'xz') assert.deepEqual([shape.origin, shape.table], ['foreign', undefined]);
    else assert.match(messages(shape).join(), /it is \d+ bytes long, not the \d+ of its index/);
  });

  test(`whatever is done to a ${codec} image, it is identified or damaged`, async () => {
    const { file } = await image(codec);
    const patch = fc.tuple(fc.nat(file.length), fc.uint8Array({ minLength: 1, maxLength: 12 }));
    await fc.assert(
      fc.asyncProperty(fc.array(patch, { maxLength: 3 }), fc.nat(file.length), async (patches, cut) => {
        const bytes = Buffer.from(file.subarray(0, file.length - (cut % 3 === 0 ? cut : 0)));
        for (const [at, patched] of patches) if (at < bytes.length) Buffer.from(patched).copy(bytes, at);
        await answerOrDamage(() => identify(bytes));
      }),
      { numRuns: 200 },
    );
  });
}

for (const codec of ['gzip', 'zstd', 'lz4'] as const) {
  test(`a ${codec} image with a damaged first byte is known by its index, and damaged`, async () => {
    const { file, table } = await image(codec);
    for (const at of [0, 1, containerOf(codec).prologueBytes - 1]) {
      const shape = await identify(flipped(file, at, 7));
      assert.deepEqual([shape.codec, shape.origin], [codec, 'lifeboat']);
      assert.deepEqual(messages(shape), ['its first bytes are damaged']);
      assert.deepEqual(entries(shape.table as FrameTable), entries(table));
    }
  });

  test(`a ${codec} image without its index is damaged, and not another tool's`, async () => {
    const { file, table } = await image(codec);
    const shape = await identify(file.subarray(0, containerOf(codec).prologueBytes + table.storedBytes));
    assert.deepEqual([shape.codec, shape.origin, shape.table], [codec, 'lifeboat', undefined]);
    assert.deepEqual(messages(shape), ['it has no index at its end: it is cut off']);
  });

  test(`a ${codec} image with both its start and its index gone bad tells both`, async () => {
    const { file } = await image(codec);
    const shape = await identify(flipped(file.subarray(0, file.length - 1), containerOf(codec).prologueBytes - 1));
    assert.equal(shape.origin, 'lifeboat');
    assert.deepEqual(messages(shape), ['its first bytes are damaged', 'it has no index at its end: it is cut off']);
  });

  test(`a ${codec} image with a flip anywhere behind its frames is damaged`, async () => {
    const { file, table } = await image(codec);
    for (let at = containerOf(codec).prologueBytes + table.storedBytes; at < file.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const shape = await identify(flipped(file, at, bit));
        assert.equal(shape.origin, 'lifeboat');
        assert.equal(shape.damage.length, 1, `bit ${bit} of byte ${at}`);
      }
    }
  });

  test(`a ${codec} image whose start tells another chunk size than its index is damaged`, async () => {
    const { file } = await image(codec);
    const prologue = containerOf(codec).prologue(2 * CHUNK_BYTES);
    prologue.copy(file);
    assert.deepEqual(messages(await identify(file)), ['its start and its index tell different chunk sizes']);
  });

  test(`a ${codec} image that lost a frame is not as long as its index says`, async () => {
    const { file, frames } = await image(codec);
    const from = containerOf(codec).prologueBytes;
    const first = frames[0]?.length ?? 0;
    const shape = await identify(Buffer.concat([file.subarray(0, from), file.subarray(from + first)]));
    assert.match(messages(shape).join(), /it is \d+ bytes long, not the \d+ of its index/);
  });
}

test('files of other tools are foreign', async () => {
  const files: [string, Buffer][] = [
    ['gzip', await stock('gzip')],
    ['gzip', await stock('pigz')],
    ['zstd', await stock('zstd')],
    ['zstd', Buffer.concat([skippableFrame(0x184d2a50, Buffer.alloc(4)), await stock('zstd')])],
    ['lz4', await stock('lz4')],
    ['bzip2', await stock('bzip2')],
    ['xz', await stock('xz', '--check=crc32')],
  ];
  for (const [codec, bytes] of files) {
    const shape = await identify(bytes);
    assert.deepEqual([shape.codec, shape.origin, messages(shape)], [codec, 'foreign', []]);
  }
});

test('a foreign xz file of one stream has its own index, and its check is told', async () => {
  const shape = await identify(await stock('xz', '--check=sha256', '--block-size=4096', '-T2'));
  assert.deepEqual([shape.origin, shape.xzCheck, shape.table?.count], ['foreign', 10, 3]);
});

test('empty files that other tools made are foreign, and not cut ones of ours', async () => {
  for (const command of ['gzip', 'zstd', 'lz4', 'bzip2']) {
    const { stdout } = await execa(command, ['-c'], { input: '', encoding: 'buffer', stripFinalNewline: false });
    const shape = await identify(Buffer.from(stdout));
    assert.deepEqual([shape.codec, shape.origin, messages(shape)], [command, 'foreign', []]);
  }
});

test('raw data is never assumed', async () => {
  const raw = [Buffer.alloc(0), Buffer.alloc(4096), Buffer.from('EFI PART'), THREE_CHUNKS];
  for (let bytes = 1; bytes <= 12; bytes++) raw.push(Buffer.alloc(bytes), Buffer.alloc(bytes, 0xff));
  for (const bytes of raw) {
    await assert.rejects(() => identify(bytes), { code: 'DAMAGE', hint: 'if it is a raw disk, say so with -c none' });
  }
});

test('files of 1 to 12 bytes are identified or unknown, whatever they begin with', async () => {
  for (const codec of PROVING_CODECS) {
    const { file } = await image(codec);
    for (let bytes = 1; bytes <= 12; bytes++) {
      const shape = await answerOrDamage(() => identify(file.subarray(0, bytes)));
      assert.ok(shape === 'damage' || shape.table === undefined, `${codec}, ${bytes} bytes`);
    }
  }
});

test('an error that is no damage is not taken for it', async () => {
  const failing = { sizeBytes: 100_000, read: () => Promise.reject(new Error('EIO')) };
  await assert.rejects(() => identifyFile(failing), { message: 'EIO' });
  for (const codec of PROVING_CODECS) {
    const { file } = await image(codec);
    let reads = 0;
    const later = {
      sizeBytes: file.length,
      read: async (offset: number, bytes: number) => {
        if (reads++ > 0) throw new Error('EIO');
        return file.subarray(offset, offset + bytes);
      },
    };
    await assert.rejects(() => identifyFile(later), { message: 'EIO' }, codec);
  }
});

test('walking a file finds all frames and where they end', async () => {
  for (const codec of PROVING_CODECS) {
    const { file, table } = await image(codec);
    const container = containerOf(codec);
    const walked = await walkFile(fileCursor(memoryFile(file), container.prologueBytes), container);
    assert.deepEqual([walked.unchecked, walked.stoppedBy], [false, undefined]);
    assert.deepEqual(entries(walked.table), entries(table), codec);
  }
});

test('walking a file gives the frames before the first that is broken', async () => {
  for (const codec of PROVING_CODECS) {
    const { file, frames } = await image(codec);
    const container = containerOf(codec);
    const second = container.prologueBytes + (frames[0]?.length ?? 0);
    const walked = await walkFile(
      fileCursor(memoryFile(file.subarray(0, second + 5)), container.prologueBytes),
      container,
    );
    assert.equal(walked.table.count, 1, codec);
    assert.equal(walked.stoppedBy?.code, 'DAMAGE', codec);
  }
});

test('walking gives up at a frame that is too large or does not tell its size', async () => {
  const large = Buffer.alloc(9);
  large.writeUInt32LE(0xfd2fb528, 0);
  large.writeUInt8(0xa0, 4);
  large.writeUInt32LE(MAX_PARALLEL_FRAME_BYTES + 1, 5);
  const unsized = Buffer.from('28b52ffd0058', 'hex');
  for (const header of [large, unsized]) {
    const frame = Buffer.concat([header, Buffer.from([0x11, 0, 0, 0x61, 0x62])]);
    const walked = await walkFile(fileCursor(memoryFile(frame)), containerOf('zstd'));
    assert.equal(walked.table.count, 0);
    assert.equal(walked.stoppedBy?.code, 'FAILED');
  }
});

test('walking stops when it is told to', async () => {
  const { file } = await image('zstd');
  const walk = () => walkFile(fileCursor(memoryFile(file), 28), containerOf('zstd'), AbortSignal.abort('enough'));
  await assert.rejects(walk, (reason) => reason === 'enough');
});
