import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { execa } from 'execa';
import fc from 'fast-check';
import { codecByName } from '../../src/codec/index.js';
import { LifeboatError } from '../../src/error.js';
import { containerOf } from '../../src/format/containers.js';
import { type LocatedFrame, locateFrames } from '../../src/format/frame-table.js';
import { type StreamRead, streamCursor } from '../../src/stream/cursors.js';
import {
  FRAME_SLACK_BYTES,
  type FrameProvider,
  locatedFrames,
  sequentialFrames,
  splitFrames,
} from '../../src/stream/frame-provider.js';
import { type PutRecord, rangeSink, recordingSink } from '../../src/stream/plain-sink.js';
import { deviceSink, pipeSink } from '../../src/stream/plain-writers.js';
import { slotsFor } from '../../src/stream/slots.js';
import {
  collectingSink,
  frameBound,
  type ImageFile,
  imageFile,
  KIB,
  load,
  loadFile,
  noLoadProgress,
  openReadable,
  patterned,
  reading,
  within,
} from './machine.js';

const CHUNK = 16 * KIB;

function readingSlowly(bytes: Buffer, pieceBytes = 10_007): StreamRead {
  const read = reading(bytes, pieceBytes);
  return async (into, length) => {
    await sleep(0);
    return read(into, length);
  };
}

/** The three ways in which frames of an image come. */
const WAYS: Record<string, (t: TestContext, image: ImageFile) => Promise<FrameProvider>> = {
  'by its table': async (t, image) => locatedFrames(openReadable(t, image.path), image.path, locateFrames(image.table)),
  'through a pipe, cut into frames': async (_t, image) => {
    const container = containerOf(image.codec);
    const cursor = streamCursor(readingSlowly(image.image));
    await cursor.advance(container.prologueBytes);
    return splitFrames(cursor, container);
  },
  'through a pipe, from front to back': async (t, image) => {
    const decoder = await codecByName(image.codec).createStreamDecoder('native');
    t.after(() => decoder.close());
    return sequentialFrames(readingSlowly(image.image), decoder, CHUNK);
  },
};

const room = (image: ImageFile) => ({
  plainBytes: CHUNK,
  frameBytes: frameBound(image.codec, CHUNK) + FRAME_SLACK_BYTES,
});

for (const [way, provide] of Object.entries(WAYS)) {
  test(`an image that comes ${way} is its plaintext, in order where the sink wants it`, async (t) => {
    // Chunks of zeros, of data, and a short last one.
    const plain = Buffer.concat([patterned(5 * CHUNK), Buffer.alloc(4 * CHUNK), patterned(3 * CHUNK + 77, 5)]);
    const image = await imageFile(t, plain, 'gzip');
    for (const ordered of [false, true]) {
      for (const threads of [1, 3]) {
        let active = 0;
        const sink = collectingSink(plain.length, {
          ordered,
          before: async (piece) => {
            active += 1;
            if (ordered) assert.equal(active, 1);
            await sleep((piece.plainOffset / CHUNK) % 5);
            active -= 1;
          },
        });
        const progress = noLoadProgress();
        const provider = await provide(t, image);
        const { damage, times } = await load({ codec: 'gzip', provider, sink, threads, progress, ...room(image) });
        assert.deepEqual(damage, []);
        assert.ok(sink.bytes.equals(plain));
        if (ordered)
          assert.deepEqual(
            sink.offsets,
            [...sink.offsets].sort((a, b) => a - b),
          );
        assert.deepEqual([progress.plainBytes, progress.zeroBytes], [plain.length, 4 * CHUNK]);
        assert.equal(times.threads, threads);
      }
    }
  });
}

test('frames that are fetched at once come out at their places, whichever is there first', async (t) => {
  const plain = patterned(40 * CHUNK);
  const image = await imageFile(t, plain, 'lz4');
  const inner = await (WAYS['by its table'] as (t: TestContext, image: ImageFile) => Promise<FrameProvider>)(t, image);
  let active = 0;
  let most = 0;
  let calls = 0;
  const provider: FrameProvider = {
    readsInFlight: 4,
    async fetch(slot) {
      most = Math.max(most, ++active);
      const wait = (calls++ * 7919) % 11;
      const fetched = await inner.fetch(slot);
      await sleep(wait);
      active -= 1;
      return fetched;
    },
  };
  const sink = collectingSink(plain.length, { ordered: true });
  await load({ codec: 'lz4', provider, sink, threads: 3, ...room(image) });
  assert.ok(sink.bytes.equals(plain));
  assert.deepEqual(
    sink.offsets,
    Array.from({ length: 40 }, (_, i) => i * CHUNK),
  );
  assert.equal(most, 4);
});

