import assert from 'node:assert/strict';
import { closeSync, constants, fsyncSync, openSync, statfsSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import fc from 'fast-check';
import type { Extent } from '../../src/device/extents.js';
import { LifeboatError } from '../../src/error.js';
import { extentSource, rangesToRead, streamSource } from '../../src/stream/chunk-source.js';
import { type Chunk, cutChunks } from '../../src/stream/chunks.js';
import { ReadError, readAt } from '../../src/stream/read-at.js';
import { createRescuer } from '../../src/stream/rescue.js';
import { writeAll } from '../../src/stream/write-at.js';
import { BLOCK, directBuffer, fileSource, KIB, openReadable, patterned, scratch, settled } from './machine.js';

const never = new AbortController().signal;
const TMPFS_MAGIC = 0x01021994;

const chunkOf = (pieces: [Extent['kind'], number][]): Chunk => {
  let offset = 0;
  const extents = pieces.map(([kind, length]): Extent => {
    const at = offset;
    offset += length;
    return kind === 'memory'
      ? { kind, offset: at, length, bytes: Buffer.alloc(length, 5) }
      : { kind, offset: at, length };
  });
  return { number: 0, offset: 0, length: offset, pieces: extents };
};

const bounds = (chunk: Chunk) => rangesToRead(chunk).map(({ start, end }) => ({ start, end }));

test('a chunk of data is read in one go', () => {
  assert.deepEqual(bounds(chunkOf([['data', 100_000]])), [{ start: 0, end: 100_000 }]);
});

test('of zeros and memory nothing is read', () => {
  assert.deepEqual(
    rangesToRead(
      chunkOf([
        ['zero', 4096],
        ['memory', 4096],
      ]),
    ),
    [],
  );
});

test('small holes are read along, large ones are not', () => {
  const hole = (bytes: number) =>
    bounds(
      chunkOf([
        ['data', BLOCK],
        ['zero', bytes],
        ['data', BLOCK],
      ]),
    );
  assert.equal(hole(256 * KIB - BLOCK).length, 1);
  assert.deepEqual(hole(256 * KIB), [
    { start: 0, end: BLOCK },
    { start: 256 * KIB + BLOCK, end: 256 * KIB + 2 * BLOCK },
  ]);
});

test('what is read is aligned, in order, apart, and covers all data', () => {
  const shapes = fc.array(
    fc.tuple(
      fc.constantFrom('data' as const, 'zero' as const, 'memory' as const),
      fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 600_000 })),
    ),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(shapes, (pieces) => {
      const chunk = chunkOf(pieces);
      const ranges = rangesToRead(chunk);
      let last = -1;
      for (const { start, end } of ranges) {
        assert.ok(start > last && end > start && end <= chunk.length);
        assert.equal(start % BLOCK, 0);
        assert.ok(end % BLOCK === 0 || end === chunk.length);
        last = end;
      }
      for (const { kind, offset, length } of chunk.pieces) {
        if (kind !== 'data') continue;
        assert.ok(ranges.some(({ start, end }) => start <= offset && end >= offset + length));
      }
    }),
  );
});

test('a chunk is put together from the disk, from memory and from zeros', async (t) => {
  const path = join(scratch(t), 'disk');
  const onDisk = patterned(600_000);
  writeFileSync(path, onDisk);
  const file = openReadable(t, path);
  const shapes = fc.array(
    fc.tuple(fc.constantFrom('data' as const, 'zero' as const, 'memory' as const), fc.integer({ min: 1, max: 30_000 })),
    { minLength: 1, maxLength: 12 },
  );
  const into = directBuffer(256 * KIB);
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer({ min: 1, max: 40 }), async (pieces, blocks) => {
      const extents = chunkOf(pieces).pieces;
      const expected = Buffer.concat(
        extents.map((extent) => {
          if (extent.kind === 'memory') return extent.bytes;
          if (extent.kind === 'zero') return Buffer.alloc(extent.length);
          return onDisk.subarray(extent.offset, extent.offset + extent.length);
        }),
      );
      const source = fileSource(file, extents);
      assert.equal(source.sizeBytes, expected.length);
      const got: Buffer[] = [];
      const chunks = source.chunks(blocks * BLOCK);
      for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
        into.fill(0xee);
        assert.equal(await source.fill(next.value, into), next.value.length);
        got.push(Buffer.from(into.subarray(0, next.value.length)));
      }
      assert.ok(Buffer.concat(got).equals(expected));
    }),
    { numRuns: 60 },
  );
});

test('a source that became shorter ends the run, and says at which offset', async (t) => {
  const path = join(scratch(t), 'disk');
  writeFileSync(path, patterned(100_000));
  const file = openReadable(t, path);
  const source = fileSource(file, [{ kind: 'data', offset: 0, length: 100_000 }]);
  truncateSync(path, 70_001);
  const [first, second] = [...cutChunks([{ kind: 'data', offset: 0, length: 100_000 }], 16 * BLOCK)];
  const into = directBuffer(16 * BLOCK);
  assert.equal(await source.fill(first as Chunk, into), 16 * BLOCK);
  await assert.rejects(source.fill(second as Chunk, into), (error) => {
    assert.ok(error instanceof LifeboatError);
    assert.deepEqual([error.code, error.offset], ['FAILED', 70_001]);
    assert.match(error.message, /shorter/);
    return true;
  });
});

