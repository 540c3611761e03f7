import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFrameTable, largestFrame, locateFrames, paddedLength } from '../../src/format/frame-table.js';

const uint32 = fc.nat(0xffffffff);
const entries = fc.array(fc.tuple(uint32, uint32, uint32), { maxLength: 50 });

test('a table gives back what was added, and its sums', () => {
  fc.assert(
    fc.property(entries, (added) => {
      const table = createFrameTable(28);
      for (const [length, plainLength, crc] of added) table.add(length, plainLength, crc);
      assert.equal(table.count, added.length);
      assert.equal(
        table.plainBytes,
        added.reduce((sum, [, plainLength]) => sum + plainLength, 0),
      );
      assert.equal(
        table.storedBytes,
        added.reduce((sum, [length]) => sum + length, 0),
      );
      added.forEach(([length, plainLength, crc], frame) => {
        assert.deepEqual(
          [table.lengthOf(frame), table.plainLengthOf(frame), table.crcOf(frame)],
          [length, plainLength, crc],
        );
      });
    }),
  );
});

test('frames lie one behind the other in the file and in the plaintext', () => {
  fc.assert(
    fc.property(entries, fc.constantFrom(1, 4), fc.nat(100), (added, alignBytes, firstOffset) => {
      const table = createFrameTable(firstOffset, { alignBytes });
      for (const [length, plainLength, crc] of added) table.add(length, plainLength, crc);
      let offset = firstOffset;
      let plainOffset = 0;
      let count = 0;
      for (const frame of locateFrames(table)) {
        const [length, plainLength, crc] = added[count] as [number, number, number];
        assert.deepEqual(frame, {
          number: count,
          offset,
          length: paddedLength(length, alignBytes),
          plainOffset,
          plainLength,
          crc,
        });
        offset += frame.length;
        plainOffset += plainLength;
        count += 1;
      }
      assert.equal(count, added.length);
      assert.equal(offset, firstOffset + table.storedBytes);
      assert.equal(plainOffset, table.plainBytes);
    }),
  );
});

test('a padded length is the next multiple', () => {
  assert.deepEqual(
    [0, 1, 3, 4, 5].map((length) => paddedLength(length, 4)),
    [0, 4, 4, 4, 8],
  );
  assert.equal(paddedLength(0xffffffff, 1), 0xffffffff);
});

test('the largest frame counts its padding', () => {
  const table = createFrameTable(12, { alignBytes: 4 });
  assert.deepEqual(largestFrame(table), { storedBytes: 0, plainBytes: 0 });
  table.add(9, 100, 0);
  table.add(5, 200, 0);
  assert.deepEqual(largestFrame(table), { storedBytes: 12, plainBytes: 200 });
});

test('a table grows past its first thousand frames', () => {
  const table = createFrameTable(0);
  for (let frame = 0; frame < 5000; frame++) table.add(frame, 2 * frame, 3 * frame);
  assert.equal(table.count, 5000);
  for (const frame of [0, 1023, 1024, 2047, 2048, 4999]) {
    assert.deepEqual(
      [table.lengthOf(frame), table.plainLengthOf(frame), table.crcOf(frame)],
      [frame, 2 * frame, 3 * frame],
    );
  }
});

test('a table without CRCs gives none', () => {
  const table = createFrameTable(0, { hasCrc: false });
  table.add(1, 2, 3);
  assert.equal([...locateFrames(table)][0]?.crc, undefined);
});
