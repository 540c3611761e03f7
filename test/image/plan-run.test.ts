import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSource } from '../../src/device/source.js';
import { codecsFor, planRun } from '../../src/image/plan-run.js';
import { sampleIncompressible, sampleOffsets } from '../../src/image/sample-source.js';
import { BUILT_IN_CALIBRATION } from '../../src/policy/calibration.js';
import { imageOptions } from './image-options.js';

const MIB = 1024 ** 2;
async function sourceOf(t: TestContext, bytes: Buffer, sizeBytes = bytes.length) {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-plan-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'disk'), bytes);
  truncateSync(join(directory, 'disk'), sizeBytes);
  const source = await openSource(join(directory, 'disk'));
  t.after(() => source.close());
  return source;
}

test("a file's name says what its codec is, a pipe's is zstd, of others the load decides", () => {
  for (const [out, codec] of [
    ['disk.img.zst', 'zstd'],
    ['disk.lz4', 'lz4'],
    ['/mnt/x.gz', 'gzip'],
    ['a.xz', 'xz'],
    ['a.bz2', 'bzip2'],
    ['-', 'zstd'],
  ] as const)
    assert.deepEqual(codecsFor(out), [codec], out);
  for (const out of ['disk.img', 'image', 'zst', 'a.constructor', () => 'x']) assert.ok(codecsFor(out).length > 1);
});

test('a codec that was named, and a level, stay what they are', async () => {
  const plain = await planRun(imageOptions({ codec: 'gzip', level: 9 }), undefined);
  assert.deepEqual([plain.codec.name, plain.level, plain.choice], ['gzip', 9, undefined]);
  const leveled = await planRun(imageOptions({ level: 7 }), undefined);
  assert.deepEqual([leveled.codec.name, leveled.level, leveled.choice], ['zstd', 7, undefined]);
  const other = await planRun(imageOptions({ out: 'x.gz' }), undefined);
  assert.deepEqual([other.codec.name, other.choice], ['gzip', undefined]);
});

test('a small source is zstd 3 whatever the host is at, and its kind is heeded', async (t) => {
  const source = await sourceOf(t, randomBytes(MIB));
  const plan = await planRun(imageOptions({ out: 'image' }), source);
  assert.deepEqual([plan.codec.name, plan.level, plan.chunkBytes], ['zstd', 3, 8 * MIB]);
  const wishes = { priority: 'balanced', kind: 'logs', endAtMs: undefined } as const;
  assert.equal((await planRun(imageOptions({ out: 'image', wishes }), source)).level, 9);
});

test('what was learned before is used: with a target known to be slow the level is higher', async (t) => {
  const source = await sourceOf(t, randomBytes(MIB));
  const knowledge = async () => ({
    calibration: { ...BUILT_IN_CALIBRATION, writeBytesPerSecond: 20e6 },
    pastRuns: [],
  });
  const { level, choice } = await planRun(imageOptions({ knowledge }), source);
  assert.ok(level > 3, `level ${level}`);
  assert.match(choice?.reasons.join() ?? '', /write 20 MB\/s/);
});

test('samples tell a disk of random bytes from one of programs, and read nothing of holes', async (t) => {
  const random = await sourceOf(t, randomBytes(8 * MIB));
  const found = await sampleIncompressible(random, undefined);
  await found.settled;
  // A disk that takes longer than 12 ms tells nothing, which is no mistake.
  assert.ok(found.isIncompressible === true || found.isIncompressible === undefined);
  const text = await sourceOf(t, Buffer.alloc(8 * MIB, 'words and words and '));
  const compressible = await sampleIncompressible(text, undefined);
  await compressible.settled;
  assert.notEqual(compressible.isIncompressible, true);
  const holes = await sourceOf(t, Buffer.alloc(0), 8 * MIB);
  const nothing = await sampleIncompressible(holes, undefined);
  await nothing.settled;
  assert.equal(nothing.isIncompressible, undefined);
});

test('samples lie within what is data, spread over it, aligned for O_DIRECT', () => {
  const extents = [
    { kind: 'zero', offset: 0, length: 100 * MIB },
    { kind: 'data', offset: 100 * MIB, length: 10 * MIB },
    { kind: 'data', offset: 110 * MIB, length: 4096 },
    { kind: 'memory', offset: 110 * MIB + 4096, length: 4096, bytes: Buffer.alloc(4096) },
    { kind: 'zero', offset: 110 * MIB + 8192, length: 90 * MIB - 8192 },
    { kind: 'data', offset: 200 * MIB, length: 30 * MIB },
  ] as const;
  const offsets = sampleOffsets(230 * MIB, extents);
  assert.equal(offsets.length, 16);
  assert.equal(offsets.filter((offset) => offset < 200 * MIB).length, 4);
  for (const offset of offsets) {
    assert.equal(offset % 4096, 0);
    assert.ok(
      extents.some(({ kind, offset: at, length }) => kind === 'data' && offset >= at && offset + 65_536 <= at + length),
    );
  }
  assert.deepEqual(sampleOffsets(0, undefined), []);
  assert.deepEqual(sampleOffsets(100_000, undefined), []);
});