test('a read error says what was read, where, and what to do', async (t) => {
  const fd = openSync(scratch(t), 'r');
  t.after(() => closeSync(fd));
  const source = fileSource({ fd, directFd: undefined }, [{ kind: 'data', offset: 0, length: 8192 }]);
  await assert.rejects(source.fill(chunkOf([['data', 8192]]), directBuffer(8192)), (error) => {
    assert.ok(error instanceof LifeboatError);
    assert.deepEqual([error.code, error.offset], ['FAILED', 0]);
    assert.match(error.message, /Cannot read "source" at offset 0: EISDIR/);
    assert.match(error.hint ?? '', /--on-read-error zero/);
    return true;
  });
});

test('with a rescuer a read error is not the end: what can be read is read again', async (t) => {
  const path = join(scratch(t), 'disk');
  const onDisk = patterned(64 * KIB);
  writeFileSync(path, onDisk);
  const readable = openReadable(t, path);
  const rescued: [number, number][] = [];
  const source = extentSource({
    // The direct descriptor fails, the other one works.
    file: { fd: readable.fd, directFd: openWriteOnly(t, path) },
    path,
    sizeBytes: onDisk.length,
    extents: [{ kind: 'data', offset: 0, length: onDisk.length }],
    rescuer: createRescuer(512, (file, into, offset, length) => {
      rescued.push([offset, length]);
      return readAt({ ...file, directFd: undefined }, into, offset, length);
    }),
  });
  const into = directBuffer(64 * KIB);
  assert.equal(await source.fill(chunkOf([['data', 64 * KIB]]), into), 64 * KIB);
  assert.ok(into.equals(onDisk));
  assert.deepEqual(rescued, [[0, 64 * KIB]]);
});

test('what is read through the page cache does not stay there', async (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, patterned(64 * BLOCK));
  if (statfsSync(path).type === TMPFS_MAGIC) return t.skip('the directory for temporary files is all cache');
  const fd = openSync(path, constants.O_RDWR);
  t.after(() => closeSync(fd));
  fsyncSync(fd);
  const source = extentSource({
    file: { fd, directFd: undefined },
    path,
    sizeBytes: 64 * BLOCK,
    extents: [],
    rescuer: undefined,
  });
  assert.equal(await source.fill(chunkOf([['data', 64 * BLOCK]]), directBuffer(64 * BLOCK)), 64 * BLOCK);
  const { stdout } = await execa('fincore', ['--bytes', '--noheadings', '--output', 'RES', path]);
  assert.equal(Number(stdout), 0);
});

test('an unreadable sector of a hole that is read along does not count', async (t) => {
  const bad = 2 * BLOCK;
  const rescuer = createRescuer(512, async (_file, _into, offset, length) => {
    if (offset <= bad && bad < offset + length) throw new ReadError(new Error('EIO'), bad, 0);
    return length;
  });
  const source = extentSource({
    // Whatever is read of it directly fails, so that all is left to the rescuer.
    file: { fd: openWriteOnly(t, '/dev/null'), directFd: undefined },
    path: 'disk',
    sizeBytes: 4 * BLOCK,
    extents: [],
    rescuer,
  });
  const chunk = chunkOf([
    ['data', BLOCK],
    ['zero', 2 * BLOCK],
    ['data', BLOCK],
  ]);
  await source.fill(chunk, directBuffer(4 * BLOCK));
  assert.deepEqual(rescuer.badRanges(), []);
});

function openWriteOnly(t: TestContext, path: string): number {
  const fd = openSync(path, constants.O_WRONLY);
  t.after(() => closeSync(fd));
  return fd;
}

async function fifo(t: TestContext): Promise<string> {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  return path;
}

async function readAll(fd: number, chunkBytes: number): Promise<{ lengths: number[]; bytes: Buffer }> {
  const source = streamSource(fd, 'stdin', never);
  assert.equal(source.readsInFlight, 1);
  assert.equal(source.sizeBytes, undefined);
  const into = directBuffer(Math.ceil(chunkBytes / BLOCK) * BLOCK);
  const pieces: Buffer[] = [];
  for (const chunk of { [Symbol.iterator]: () => source.chunks(chunkBytes) }) {
    assert.equal(chunk.offset, chunk.number * chunkBytes);
    const got = await source.fill(chunk, into);
    pieces.push(Buffer.from(into.subarray(0, got)));
  }
  return { lengths: pieces.map(({ length }) => length), bytes: Buffer.concat(pieces) };
}

