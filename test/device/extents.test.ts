import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { checkExtents, type Extent, fileExtents, overlay, wholeExtent } from '../../src/device/extents.js';
import { attachLoop, noLoops } from './loop.js';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-extents-'));
after(() => rmSync(directory, { recursive: true }));

const BLOCK_BYTES = 64 * 1024;

/** A file with data in the blocks named, and holes elsewhere. */
function withSparse<T>(blocks: number[], sizeBytes: number, use: (fd: number) => T): T {
  const fd = openSync(join(directory, 'sparse'), 'w+');
  try {
    ftruncateSync(fd, sizeBytes);
    for (const block of blocks) writeSync(fd, Buffer.alloc(BLOCK_BYTES, 1), 0, BLOCK_BYTES, block * BLOCK_BYTES);
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function found(blocks: number[], sizeBytes: number): string {
  return withSparse(blocks, sizeBytes, (fd) =>
    [...checkExtents(fileExtents(fd, sizeBytes), sizeBytes)]
      .map(({ kind, offset, length }) => `${kind} ${offset / BLOCK_BYTES}+${length / BLOCK_BYTES}`)
      .join(', '),
  );
}

test('a hole at the start, in the middle and at the end is zeros', () => {
  assert.equal(found([1], 2 * BLOCK_BYTES), 'zero 0+1, data 1+1');
  assert.equal(found([0, 2], 3 * BLOCK_BYTES), 'data 0+1, zero 1+1, data 2+1');
  assert.equal(found([0], 2 * BLOCK_BYTES), 'data 0+1, zero 1+1');
  assert.equal(found([1, 3], 5 * BLOCK_BYTES), 'zero 0+1, data 1+1, zero 2+1, data 3+1, zero 4+1');
});

test('a file that is one hole, a full one and an empty one', () => {
  assert.equal(found([], 3 * BLOCK_BYTES), 'zero 0+3');
  assert.equal(found([0, 1], 2 * BLOCK_BYTES), 'data 0+2');
  assert.equal(found([], 0), '');
});

test('holes are found above 4 GiB', () => {
  assert.equal(found([100_000], 100_002 * BLOCK_BYTES), 'zero 0+100000, data 100000+1, zero 100001+1');
});

test('a size that is no multiple of a block ends the last extent', () => {
  const sizeBytes = BLOCK_BYTES + 7;
  withSparse([], sizeBytes, (fd) => {
    writeSync(fd, Buffer.alloc(7, 1), 0, 7, BLOCK_BYTES);
    assert.deepEqual(
      [...fileExtents(fd, sizeBytes)],
      [
        { kind: 'zero', offset: 0, length: BLOCK_BYTES },
        { kind: 'data', offset: BLOCK_BYTES, length: 7 },
      ],
    );
  });
});

test('a file that became shorter is no hole', () => {
  withSparse([0], BLOCK_BYTES, (fd) => {
    assert.throws(() => [...fileExtents(fd, 2 * BLOCK_BYTES)], { code: 'FAILED', message: /became shorter/ });
  });
});

test('extents of any sparse file cover it, and no written block is called zero', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 12 }), fc.nat(BLOCK_BYTES - 1), (written, tailBytes) => {
      const blocks = written.flatMap((yes, block) => (yes ? [block] : []));
      const sizeBytes = written.length * BLOCK_BYTES + tailBytes;
      withSparse(blocks, sizeBytes, (fd) => {
        const extents = [...checkExtents(fileExtents(fd, sizeBytes), sizeBytes)];
        for (const block of blocks)
          assert.ok(
            extents.some(
              ({ kind, offset, length }) =>
                kind === 'data' && offset <= block * BLOCK_BYTES && offset + length >= (block + 1) * BLOCK_BYTES,
            ),
          );
        for (const { kind, offset } of extents) if (kind === 'data') assert.equal(offset % 4096, 0);
      });
    }),
    { numRuns: 60 },
  );
});

