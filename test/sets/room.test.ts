import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRoom, estimateRoom, refuseLittleRoom } from '../../src/sets/room.js';

const GIB = 1024 ** 3;
const EXT4 = { type: 0xef53, blockBytes: 4096, availableBlocks: GIB / 4096 };
const FAT = { type: 0x4d44, blockBytes: 4096, availableBlocks: (100 * GIB) / 4096 };

test('judged by the newest set, whatever their order, and a fifth more', () => {
  const estimate = estimateRoom(
    [
      { time: new Date(2), sizeBytes: 100, imageSizeBytes: 90 },
      { time: new Date(3), sizeBytes: 1000, imageSizeBytes: 900 },
      { time: new Date(1), sizeBytes: 10, imageSizeBytes: 9 },
    ],
    5,
  );
  assert.deepEqual([estimate.setBytes, estimate.imageBytes], [1200, 1080]);
});

test('the first set is judged by what is in use', () => {
  const estimate = estimateRoom([], 3 * GIB + 1);
  assert.equal(estimate.setBytes, 1.5 * GIB + 1);
  assert.match(estimate.basis, /half of the 3\.0 GiB in use/);
});

test('too little is refused with both figures and what they come from', () => {
  const estimate = estimateRoom([{ time: new Date(1), sizeBytes: 2 * GIB, imageSizeBytes: GIB / 2 }], 0);
  assert.throws(() => refuseLittleRoom('/nas', estimate, EXT4), {
    code: 'NO_SPACE',
    exitStatus: 14,
    message:
      'Cannot put a set in "/nas": it will take some 2.4 GiB (2576980378 bytes) (the last set of this disk, 2.0 GiB, ' +
      'and a fifth more), and 1.0 GiB (1073741824 bytes) are free',
  });
  refuseLittleRoom('/nas', { setBytes: GIB, imageBytes: GIB, basis: '' }, EXT4);
});

test('FAT is refused for its limit where the image will not fit into a file', () => {
  const estimate = { setBytes: 5 * GIB, imageBytes: 4 * GIB, basis: '' };
  assert.throws(() => refuseLittleRoom('/usb', estimate, FAT), {
    code: 'NO_SPACE',
    message: /FAT holds files below 4 GiB/,
  });
  refuseLittleRoom('/usb', { ...estimate, imageBytes: 4 * GIB - 1 }, FAT);
});

test('a real directory has room for little, and none for everything', async () => {
  await checkRoom('/tmp', { setBytes: 1, imageBytes: 1, basis: '' });
  await assert.rejects(checkRoom('/tmp', { setBytes: 2 ** 52, imageBytes: 1, basis: '' }), { code: 'NO_SPACE' });
  await assert.rejects(checkRoom('/no/such', { setBytes: 1, imageBytes: 1, basis: '' }), { code: 'FAILED' });
});