test('any range is the same part of the plaintext', async (t) => {
  const plain = patterned(10 * CHUNK + 5);
  const image = await imageFile(t, plain, 'zstd');
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: plain.length }),
      fc.nat({ max: plain.length }),
      fc.boolean(),
      async (a, b, ordered) => {
        const range = { start: Math.min(a, b), end: Math.max(a, b) };
        const into = collectingSink(range.end - range.start, { ordered });
        const frames = [...locateFrames(image.table)].filter(
          ({ plainOffset, plainLength }) => plainOffset < range.end && plainOffset + plainLength > range.start,
        );
        const provider = locatedFrames(openReadable(t, image.path), image.path, frames[Symbol.iterator]());
        await load({ codec: 'zstd', provider, sink: rangeSink(range, into), ...room(image) });
        assert.ok(into.bytes.equals(plain.subarray(range.start, range.end)));
      },
    ),
    { numRuns: 25 },
  );
});

test('what was put is told with its CRC-32, all of it once', async (t) => {
  const plain = patterned(7 * CHUNK + 1);
  const image = await imageFile(t, plain, 'lz4');
  const records: PutRecord[] = [];
  await loadFile(t, image, { sink: recordingSink(collectingSink(plain.length), records), threads: 2 });
  records.sort((a, b) => a.offset - b.offset);
  let at = 0;
  for (const { offset, length, crc } of records) {
    assert.equal(offset, at);
    assert.equal(crc, crc32(plain.subarray(offset, offset + length)));
    at += length;
  }
  assert.equal(at, plain.length);
});

/** As the index of a file of another tool may be: it says only where frames are. */
function withoutLengths(image: ImageFile): (LocatedFrame & { plainOffset: number | undefined })[] {
  const unknown = undefined as unknown as number;
  return [...locateFrames(image.table)].map((frame) => ({ ...frame, plainOffset: unknown, plainLength: unknown }));
}

/** Flips a bit in the middle of the given frames. */
function damageFrames(image: ImageFile, numbers: readonly number[]): LocatedFrame[] {
  const frames = [...locateFrames(image.table)];
  const bytes = Buffer.from(image.image);
  for (const number of numbers) {
    const { offset, length } = frames[number] as LocatedFrame;
    const at = offset + (length >> 1);
    bytes[at] = (bytes[at] as number) ^ 4;
  }
  writeFileSync(image.path, bytes);
  return frames;
}

test('salvage lists each damaged frame, and all others are whole', async (t) => {
  const plain = patterned(12 * CHUNK + 9);
  for (const codec of ['gzip', 'zstd', 'lz4', 'bzip2'] as const) {
    const image = await imageFile(t, plain, codec);
    const lost = [0, 3, 4, 12];
    const frames = damageFrames(image, lost);
    for (const ordered of [false, true]) {
      for (const zerosForLost of [false, true]) {
        const sink = collectingSink(plain.length, { ordered, zerosForLost });
        const { damage } = await loadFile(t, image, { sink, threads: 2 });
        damage.sort((a, b) => a.number - b.number);
        assert.deepEqual(
          damage.map(({ number, offset, plainOffset, plainLength }) => ({ number, offset, plainOffset, plainLength })),
          lost.map((number) => {
            const { offset, plainOffset, plainLength } = frames[number] as LocatedFrame;
            return { number, offset, plainOffset, plainLength };
          }),
        );
        for (const { reason } of damage) assert.match(reason, /CRC/);
        const expected = Buffer.from(plain);
        for (const number of lost) {
          const { plainOffset, plainLength } = frames[number] as LocatedFrame;
          expected.fill(zerosForLost ? 0 : 0xee, plainOffset, plainOffset + plainLength);
        }
        assert.ok(sink.bytes.equals(expected));
      }
    }
  }
});

/** Slots of a run that failed are not given back, and the loop waits for one of them. */

for (const ordered of [false, true]) {
  const title = ordered ? 'in order' : 'in any order';
  test(`where damage is not tolerated it ends the run, and its error comes out, ${title}`, async (t) => {
    const image = await imageFile(t, patterned(30 * CHUNK), 'gzip');
    damageFrames(image, [7]);
    for (const threads of [1, 2]) {
      const outcome = await within(2000, (signal) =>
        loadFile(t, image, {
          sink: collectingSink(30 * CHUNK, { ordered }),
          threads,
          onDamage({ number }) {
            throw new LifeboatError('DAMAGE', `frame ${number}`);
          },
          signal,
        }),
      );
      assert.ok(outcome.state === 'rejected', outcome.state);
      assert.equal((outcome.reason as Error).message, 'frame 7');
    }
  });

  test(`a target that takes nothing any more ends the run, ${title}`, async (t) => {
    const image = await imageFile(t, patterned(60 * CHUNK), 'gzip');
    for (const threads of [1, 2]) {
      let puts = 0;
      const sink = collectingSink(60 * CHUNK, {
        ordered,
        before() {
          if (puts++ >= 5) throw new LifeboatError('NO_SPACE', 'no room');
        },
      });
      const outcome = await within(2000, (signal) => loadFile(t, image, { sink, threads, signal }));
      assert.ok(outcome.state === 'rejected', outcome.state);
      assert.equal((outcome.reason as Error).message, 'no room');
    }
  });
}