test('a pipe whose writes are of odd sizes is cut into whole chunks', async (t) => {
  const path = await fifo(t);
  const contents = patterned(300_001);
  const from = join(scratch(t), 'contents');
  writeFileSync(from, contents);
  const line = 'exec < "$1" > "$2"; for n in 1 7001 3 60000; do dd bs=$n count=1 status=none; sleep 0.01; done; cat';
  const opened = execa('sh', ['-c', line, 'sh', from, path]);
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  const { lengths, bytes } = await readAll(fd, 64 * KIB);
  await opened;
  assert.ok(bytes.equals(contents));
  assert.deepEqual(lengths.slice(0, -1), lengths.slice(0, -1).fill(64 * KIB));
});

test('a pipe that ends with a whole chunk gives nothing for the next one', async (t) => {
  const path = await fifo(t);
  const writer = execa('sh', ['-c', 'head -c 131072 /dev/zero > "$1"', 'sh', path]);
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  assert.deepEqual((await readAll(fd, 64 * KIB)).lengths, [64 * KIB, 64 * KIB, 0]);
  await writer;
});

test('a non-blocking pipe that has nothing for a while is waited for', async (t) => {
  const path = await fifo(t);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  t.after(() => closeSync(fd));
  const contents = patterned(100_000);
  const reading = readAll(fd, 64 * KIB);
  await sleep(30);
  await writeAll(writer, [contents.subarray(0, 10)], null);
  await sleep(30);
  await writeAll(writer, [contents.subarray(10)], null);
  closeSync(writer);
  assert.ok((await reading).bytes.equals(contents));
});

test('an abort ends the wait for a non-blocking pipe, with its reason', async (t) => {
  const path = await fifo(t);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  t.after(() => {
    closeSync(fd);
    closeSync(writer);
  });
  const stop = new AbortController();
  const source = streamSource(fd, 'stdin', stop.signal);
  const chunk = source.chunks(BLOCK).next().value as Chunk;
  const filling = source.fill(chunk, directBuffer(BLOCK));
  filling.catch(() => undefined);
  await sleep(20);
  const reason = new Error('enough');
  stop.abort(reason);
  const ended = await settled(filling, 1000);
  assert.equal(ended.state, 'rejected');
  writeSync(writer, 'x');
  await assert.rejects(source.fill(chunk, directBuffer(BLOCK)), (error) => error === reason);
});

test('a stream that cannot be read says so', async (t) => {
  const fd = openSync(scratch(t), 'r');
  t.after(() => closeSync(fd));
  const source = streamSource(fd, 'stdin', never);
  const chunk = source.chunks(BLOCK).next().value as Chunk;
  await assert.rejects(source.fill(chunk, directBuffer(BLOCK)), /Cannot read "stdin": EISDIR/);
});

test('a piece of another device is read from there, whatever lies around it', async (t) => {
  const directory = scratch(t);
  const onDisk = patterned(200_000);
  const onSnapshot = patterned(300_000, 9);
  writeFileSync(join(directory, 'disk'), onDisk);
  writeFileSync(join(directory, 'snapshot'), onSnapshot);
  const file = openReadable(t, join(directory, 'disk'));
  const snapshot = { ...openReadable(t, join(directory, 'snapshot')), path: 'snapshot' };
  const into = directBuffer(256 * KIB);
  const kinds = fc.constantFrom('data' as const, 'zero' as const, 'from' as const);
  const shapes = fc.array(fc.tuple(kinds, fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 0, max: 200_000 })), {
    minLength: 1,
    maxLength: 9,
  });
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer({ min: 1, max: 20 }), fc.boolean(), async (pieces, blocks, aligned) => {
      let offset = 0;
      const unit = aligned ? BLOCK : 1;
      const expected: Buffer[] = [];
      const extents = pieces.map(([kind, size, place]): Extent => {
        const length = Math.ceil(size / unit) * unit;
        const at = Math.floor(place / unit) * unit;
        const start = offset;
        offset += length;
        if (kind === 'zero') expected.push(Buffer.alloc(length));
        else expected.push(kind === 'data' ? onDisk.subarray(start, offset) : onSnapshot.subarray(at, at + length));
        if (kind !== 'from') return { kind, offset: start, length };
        return { kind: 'data', offset: start, length, from: { ...snapshot, offset: at } };
      });
      const source = fileSource(file, extents);
      const got: Buffer[] = [];
      const chunks = source.chunks(blocks * BLOCK);
      for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
        into.fill(0xee);
        await source.fill(next.value, into);
        got.push(Buffer.from(into.subarray(0, next.value.length)));
      }
      assert.ok(Buffer.concat(got).equals(Buffer.concat(expected)));
    }),
    { numRuns: 60 },
  );
  const past: Extent[] = [{ kind: 'data', offset: 0, length: 8192, from: { ...snapshot, offset: 299_000 } }];
  const source = fileSource(file, past);
  const chunk = source.chunks(8192).next().value as Chunk;
  await assert.rejects(source.fill(chunk, into), /"snapshot" at offset 300000: it ends there/);
});