test('a block device, which tells no holes, is all data', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(1 << 20);
  t.after(loop.detach);
  const fd = openSync(loop.device, 'r');
  assert.deepEqual([...fileExtents(fd, 1 << 20)], wholeExtent(1 << 20));
  closeSync(fd);
});

/** Paints each byte with the letter of where it comes from. */
function paint(extents: Iterable<Extent>): string {
  let picture = '';
  for (const extent of extents) {
    if (extent.kind === 'memory') picture += extent.bytes.toString('latin1');
    else picture += (extent.kind === 'data' ? 'd' : '0').repeat(extent.length);
  }
  return picture;
}

/** A list of extents of these lengths from 0 on; those of kind 'gap' are left out. */
function build(pieces: [kind: Extent['kind'] | 'gap', length: number][], letter: string): Extent[] {
  let offset = 0;
  return pieces.flatMap(([kind, length]): Extent[] => {
    const at = offset;
    offset += length;
    if (kind === 'gap') return [];
    if (kind !== 'memory') return [{ kind, offset: at, length }];
    const bytes = Buffer.from(Array.from({ length }, (_, i) => letter.charCodeAt(0) + ((at + i) % 8)));
    return [{ kind, offset: at, length, bytes }];
  });
}

const lengths = fc.integer({ min: 1, max: 9 });
const bases = fc.array(fc.tuple(fc.constantFrom<Extent['kind'][]>('data', 'zero', 'memory'), lengths));
const patchings = fc.array(
  fc.tuple(fc.constantFrom<(Extent['kind'] | 'gap')[]>('data', 'zero', 'memory', 'gap'), lengths),
);

test('laid over a base, patches win and nothing else changes', () => {
  fc.assert(
    fc.property(bases, patchings, fc.boolean(), (base, patching, reversed) => {
      const under = build(base, 'A');
      const sizeBytes = paint(under).length;
      const patches = build(patching, 'a').filter(({ offset, length }) => offset + length <= sizeBytes);
      const expected = [...paint(under)];
      for (const patch of patches) expected.splice(patch.offset, patch.length, ...paint([patch]));
      const laid = overlay(under, reversed ? patches.toReversed() : patches);
      assert.equal(paint(checkExtents(laid, sizeBytes)), expected.join(''));
    }),
  );
});

test('patches that overlap, and one beyond the end, are refused', () => {
  const zero = (offset: number, length: number): Extent => ({ kind: 'zero', offset, length });
  assert.throws(() => overlay(wholeExtent(10), [zero(4, 2), zero(2, 3)]), RangeError);
  assert.throws(() => [...overlay(wholeExtent(10), [zero(9, 2)])], RangeError);
  assert.throws(() => [...overlay(wholeExtent(10), [zero(10, 1)])], RangeError);
  assert.deepEqual([...overlay(wholeExtent(10), [zero(3, 0)])], wholeExtent(10));
});

test('a gap, an overlap, a short list, a long one and a wrong buffer are found', () => {
  const data = (offset: number, length: number): Extent => ({ kind: 'data', offset, length });
  const check = (extents: Extent[], sizeBytes: number) => () => [...checkExtents(extents, sizeBytes)];
  check([], 0)();
  check([data(0, 5), data(5, 5)], 10)();
  assert.throws(check([], 1), RangeError);
  assert.throws(check([data(1, 9)], 10), RangeError);
  assert.throws(check([data(0, 5), data(6, 4)], 10), RangeError);
  assert.throws(check([data(0, 5), data(4, 6)], 10), RangeError);
  assert.throws(check([data(0, 9)], 10), RangeError);
  assert.throws(check([data(0, 11)], 10), RangeError);
  assert.throws(check([data(0, 0), data(0, 10)], 10), RangeError);
  assert.throws(check([{ kind: 'memory', offset: 0, length: 2, bytes: Buffer.alloc(1) }], 2), RangeError);
});
