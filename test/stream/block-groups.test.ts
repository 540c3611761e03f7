import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { codecByName } from '../../src/codec/index.js';
import { hasIndependentBlocks } from '../../src/codec/lz4-frame.js';
import { chooseXxh32, chooseXxh32Stream } from '../../src/codec/xxhash.js';
import { LifeboatError } from '../../src/error.js';
import { blockGroupBound, blockGroups } from '../../src/stream/block-groups.js';
import { streamCursor } from '../../src/stream/cursors.js';
import { FRAME_SLACK_BYTES, type FrameProvider } from '../../src/stream/frame-provider.js';
import type { PlainSink } from '../../src/stream/plain-sink.js';
import { KIB, load, patterned, reading } from './machine.js';

const MIB = 1024 * KIB;
const PLAIN_BYTES = 4 * MIB;
const [xxh32, startXxh32] = [await chooseXxh32(), await chooseXxh32Stream()];

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-groups-'));
after(() => rmSync(directory, { recursive: true }));

/** Of a file, for lz4 knows the size of nothing else. */
function stock(plain: Buffer, ...flags: string[]): Buffer {
  const path = join(directory, 'plain');
  writeFileSync(path, plain);
  return execFileSync('lz4', ['-qc', ...flags, path], { maxBuffer: 64 * MIB });
}

function groupsOf(file: Buffer, pieceBytes = MIB): FrameProvider {
  const cursor = streamCursor(reading(file, pieceBytes));
  const createStreamDecoder = () => codecByName('lz4').createStreamDecoder('native');
  return blockGroups({ cursor, plainBytes: PLAIN_BYTES, xxh32, startXxh32, createStreamDecoder });
}

async function decoded(file: Buffer, { threads = 2, pieceBytes = MIB, zerosForLost = false } = {}) {
  const pieces: { plain: Buffer; plainOffset: number }[] = [];
  const sink: PlainSink = {
    ordered: false,
    zerosForLost,
    put: async ({ plain, plainOffset }) => void pieces.push({ plain: Buffer.from(plain), plainOffset }),
  };
  const provider = groupsOf(file, pieceBytes);
  const frameBytes = blockGroupBound(PLAIN_BYTES) + FRAME_SLACK_BYTES;
  try {
    const { damage } = await load({ codec: 'lz4', sink, provider, plainBytes: PLAIN_BYTES, frameBytes, threads });
    pieces.sort((a, b) => a.plainOffset - b.plainOffset);
    for (const [at, { plainOffset }] of pieces.entries()) {
      const before = pieces[at - 1];
      assert.equal(plainOffset, before === undefined ? 0 : before.plainOffset + before.plain.length);
    }
    return { bytes: Buffer.concat(pieces.map(({ plain }) => plain)), damage };
  } finally {
    provider.close?.();
  }
}

/** Magic of a skippable frame, its length, and so many bytes. */
function skippable(bytes: number): Buffer {
  const frame = Buffer.alloc(8 + bytes, 7);
  frame.writeUInt32LE(0x184d2a53, 0);
  frame.writeUInt32LE(bytes, 4);
  return frame;
}

const isDamage = (error: unknown) => error instanceof LifeboatError && error.code === 'DAMAGE';

test('one frame with blocks of any size comes out whole, by several threads and by one', async () => {
  for (const flags of [['-B4'], ['-B5', '-BX'], ['-B6', '-9'], ['-B7'], ['-B4', '--no-frame-crc']]) {
    const plain = Buffer.concat([patterned(5 * MIB + 3), Buffer.alloc(MIB), patterned(3 * MIB, 2)]);
    const file = stock(plain, ...flags);
    for (const threads of [1, 3]) {
      const { bytes, damage } = await decoded(file, { threads });
      assert.deepEqual(damage, []);
      assert.ok(bytes.equals(plain), flags.join(' '));
    }
  }
});

test('sizes about those of blocks and slots, from pieces of any size', async () => {
  // At 1 to 3 bytes less than a block lz4 1.9.4 fails (ERROR_dstMaxSize_tooSmall).
  for (const size of [0, 1, 3, 64 * KIB - 4, 64 * KIB, 64 * KIB + 1, 4 * MIB - 4, 4 * MIB, 4 * MIB + 1]) {
    const plain = Buffer.alloc(size, 'a text that shrinks; ');
    for (const flag of ['-B4', '-B7']) {
      const { bytes, damage } = await decoded(stock(plain, flag), {
        pieceBytes: size < MIB ? 1 + (size % 977) : 300_001,
      });
      assert.deepEqual(damage, []);
      assert.ok(bytes.equals(plain), `${size} ${flag}`);
    }
  }
});

test('blocks that are not full, as a flush leaves them, are no damage', async () => {
  // The bodies of two frames in one, without a checksum that would be of one of them.
  const [first, second] = [patterned(1000), patterned(70 * KIB, 5)];
  const [head, tail] = [stock(first, '-B4', '--no-frame-crc'), stock(second, '-B4', '--no-frame-crc')];
  const { bytes, damage } = await decoded(Buffer.concat([head.subarray(0, -4), tail.subarray(7)]));
  assert.deepEqual(damage, []);
  assert.ok(bytes.equals(Buffer.concat([first, second])));
});

