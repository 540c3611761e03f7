import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareSink } from '../../src/stream/compare-sink.js';
import { collectingSink, directBuffer, imageFile, loadFile, openReadable, patterned, scratch } from './machine.js';

test('the first difference and the number of differing bytes are what looking at each byte says', async (t) => {
  const path = join(scratch(t), 'disk');
  const onDisk = patterned(20_000);
  writeFileSync(path, onDisk);
  const file = openReadable(t, path);
  const spare = directBuffer(8192);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 29_999 }), { maxLength: 6 }),
      fc.nat({ max: 30_000 }),
      async (flips, size) => {
        const plain = Buffer.alloc(size, 1);
        onDisk.copy(plain);
        for (const at of flips) if (at < size) plain[at] = (plain[at] as number) ^ 0x80;
        const sink = compareSink(file, path);
        const pieces: Promise<void>[] = [];
        for (let at = 0; at < size; at += 8192) {
          const piece = plain.subarray(at, at + 8192);
          await sink.put({ plain: piece, plainOffset: at, dataRuns: [], spare });
        }
        await Promise.all(pieces);
        const different = [...plain.keys()].filter((at) => plain[at] !== onDisk[at]);
        assert.deepEqual(sink.difference, { firstOffset: different[0], differingBytes: different.length });
      },
    ),
    { numRuns: 40 },
  );
});

test('what the other copy lacks at its end counts as different', async (t) => {
  const path = join(scratch(t), 'disk');
  writeFileSync(path, Buffer.alloc(5000, 7));
  const sink = compareSink(openReadable(t, path), path);
  await sink.put({ plain: Buffer.alloc(6000, 7), plainOffset: 0, dataRuns: [], spare: directBuffer(8192) });
  assert.deepEqual(sink.difference, { firstOffset: 5000, differingBytes: 1000 });
});

test('an image of what it is compared with has no difference, and one bit is found', async (t) => {
  const plain = patterned(300_001);
  const image = await imageFile(t, plain, 'lz4');
  const path = join(scratch(t), 'disk');
  writeFileSync(path, plain);
  const same = compareSink(openReadable(t, path), path);
  await loadFile(t, image, { sink: same, threads: 2 });
  assert.deepEqual(same.difference, { firstOffset: undefined, differingBytes: 0 });

  plain[200_000] = (plain[200_000] as number) ^ 1;
  writeFileSync(path, plain);
  const other = compareSink(openReadable(t, path), path);
  await loadFile(t, image, { sink: other, threads: 2 });
  assert.deepEqual(other.difference, { firstOffset: 200_000, differingBytes: 1 });
});

test('another copy that cannot be read is an error, not a difference', async (t) => {
  const fd = openSync(scratch(t), 'r');
  t.after(() => closeSync(fd));
  const sink = compareSink({ fd, directFd: undefined }, '/the/disk');
  await assert.rejects(
    sink.put({ plain: Buffer.alloc(10), plainOffset: 0, dataRuns: [], spare: directBuffer(4096) }),
    /Cannot read "\/the\/disk" at offset 0: EISDIR/,
  );
});

test('pieces come in any order', () => {
  assert.equal(compareSink({ fd: -1, directFd: undefined }, '').ordered, collectingSink(0).ordered);
});
