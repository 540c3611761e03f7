import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFrameTable } from '../../src/format/frame-table.js';
import { RATIO_BUCKETS, ratioHistogram } from '../../src/format/ratio-histogram.js';

test('frames are counted by what is left of them, in sixteenths', () => {
  const table = createFrameTable(0);
  for (const length of [1, 255, 256, 2048, 4095, 4096, 5000]) table.add(length, 4096, 0);
  table.add(20, 0, 0);
  const counts = ratioHistogram(table);
  assert.equal(counts.length, RATIO_BUCKETS);
  assert.deepEqual([counts[0], counts[1], counts[8], counts[15]], [2, 1, 1, 3]);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    7,
  );
});
