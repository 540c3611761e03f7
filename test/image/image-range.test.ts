import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { imageRange } from '../../src/image/image-range.js';
import { openImageFile } from '../../src/image/open-image.js';
import { directory, diskBytes, fileOf, flip, imageOf, KIB, MIB, sameBytes } from '../cli/program.js';

const SIZE = 3 * MIB + 12_288;
const DISK = diskBytes(SIZE);
const { signal } = new AbortController();

for (const codec of ['zstd', 'gzip', 'xz', 'bzip2', 'none']) {
  test(`parts of what an image in ${codec} holds are read, across frames and blocks`, async (t) => {
    const base = directory(t);
    const path = await imageOf(fileOf(join(base, 'disk'), DISK), join(base, 'image'), '-c', codec, '--chunk', '256KiB');
    const image = await openImageFile(path, { engine: 'auto', raw: codec === 'none', salvage: false, signal });
    t.after(() => image.close());
    const read = imageRange(image, signal);
    const ranges = [
      [0, 512],
      [MIB - 1, 2],
      [256 * KIB - 3, 2 * MIB],
      [SIZE - 7, 7],
      [0, SIZE],
      [5, 0],
    ] as const;
    for (const [offset, length] of ranges)
      sameBytes(await read(offset, length), DISK.subarray(offset, offset + length), `${length} bytes at ${offset}`);
    await assert.rejects(read(SIZE - 1, 2), { code: 'FAILED', message: /it has \d+ bytes/ });
  });
}

test('a part that is damaged is an error, and the others are not', async (t) => {
  const base = directory(t);
  const path = await imageOf(fileOf(join(base, 'disk'), DISK), join(base, 'image'), '-c', 'zstd', '--chunk', '256KiB');
  writeFileSync(path, flip(readFileSync(path), 300));
  const image = await openImageFile(path, { engine: 'auto', raw: false, salvage: false, signal });
  t.after(() => image.close());
  const read = imageRange(image, signal);
  await assert.rejects(read(0, 512), { code: 'DAMAGE' });
  sameBytes(await read(2 * MIB, 4096), DISK.subarray(2 * MIB, 2 * MIB + 4096));
});
