import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import { openDirect } from '../../src/device/direct.js';
import { fromSystem, LifeboatError } from '../../src/error.js';
import type { PlainSink } from '../../src/stream/plain-sink.js';
import {
  deviceSink,
  pipeSink,
  sparseFileSink,
  WRITTEN_LAST_BYTES,
  type WritableAt,
} from '../../src/stream/plain-writers.js';
import { findDataRuns } from '../../src/stream/zeros.js';
import { attachLoop, noLoops } from '../device/loop.js';
import { directBuffer, KIB, patterned, scratch } from './machine.js';

const MIB = 1024 * KIB;

function openWritable(t: TestContext, path: string): WritableAt {
  const fd = openSync(path, constants.O_RDWR);
  const directFd = openDirect(path, constants.O_RDWR);
  t.after(() => {
    closeSync(fd);
    if (directFd !== undefined) closeSync(directFd);
  });
  return { path, fd, directFd };
}

/** Puts plaintext out of slot memory in pieces, in the order of `starts`. */
async function putAll(sink: PlainSink, plain: Buffer, pieceBytes: number, isBackwards = false): Promise<void> {
  const starts: number[] = [];
  for (let at = 0; at < plain.length; at += pieceBytes) starts.push(at);
  if (isBackwards) starts.reverse();
  const slot = directBuffer(Math.ceil(pieceBytes / 4096) * 4096);
  for (const plainOffset of starts) {
    const length = plain.copy(slot, 0, plainOffset, plainOffset + pieceBytes);
    const piece = slot.subarray(0, length);
    await sink.put({ plain: piece, plainOffset, dataRuns: findDataRuns(piece), spare: Buffer.alloc(0) });
  }
}

/** Plaintext of stretches of zeros and of data. */
const plaintext = (maxBytes: number) =>
  fc
    .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: maxBytes / 4 })), { maxLength: 8 })
    .map((stretches) =>
      Buffer.concat(stretches.map(([isData, bytes], i) => (isData ? patterned(bytes, i + 1) : Buffer.alloc(bytes)))),
    );

const pieceSizes = fc.constantFrom(64 * KIB, 100_003, 256 * KIB, MIB, 4 * MIB);

test('a new file gets all data at its place, and holes for zeros', async (t) => {
  const path = join(scratch(t), 'out');
  writeFileSync(path, '');
  const target = openWritable(t, path);
  await fc.assert(
    fc.asyncProperty(plaintext(2 * MIB), pieceSizes, fc.boolean(), async (plain, pieceBytes, isBackwards) => {
      truncateSync(path, 0);
      await putAll(sparseFileSink(target), plain, pieceBytes, isBackwards);
      truncateSync(path, plain.length);
      assert.ok(readFileSync(path).equals(plain));
    }),
    { numRuns: 20 },
  );
  truncateSync(path, 0);
  await putAll(sparseFileSink(target), Buffer.alloc(8 * MIB), MIB);
  assert.equal(statSync(path).blocks, 0);
});

test('on a device old contents go everywhere, also under zeros, and the rest stays', async (t) => {
  const path = join(scratch(t), 'disk');
  const old = Buffer.alloc(6 * MIB, 0xaa);
  await fc.assert(
    fc.asyncProperty(plaintext(5 * MIB), pieceSizes, fc.boolean(), async (plain, pieceBytes, isBackwards) => {
      writeFileSync(path, old);
      const target = openWritable(t, path);
      const sink = deviceSink(target);
      await sink.eraseFirst(plain.length);
      await putAll(sink, plain, pieceBytes, isBackwards);
      await sink.writeLast();
      assert.ok(readFileSync(path).equals(Buffer.concat([plain, old.subarray(plain.length)])));
    }),
    { numRuns: 12 },
  );
});

test('the first MiB of a device is zeros until the end, so that half a disk does not boot', async (t) => {
  const path = join(scratch(t), 'disk');
  writeFileSync(path, Buffer.alloc(4 * MIB, 0xaa));
  const sink = deviceSink(openWritable(t, path));
  const plain = patterned(4 * MIB);
  await sink.eraseFirst(plain.length);
  const first = () => readFileSync(path).subarray(0, WRITTEN_LAST_BYTES);
  assert.ok(first().equals(Buffer.alloc(WRITTEN_LAST_BYTES)));
  await putAll(sink, plain, 768 * KIB);
  assert.ok(first().equals(Buffer.alloc(WRITTEN_LAST_BYTES)));
  assert.ok(readFileSync(path).subarray(WRITTEN_LAST_BYTES).equals(plain.subarray(WRITTEN_LAST_BYTES)));
  await sink.writeLast();
  assert.ok(first().equals(plain.subarray(0, WRITTEN_LAST_BYTES)));
});

