import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Extent } from '../../src/device/extents.js';
import { cutChunks, knownZeroBytes } from '../../src/stream/chunks.js';

const extents = fc
  .array(
    fc.record({
      kind: fc.constantFrom('data' as const, 'zero' as const, 'memory' as const),
      length: fc.integer({ min: 1, max: 5000 }),
    }),
    { maxLength: 30 },
  )
  .map((shapes) => {
    let offset = 0;
    return shapes.map(({ kind, length }): Extent => {
      const at = offset;
      offset += length;
      if (kind !== 'memory') return { kind, offset: at, length };
      return { kind, offset: at, length, bytes: Buffer.from(Array.from({ length }, (_, i) => (at + i) % 251)) };
    });
  });

test('chunks cover the source exactly, and the pieces of each cover it exactly', () => {
  fc.assert(
    fc.property(extents, fc.integer({ min: 1, max: 4000 }), (whole, chunkBytes) => {
      const sizeBytes = whole.reduce((sum, { length }) => sum + length, 0);
      let at = 0;
      let number = 0;
      for (const chunk of cutChunks(whole, chunkBytes)) {
        assert.deepEqual([chunk.number, chunk.offset], [number++, at]);
        assert.ok(chunk.length === chunkBytes || at + chunk.length === sizeBytes);
        for (const piece of chunk.pieces) {
          assert.equal(piece.offset, at);
          assert.ok(piece.length > 0);
          const from = whole.find((extent) => extent.offset <= at && at < extent.offset + extent.length);
          assert.equal(piece.kind, from?.kind);
          if (piece.kind === 'memory') {
            assert.equal(piece.bytes.length, piece.length);
            assert.ok(piece.bytes.every((byte, i) => byte === (at + i) % 251));
          }
          at += piece.length;
        }
        assert.equal(at, chunk.offset + chunk.length);
      }
      assert.equal(at, sizeBytes);
      assert.equal(number, Math.ceil(sizeBytes / chunkBytes));
    }),
  );
});

test('an empty source has no chunks', () => {
  assert.deepEqual([...cutChunks([], 4096)], []);
});

test('a source of exactly two chunks has no third one', () => {
  assert.equal([...cutChunks([{ kind: 'data', offset: 0, length: 8192 }], 4096)].length, 2);
});

test('extents are taken one by one, so that a source of any size needs no list', () => {
  let taken = 0;
  function* endless(): Generator<Extent> {
    for (;;) yield { kind: 'zero', offset: 4096 * taken++, length: 4096 };
  }
  const chunks = cutChunks(endless(), 8192);
  chunks.next();
  assert.ok(taken <= 2);
});

test('a chunk is known to be zeros only if all of its pieces are', () => {
  const [zeros, mixed] = [
    ...cutChunks(
      [
        { kind: 'zero', offset: 0, length: 5000 },
        { kind: 'data', offset: 5000, length: 3192 },
      ],
      4096,
    ),
  ];
  assert.ok(zeros !== undefined && knownZeroBytes(zeros) === zeros.length);
  assert.ok(mixed !== undefined && knownZeroBytes(mixed) < mixed.length);
});

test('a chunk of a stream, which has no pieces, is not known to be zeros', () => {
  assert.equal(knownZeroBytes({ number: 0, offset: 0, length: 4096, pieces: [] }), 0);
});