test('frames one behind another, skippable ones, and from one of another kind on whatever comes', async () => {
  const plain = patterned(200 * KIB);
  const independent = stock(plain, '-B4');
  const linked = stock(plain, '-B4', '-BD');
  assert.deepEqual([hasIndependentBlocks(independent), hasIndependentBlocks(linked)], [true, false]);
  const file = Buffer.concat([
    independent,
    skippable(100_000),
    stock(Buffer.alloc(0)),
    independent,
    linked,
    independent,
  ]);
  const { bytes, damage } = await decoded(file);
  assert.deepEqual(damage, []);
  assert.ok(bytes.equals(Buffer.concat([plain, plain, plain, plain])));
});

test('a file that ends anywhere before its end is damage, and what lies behind it too', async () => {
  const file = Buffer.concat([stock(patterned(500), '-B4'), stock(patterned(300), '-B4', '--content-size')]);
  const first = stock(patterned(500), '-B4').length;
  for (let length = 1; length < file.length; length++) {
    if (length === first) continue;
    await assert.rejects(decoded(file.subarray(0, length), { threads: 1 }), isDamage, `${length}`);
  }
  for (const behind of [Buffer.from('more'), Buffer.alloc(1)])
    await assert.rejects(decoded(Buffer.concat([file, behind])), isDamage);
});

test('a flip of any bit of a file with a checksum is found', async () => {
  const plain = Buffer.concat([
    patterned(100),
    Buffer.from('some text that is there again, some text that is there again'),
  ]);
  const file = stock(plain, '-B4', '--content-size');
  for (let bit = 0; bit < 8 * file.length; bit++) {
    const flipped = Buffer.from(file);
    flipped.writeUInt8((file[bit >> 3] as number) ^ (1 << (bit & 7)), bit >> 3);
    const found = await decoded(flipped, { threads: 1 }).then(
      ({ damage }) => damage.length > 0,
      (error) => {
        if (isDamage(error)) return true;
        // The dictionary's bit: a frame that wants one is not damaged.
        assert.match(error.message, /dictionary/);
        return true;
      },
    );
    assert.ok(found, `bit ${bit} of ${8 * file.length}`);
  }
});

test('of a frame with a block that cannot be decoded the others come to their places', async () => {
  const text = (seed: number) =>
    Buffer.from(
      patterned(64 * KIB, seed)
        .toString('latin1')
        .replaceAll(/[^a-z]/g, 'aa'),
    ).subarray(0, 64 * KIB);
  const plain = Buffer.concat(Array.from({ length: 200 }, (_, seed) => text(seed)));
  for (const more of [[], ['--content-size']]) {
    const file = stock(plain, '-B4', '-BX', ...more);
    // A byte of a block in the middle, and of the last one: its checksum is wrong.
    for (const at of [file.length >> 1, file.length - 20]) {
      const damaged = Buffer.from(file);
      damaged.writeUInt8((file[at] as number) ^ 4, at);
      const { bytes, damage } = await decoded(damaged, { zerosForLost: true });
      assert.equal(damage.length, 1);
      const [{ plainOffset = 0, plainLength = 0 } = {}] = damage;
      assert.ok(plainLength > 0 && plainLength <= PLAIN_BYTES && plainOffset % PLAIN_BYTES === 0);
      const expected = Buffer.from(plain);
      expected.fill(0, plainOffset, plainOffset + plainLength);
      assert.ok(bytes.equals(expected.subarray(0, bytes.length)));
      assert.ok(plain.length - bytes.length <= (more.length > 0 ? 0 : 64 * KIB));
    }
  }
});

test('behind a frame whose last block is lost nothing can be placed, unless it tells its size', async () => {
  const plain = patterned(100_000);
  for (const [flags, isPlaced] of [
    [[], false],
    [['--content-size'], true],
  ] as const) {
    const frame = stock(plain, '-B4', '-BX', ...flags);
    const file = Buffer.concat([frame, frame]);
    file.writeUInt8((file[frame.length - 15] as number) ^ 1, frame.length - 15);
    const outcome = decoded(file, { zerosForLost: true });
    if (!isPlaced) {
      await assert.rejects(outcome, /what lies behind the damaged frame cannot be placed/);
      continue;
    }
    const { bytes, damage } = await outcome;
    assert.equal(damage.length, 1);
    assert.ok(bytes.subarray(plain.length).equals(plain));
  }
});

test('a checksum of the content that is wrong is told with all that it is of, once', async () => {
  const plain = patterned(9 * MIB);
  const frame = stock(plain, '-B4');
  const file = Buffer.concat([stock(patterned(1000), '-B4'), frame]);
  file.writeUInt8((file[file.length - 1] as number) ^ 1, file.length - 1);
  const { damage, bytes } = await decoded(file);
  const reason = 'wrong checksum of the content, of which no part has one of its own';
  const offset = file.length - frame.length;
  assert.deepEqual(damage, [
    { number: damage[0]?.number, offset, plainOffset: 1000, plainLength: plain.length, reason },
  ]);
  assert.ok(bytes.subarray(1000).equals(plain));
});

test('a stream of checksums is what one of all is, native and portable', async () => {
  const { loadXxhash } = await import('../../src/codec/xxhash.js');
  const { create32 } = await loadXxhash();
  const bytes = patterned(100_001);
  const [native, portable] = [startXxh32(), create32()];
  for (let at = 0; at < bytes.length; at += 777) {
    native.update(bytes.subarray(at, at + 777));
    portable.update(bytes.subarray(at, at + 777));
  }
  assert.equal(native.digest() >>> 0, xxh32(bytes) >>> 0);
  assert.equal(portable.digest() >>> 0, xxh32(bytes) >>> 0);
  native.close();
});
