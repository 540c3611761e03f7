import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { CODEC_NAMES } from '../../src/codec/index.js';
import type { Extent } from '../../src/device/extents.js';
import { containerOf } from '../../src/format/containers.js';
import { locateFrames } from '../../src/format/frame-table.js';
import { fileSink } from '../../src/stream/byte-sink.js';
import { slotsFor } from '../../src/stream/slots.js';
import {
  collectingSink,
  fileSource,
  KIB,
  loadFile,
  madeSource,
  memorySink,
  noSaveProgress,
  openReadable,
  patterned,
  STOCK,
  save,
  scratch,
  settled,
} from './machine.js';

const CHUNK = 16 * KIB;
const zeroExtent = (chunks: number): Extent[] => [{ kind: 'zero', offset: 0, length: chunks * CHUNK }];
const nothing = { fd: -1, directFd: undefined };

/** What a stock tool makes of an image: it knows nothing of our index. */
function stockDecode(codec: keyof typeof STOCK, image: Buffer): Buffer {
  return execFileSync(STOCK[codec], ['-dc'], { input: image, maxBuffer: 2 ** 28, stdio: ['pipe', 'pipe', 'pipe'] });
}

test('any source, chunk size, codec and number of threads gives an image that decodes to the source', async (t) => {
  const directory = scratch(t);
  const onDisk = patterned(400_000);
  const path = join(directory, 'disk');
  writeFileSync(path, onDisk);
  const file = openReadable(t, path);
  const shapes = fc.array(
    fc.tuple(fc.constantFrom('data' as const, 'zero' as const, 'memory' as const), fc.integer({ min: 1, max: 60_000 })),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(
      shapes,
      fc.constantFrom(...CODEC_NAMES),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      async (pieces, codec, blocks, threads, sha256) => {
        let offset = 0;
        const extents = pieces.map(([kind, length]): Extent => {
          const at = offset;
          offset += length;
          return kind === 'memory'
            ? { kind, offset: at, length, bytes: patterned(length, 7) }
            : { kind, offset: at, length };
        });
        const plain = Buffer.concat(
          extents.map((extent) => {
            if (extent.kind === 'memory') return extent.bytes;
            if (extent.kind === 'zero') return Buffer.alloc(extent.length);
            return onDisk.subarray(extent.offset, extent.offset + extent.length);
          }),
        );
        const sink = memorySink();
        const chunkBytes = blocks * 4 * KIB;
        const progress = noSaveProgress();
        const source = fileSource(file, extents);
        const saved = await save({ source, sink, codec, chunkBytes, threads, sha256, progress });
        const image = sink.bytes();

        assert.equal(saved.writtenBytes, image.length);
        assert.equal(saved.table.plainBytes, plain.length);
        assert.deepEqual([progress.plainBytes, progress.writtenBytes], [plain.length, image.length]);
        assert.equal(saved.sha256, sha256 ? createHash('sha256').update(image).digest('hex') : undefined);
        assert.ok(image.subarray(image.length - saved.epilogue.length).equals(saved.epilogue));
        if (codec === 'none') assert.ok(image.equals(plain));
        else assert.ok(stockDecode(codec, image).equals(plain));

        if (saved.table.count > 0 && plain.length > 0) {
          const imagePath = join(directory, 'image');
          writeFileSync(imagePath, image);
          const into = collectingSink(plain.length);
          const { damage } = await loadFile(
            t,
            { path: imagePath, image, plain, table: saved.table, codec },
            { sink: into },
          );
          assert.deepEqual(damage, []);
          assert.ok(into.bytes.equals(plain));
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('saving keeps the order when workers finish in any order', async () => {
  const lengths = Array.from({ length: 60 }, (_, i) => (i === 59 ? 777 : CHUNK));
  for (const threads of [1, 3]) {
    const source = madeSource(lengths, async (number, into) => {
      await sleep((number * 7919) % 13);
      // Some compress in no time, some take long, some are zeros.
      into.fill(0);
      if (number % 5 !== 0) patterned(into.length, number + 1).copy(into, 0, 0, number % 3 === 0 ? into.length : 100);
      into.writeUInt32LE(number, 0);
    });
    const sink = memorySink();
    await save({ source, sink, codec: 'gzip', level: 9, threads });
    const plain = stockDecode('gzip', sink.bytes());
    assert.equal(plain.length, 59 * CHUNK + 777);
    for (let number = 0; number < 60; number++) assert.equal(plain.readUInt32LE(number * CHUNK), number);
  }
});

test('all chunks of zeros share one frame, whether they were read or known', async () => {
  for (const threads of [1, 2]) {
    const lengths = Array<number>(20).fill(CHUNK);
    const pieces: Buffer[] = [];
    const sink = { write: async (buffers: Buffer[]) => void pieces.push(...buffers), skip: undefined };
    const { table } = await save({ source: madeSource(lengths, (_, into) => void into.fill(0)), sink, threads });
    const frames = pieces.slice(1, -1);
    assert.equal(frames.length, 20);
    // Before the first one is made, as many as there are slots may be on their way.
    assert.ok(new Set(frames.map(({ buffer }) => buffer)).size <= slotsFor(threads, CHUNK));
    for (let frame = 0; frame < 20; frame++) {
      assert.deepEqual([table.lengthOf(frame), table.crcOf(frame)], [table.lengthOf(0), table.crcOf(0)]);
      assert.ok(frames[frame]?.equals(frames[0] as Buffer));
    }
  }
});

test('what is known to be zeros is not read, and counts as skipped', async (t) => {
  const path = join(scratch(t), 'disk');
  writeFileSync(path, Buffer.concat([patterned(CHUNK), Buffer.alloc(CHUNK), Buffer.alloc(2 * CHUNK, 1)]));
  const source = fileSource(openReadable(t, path), [
    { kind: 'data', offset: 0, length: 2 * CHUNK },
    { kind: 'zero', offset: 2 * CHUNK, length: 2 * CHUNK },
  ]);
  const progress = noSaveProgress();
  const asked: number[] = [];
  const sink = memorySink();
  await save({ source, sink, progress, throttle: async (bytes) => void asked.push(bytes) });
  assert.deepEqual(progress, {
    plainBytes: 4 * CHUNK,
    writtenBytes: sink.bytes().length,
    zeroBytes: 3 * CHUNK,
    skippedBytes: 2 * CHUNK,
  });
  assert.deepEqual(asked, [CHUNK, CHUNK]);
});

test('a raw image has holes where the source is zeros, also at its end', async (t) => {
  const out = join(scratch(t), 'raw');
  const fd = openSync(out, 'w');
  t.after(() => closeSync(fd));
  const lengths = Array<number>(64).fill(64 * KIB);
  const source = madeSource(lengths, (number, into) => void into.fill(number === 5 || number === 40 ? number : 0));
  const { writtenBytes, sha256 } = await save({
    source,
    sink: fileSink(fd, out),
    codec: 'none',
    chunkBytes: 64 * KIB,
    sha256: true,
  });
  ftruncateSync(fd, writtenBytes);
  assert.equal(writtenBytes, 64 * 64 * KIB);
  assert.ok(statSync(out).blocks * 512 <= 256 * KIB);
  assert.equal(sha256, createHash('sha256').update(readFileSync(out)).digest('hex'));
  const found = readFileSync(out);
  for (let number = 0; number < 64; number++) {
    assert.equal(found[number * 64 * KIB], number === 5 || number === 40 ? number : 0);
  }
});

test('where there can be no holes, a raw image has its zeros written', async () => {
  const sink = memorySink(undefined, false);
  await save({ source: fileSource(nothing, zeroExtent(5)), sink, codec: 'none' });
  assert.ok(sink.bytes().equals(Buffer.alloc(5 * CHUNK)));
});

test('of a source of zeros nothing is forgotten, whatever the number of chunks', async () => {
  for (let chunks = 1; chunks <= 70; chunks++) {
    for (const codec of ['none', 'lz4'] as const) {
      const sink = memorySink();
      const { table } = await save({ source: fileSource(nothing, zeroExtent(chunks)), sink, codec });
      assert.deepEqual([table.count, table.plainBytes], [chunks, chunks * CHUNK]);
    }
  }
});

test('an empty source is a valid file of every codec', async () => {
  for (const codec of CODEC_NAMES) {
    for (const threads of [1, 2]) {
      const sink = memorySink();
      const saved = await save({ source: madeSource([], () => undefined), sink, codec, threads, sha256: true });
      const image = sink.bytes();
      assert.equal(saved.table.count, containerOf(codec).needsFrame ? 1 : 0);
      assert.equal(saved.sha256, createHash('sha256').update(image).digest('hex'));
      if (codec === 'none') assert.equal(image.length, 0);
      else assert.equal(stockDecode(codec, image).length, 0);
    }
  }
});

test('a stream of unknown size is saved up to its end, wherever that is', async () => {
  for (const bytes of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK]) {
    const plain = patterned(bytes);
    let ended = false;
    const source = {
      readsInFlight: 1,
      sizeBytes: undefined,
      *chunks(chunkBytes: number) {
        for (let number = 0; !ended; number++) {
          yield { number, offset: number * chunkBytes, length: chunkBytes, pieces: [] };
        }
      },
      async fill({ offset, length }: { offset: number; length: number }, into: Buffer) {
        await sleep(1);
        const got = plain.copy(into, 0, offset, offset + length);
        ended = got < length;
        return got;
      },
    };
    const sink = memorySink();
    await save({ source, sink, codec: 'zstd', threads: 2 });
    assert.ok(stockDecode('zstd', sink.bytes()).equals(plain));
  }
});

test('the table says where each frame is', async () => {
  const lengths = Array<number>(10).fill(CHUNK);
  const sink = memorySink();
  const { table } = await save({
    source: madeSource(lengths, (n, into) => void patterned(CHUNK, n + 1).copy(into)),
    sink,
  });
  const image = sink.bytes();
  for (const { number, offset, length } of locateFrames(table)) {
    assert.ok(stockDecode('gzip', image.subarray(offset, offset + length)).equals(patterned(CHUNK, number + 1)));
  }
});

test('memory is that of the slots: nothing is read while nothing can be written', async () => {
  for (const threads of [1, 3]) {
    let filled = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let writes = 0;
    const sink = memorySink(() => (writes++ === 0 ? undefined : gate));
    const source = madeSource(Array<number>(100).fill(CHUNK), (number, into) => {
      filled += 1;
      patterned(CHUNK, number + 1).copy(into);
    });
    const saving = save({ source, sink, threads, codec: 'lz4' });
    await sleep(300);
    assert.ok(filled <= slotsFor(threads, CHUNK), `${filled} chunks`);
    assert.ok(filled >= slotsFor(threads, CHUNK) - 1, `${filled} chunks`);
    open();
    await saving;
    assert.equal(filled, 100);
  }
});

test('several chunks are read at once, but no more than the source allows', async () => {
  for (const readsInFlight of [1, 4]) {
    let active = 0;
    let most = 0;
    const source = madeSource(
      Array<number>(20).fill(CHUNK),
      async (_number, into) => {
        most = Math.max(most, ++active);
        await sleep(3);
        into.fill(1);
        active -= 1;
      },
      readsInFlight,
    );
    await save({ source, sink: memorySink(), threads: 2 });
    assert.equal(most, readsInFlight);
  }
});

test('times add up', async () => {
  const source = madeSource(Array<number>(10).fill(CHUNK), async (_, into) => {
    await sleep(5);
    into.fill(1);
  });
  const { times } = await save({ source, sink: memorySink(), threads: 1 });
  assert.ok(times.readMs > 0 && times.readMs <= times.wallMs);
  assert.ok(times.codecMs <= times.wallMs * times.threads + 1);
  assert.ok(times.writeMs + times.writeWaitMs <= times.wallMs + 1);
  assert.equal(times.threads, 1);
});

for (const threads of [1, 2]) {
  test(`an abort in the middle, ${threads} threads: its reason comes out, and nothing is written afterwards`, async () => {
    for (const codec of ['gzip', 'none'] as const) {
      const stop = new AbortController();
      const reason = new Error('enough');
      let isOver = false;
      let late = 0;
      let active = 0;
      const sink = memorySink(async () => {
        if (isOver) late += 1;
        active += 1;
        await sleep(3);
        active -= 1;
      });
      const source = madeSource(Array<number>(200).fill(CHUNK), (number, into) => {
        if (number === 20) stop.abort(reason);
        patterned(CHUNK, number + 1).copy(into);
      });
      await assert.rejects(
        save({ source, sink, codec, threads, sha256: true, signal: stop.signal }),
        (e) => e === reason,
      );
      isOver = true;
      assert.equal(active, 0);
      await sleep(60);
      assert.equal(late, 0);
    }
  });
}

test('a run that is stopped before its start writes nothing', async () => {
  const sink = memorySink();
  const signal = AbortSignal.abort(new Error('too late'));
  await assert.rejects(save({ source: madeSource([CHUNK], () => undefined), sink, signal }), /too late/);
  assert.equal(sink.writes, 0);
});

test('an abort within a batch with holes: nothing is under way when it is over', async () => {
  const stop = new AbortController();
  let writes = 0;
  let active = 0;
  const sink = memorySink(async () => {
    active += 1;
    writes += 1;
    // The first write is the prologue. While the second one waits, the others gather behind it: hole, data, hole, data.
    if (writes === 2) await sleep(50);
    if (writes === 3) setTimeout(() => stop.abort(new Error('enough')), 5);
    if (writes >= 3) await sleep(20);
    active -= 1;
  });
  const source = madeSource(Array<number>(6).fill(CHUNK), (number, into) => {
    into.fill(number % 2 === 0 ? number + 1 : 0);
  });
  const activeAtEnd = await save({ source, sink, codec: 'none', signal: stop.signal }).then(
    () => assert.fail('it was not stopped'),
    () => active,
  );
  assert.equal(writes, 3);
  assert.equal(activeAtEnd, 0);
});

test('a long hole leaves timers and signals their turn', async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('enough')), 20);
  const start = performance.now();
  // 1 TiB of nothing in chunks of 4 MiB.
  const source = fileSource(nothing, [{ kind: 'zero', offset: 0, length: 2 ** 40 }]);
  const sink = { write: async () => undefined, skip: async () => undefined };
  const outcome = await settled(
    save({ source, sink, codec: 'none', chunkBytes: 2 ** 22, signal: stop.signal }),
    20_000,
  );
  assert.equal(outcome.state, 'rejected', `it ran on for ${Math.round(performance.now() - start)} ms`);
});

test('zeros that wait for the hashing thread are bounded', async (t) => {
  let waiting = 0;
  let most = 0;
  const post = Worker.prototype.postMessage;
  const seen = new Set<Worker>();
  t.mock.method(Worker.prototype, 'postMessage', function (this: Worker, message: { kind?: string }) {
    if (message.kind === 'update') {
      if (!seen.has(this))
        this.on('message', () => {
          waiting -= 1;
        });
      seen.add(this);
      most = Math.max(most, ++waiting);
    }
    post.call(this, message);
  });
  const source = fileSource(nothing, [{ kind: 'zero', offset: 0, length: 4096 * 12_000 }]);
  const sink = { write: async () => undefined, skip: async () => undefined };
  await save({ source, sink, codec: 'none', chunkBytes: 4096, threads: 2, sha256: true });
  assert.ok(most <= 4096 + 64, `${most} at once`);
});

test('a run that is over lets its slots go', () => {
  const stream = (name: string) => JSON.stringify(new URL(`../../src/stream/${name}.js`, import.meta.url).href);
  const script = `
    const buffers = [];
    const { Memory } = WebAssembly;
    WebAssembly.Memory = class extends Memory {
      get buffer() { const buffer = super.buffer; buffers.push(new WeakRef(buffer)); return buffer; }
    };
    const { saveImage } = await import(${stream('save')});
    const { containerOf } = await import(${JSON.stringify(new URL('../../src/format/containers.js', import.meta.url).href)});
    const signal = new AbortController().signal;
    for (let run = 0; run < 5; run++) {
      await saveImage({
        source: {
          readsInFlight: 1, sizeBytes: 4096, fill: async (chunk, into) => (into[0] = 1, 4096),
          *chunks() { yield { number: 0, offset: 0, length: 4096, pieces: [{ kind: 'data', offset: 0, length: 4096 }] } },
        },
        sink: { write: async () => {}, skip: undefined },
        container: containerOf('none'), codec: 'none', engine: 'native', level: 0, chunkBytes: 4096, threads: 1,
        sha256: false, throttle: async () => {}, signal,
        progress: { plainBytes: 0, writtenBytes: 0, zeroBytes: 0, skippedBytes: 0 },
      });
    }
    for (let i = 0; i < 5; i++) { await new Promise((r) => setTimeout(r, 20)); gc(); }
    process.stdout.write(String(buffers.filter((ref) => ref.deref() !== undefined).length));
  `;
  const left = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  assert.ok(Number(left) <= 1, `the memory of ${left} of 5 runs is still held`);
});