test('what an image of unknown size does not cover of the first MiB is put back', async (t) => {
  const path = join(scratch(t), 'disk');
  const old = patterned(2 * MIB, 3);
  for (const bytes of [0, 1, 100_001, MIB - 1, MIB, MIB + 1]) {
    writeFileSync(path, old);
    const sink = deviceSink(openWritable(t, path));
    const plain = patterned(bytes, 9);
    await sink.eraseFirst(undefined);
    await putAll(sink, plain, 64 * KIB);
    await sink.writeLast();
    assert.ok(readFileSync(path).equals(Buffer.concat([plain, old.subarray(bytes)])), `${bytes} bytes`);
  }
});

test('of a device larger than a small image only what the image covers is erased', async (t) => {
  const path = join(scratch(t), 'disk');
  const old = patterned(2 * MIB, 3);
  writeFileSync(path, old);
  const sink = deviceSink(openWritable(t, path));
  await sink.eraseFirst(10_000);
  assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.alloc(10_000), old.subarray(10_000)])));
});

test('a device smaller than a MiB is restored too', async (t) => {
  const path = join(scratch(t), 'disk');
  writeFileSync(path, patterned(64 * KIB, 3));
  const sink = deviceSink(openWritable(t, path));
  await sink.eraseFirst(undefined);
  const plain = patterned(64 * KIB, 4);
  await putAll(sink, plain, 64 * KIB);
  await sink.writeLast();
  assert.ok(readFileSync(path).equals(plain));
});

test('a real block device reads as the plaintext, zeros included', { skip: noLoops }, async (t) => {
  for (const options of [[], ['--sector-size', '4096']]) {
    const loop = await attachLoop(12 * MIB, options);
    try {
      await execa('sh', [
        '-c',
        'tr "\\0" "\\252" < /dev/zero | dd of="$1" bs=1M count=12 iflag=fullblock',
        'sh',
        loop.device,
      ]);
      const fd = openSync(loop.device, constants.O_RDWR);
      const directFd = openDirect(loop.device, constants.O_RDWR);
      try {
        const sink = deviceSink({ path: loop.device, fd, directFd });
        const plain = Buffer.concat([
          patterned(3 * MIB),
          Buffer.alloc(5 * MIB),
          patterned(70_001),
          Buffer.alloc(3 * MIB),
        ]);
        await sink.eraseFirst(plain.length);
        await putAll(sink, plain, 4 * MIB);
        await sink.writeLast();
        await execa('sync', [loop.device]);
        const found = readFileSync(loop.device);
        assert.ok(found.subarray(0, plain.length).equals(plain));
        assert.ok(found.subarray(plain.length).every((byte) => byte === 0xaa));
      } finally {
        closeSync(fd);
        if (directFd !== undefined) closeSync(directFd);
      }
    } finally {
      await loop.detach();
    }
  }
  t.diagnostic('512 and 4096 bytes a sector');
});

test('a target that cannot be written says which and where', async (t) => {
  const path = join(scratch(t), 'disk');
  writeFileSync(path, Buffer.alloc(2 * MIB));
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  const piece = { plain: patterned(4096), dataRuns: [{ start: 0, end: 4096 }], spare: Buffer.alloc(0) };
  for (const sink of [
    sparseFileSink({ path, fd, directFd: undefined }),
    deviceSink({ path, fd, directFd: undefined }),
  ]) {
    await assert.rejects(sink.put({ ...piece, plainOffset: MIB }), (error) => {
      assert.ok(error instanceof LifeboatError);
      assert.equal(error.offset, MIB);
      assert.match(error.message, /^Cannot write ".*disk" at offset 1048576: EBADF/);
      return true;
    });
  }
});

test('the end of a full target is an error of its own class', async () => {
  const fd = openSync('/dev/full', 'w');
  try {
    const sink = pipeSink(fd, '/dev/full');
    await assert.rejects(
      sink.put({ plain: patterned(10), plainOffset: 0, dataRuns: [], spare: Buffer.alloc(0) }),
      (error) => error instanceof LifeboatError && error.code === 'NO_SPACE',
    );
    assert.equal(fromSystem({ code: 'ENOSPC' }, 'write', 'x').code, 'NO_SPACE');
  } finally {
    closeSync(fd);
  }
});

test('a pipe takes everything in order, also zeros and what is lost', () => {
  const sink = pipeSink(1, 'stdout');
  assert.deepEqual([sink.ordered, sink.zerosForLost], [true, true]);
});

test('lost ranges are zeros on a device, and holes in a new file', () => {
  const target = { path: '', fd: -1, directFd: undefined };
  assert.equal(deviceSink(target).zerosForLost, true);
  assert.equal(sparseFileSink(target).zerosForLost, false);
});