test('a reader that has enough of stdout ends the run: restore -o - | head', async (t) => {
  const image = await imageFile(t, patterned(60 * CHUNK), 'gzip');
  const path = `${image.path}.pipe`;
  await execa('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, 'w');
  t.after(() => closeSync(writer));
  closeSync(reader);
  const outcome = await within(2000, (signal) =>
    loadFile(t, image, { sink: pipeSink(writer, 'stdout'), threads: 2, signal }),
  );
  assert.ok(outcome.state === 'rejected', outcome.state);
  assert.equal((outcome.reason as NodeJS.ErrnoException).code, 'EPIPE');
});

test('behind a damaged frame of unknown length nothing can be placed, in a sink that is ordered', async (t) => {
  const plain = patterned(5 * CHUNK);
  const image = await imageFile(t, plain, 'gzip');
  damageFrames(image, [2]);
  const frames = withoutLengths(image);
  const sink = collectingSink(plain.length, { ordered: true });
  const provider = locatedFrames(openReadable(t, image.path), image.path, frames[Symbol.iterator]());
  const outcome = await within(2000, (signal) => load({ codec: 'gzip', provider, sink, signal, ...room(image) }));
  assert.ok(outcome.state === 'rejected', outcome.state);
  assert.ok(outcome.reason instanceof LifeboatError);
  assert.deepEqual([outcome.reason.code, outcome.reason.offset], ['DAMAGE', frames[2]?.offset]);
  assert.ok(sink.bytes.subarray(0, 2 * CHUNK).equals(plain.subarray(0, 2 * CHUNK)));
  assert.ok(sink.bytes.subarray(2 * CHUNK).every((byte) => byte === 0xee));
});

test('frames that do not tell their lengths are put one behind another', async (t) => {
  const plain = patterned(9 * CHUNK + 3);
  const image = await imageFile(t, plain, 'gzip');
  const frames = withoutLengths(image);
  const sink = collectingSink(plain.length);
  const provider = locatedFrames(openReadable(t, image.path), image.path, frames[Symbol.iterator]());
  await load({ codec: 'gzip', provider, sink, threads: 3, ...room(image) });
  assert.ok(sink.bytes.equals(plain));
});

test('many frames that cannot be read in a row are all told, in a sink that is ordered', async () => {
  for (let count = 1; count < 40; count++) {
    let next = 0;
    const provider: FrameProvider = {
      readsInFlight: 4,
      async fetch() {
        const number = next++;
        if (number >= count) return undefined;
        const facts = { number, offset: number, plainOffset: number * 10, plainLength: 10 };
        return { kind: 'unreadable', ...facts, reason: 'gone' };
      },
    };
    const sink = collectingSink(0, { ordered: true });
    const { damage } = await load({ codec: 'none', provider, sink, plainBytes: 10, frameBytes: 10 });
    assert.deepEqual(
      damage.map(({ number }) => number),
      Array.from({ length: count }, (_, i) => i),
    );
  }
});

test('an empty image is nothing', async () => {
  const provider: FrameProvider = { readsInFlight: 4, fetch: () => Promise.resolve(undefined) };
  const sink = collectingSink(0);
  const { damage } = await load({ codec: 'gzip', provider, sink, plainBytes: 10, frameBytes: 10, threads: 2 });
  assert.deepEqual([damage, sink.offsets], [[], []]);
});

test('no more frames are fetched than there are slots while nothing can be put', async (t) => {
  const image = await imageFile(t, patterned(60 * CHUNK), 'lz4');
  const inner = await (WAYS['by its table'] as (t: TestContext, image: ImageFile) => Promise<FrameProvider>)(t, image);
  for (const [threads, ordered] of [
    [1, false],
    [2, true],
  ] as const) {
    let fetched = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const provider: FrameProvider = {
      readsInFlight: 4,
      fetch(slot) {
        fetched += 1;
        return fetched > 30 ? Promise.resolve(undefined) : inner.fetch(slot);
      },
    };
    const sink = collectingSink(60 * CHUNK, { ordered, before: () => gate });
    const loading = load({ codec: 'lz4', provider, sink, threads, ...room(image) });
    await sleep(200);
    assert.ok(fetched <= slotsFor(threads, CHUNK), `${fetched} fetches`);
    open();
    await loading;
  }
});

for (const [threads, ordered] of [
  [1, false],
  [1, true],
  [2, false],
  [2, true],
] as const) {
  const title = `${threads} threads, ${ordered ? 'ordered' : 'in any order'}`;
  test(`an abort in the middle, ${title}: its reason comes out, and nothing is under way`, async (t) => {
    const image = await imageFile(t, patterned(60 * CHUNK), 'gzip');
    const stop = new AbortController();
    const reason = new Error('enough');
    let active = 0;
    let puts = 0;
    const sink = collectingSink(60 * CHUNK, {
      ordered,
      before: async () => {
        active += 1;
        if (++puts === 10) stop.abort(reason);
        await sleep(2);
        active -= 1;
      },
    });
    const activeAtEnd = await loadFile(t, image, { sink, threads, signal: stop.signal }).then(
      () => assert.fail('it was not stopped'),
      (error: unknown) => {
        assert.equal(error, reason);
        return active;
      },
    );
    assert.equal(activeAtEnd, 0);
  });
}

for (const codec of ['none', 'gzip'] as const) {
  const title = `once a run has failed and is over, its sink gets nothing more (${codec}, one thread)`;
  test(title, async (t) => {
    const image = await imageFile(t, patterned(60 * CHUNK), codec);
    let isOver = false;
    let late = 0;
    let puts = 0;
    const sink = collectingSink(60 * CHUNK, {
      before: async () => {
        if (isOver) late += 1;
        if (puts++ === 0) throw new Error('no room');
        await sleep(2);
      },
    });
    const outcome = await within(2000, (signal) => loadFile(t, image, { sink, threads: 1, signal }));
    isOver = true;
    assert.equal(outcome.state, 'rejected');
    await sleep(50);
    assert.equal(late, 0);
  });
}

test('a device gets its first MiB last, and zeros where the image has them', async (t) => {
  const MIB = 1024 * KIB;
  const plain = Buffer.concat([patterned(2 * MIB), Buffer.alloc(3 * MIB), patterned(MIB + 512)]);
  const image = await imageFile(t, plain, 'lz4', 256 * KIB);
  const path = `${image.path}.disk`;
  writeFileSync(path, Buffer.alloc(8 * MIB, 0xaa));
  const fd = openSync(path, constants.O_RDWR);
  t.after(() => closeSync(fd));
  const sink = deviceSink({ path, fd, directFd: undefined });
  await sink.eraseFirst(plain.length);
  await loadFile(t, image, { sink, threads: 2 });
  assert.ok(readFileSync(path).subarray(0, MIB).equals(Buffer.alloc(MIB)));
  await sink.writeLast();
  const found = readFileSync(path);
  assert.ok(found.subarray(0, plain.length).equals(plain));
  assert.ok(found.subarray(plain.length).every((byte) => byte === 0xaa));
});

test('salvage on to a device zeros what is lost, also in the first MiB', async (t) => {
  const plain = patterned(20 * 256 * KIB);
  const image = await imageFile(t, plain, 'lz4', 256 * KIB);
  const frames = damageFrames(image, [1, 9]);
  const path = `${image.path}.disk`;
  writeFileSync(path, Buffer.alloc(plain.length, 0xaa));
  const fd = openSync(path, constants.O_RDWR);
  t.after(() => closeSync(fd));
  const sink = deviceSink({ path, fd, directFd: undefined });
  await sink.eraseFirst(plain.length);
  const { damage } = await loadFile(t, image, { sink, threads: 2 });
  await sink.writeLast();
  assert.equal(damage.length, 2);
  for (const number of [1, 9]) {
    const { plainOffset, plainLength } = frames[number] as LocatedFrame;
    plain.fill(0, plainOffset, plainOffset + plainLength);
  }
  assert.ok(readFileSync(path).equals(plain));
});

test('a provider that fails ends the run with its error', async (t) => {
  const image = await imageFile(t, patterned(20 * CHUNK), 'gzip');
  const inner = await (WAYS['by its table'] as (t: TestContext, image: ImageFile) => Promise<FrameProvider>)(t, image);
  let fetches = 0;
  const provider: FrameProvider = {
    readsInFlight: 4,
    async fetch(slot) {
      if (fetches++ === 8) throw new LifeboatError('DAMAGE', 'nothing behind can be found');
      return inner.fetch(slot);
    },
  };
  const sink = collectingSink(20 * CHUNK);
  const outcome = await within(2000, (signal) =>
    load({ codec: 'gzip', provider, sink, threads: 2, signal, ...room(image) }),
  );
  assert.ok(outcome.state === 'rejected');
  assert.match(String(outcome.reason), /nothing behind can be found/);
});
