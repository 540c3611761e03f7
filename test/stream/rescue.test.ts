import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReadError } from '../../src/stream/read-at.js';
import { type BadRange, createRescuer, type ReadFunction } from '../../src/stream/rescue.js';
import { patterned } from './machine.js';

const SECTOR = 512;
const KIB64 = 64 * 1024;
const nothing = { fd: -1, directFd: undefined };

interface FakeDisk {
  read: ReadFunction;
  contents: Buffer;
  tries: { offset: number; length: number }[];
}

/** A disk in memory of which some sectors cannot be read: a read fails where it meets the first one. */
function fakeDisk(sectors: number, isBad: (sector: number) => boolean): FakeDisk {
  const contents = patterned(sectors * SECTOR);
  const tries: { offset: number; length: number }[] = [];
  return {
    contents,
    tries,
    async read(_file, into, offset, length) {
      tries.push({ offset, length });
      for (let at = offset - (offset % SECTOR); at < offset + length; at += SECTOR) {
        if (isBad(at / SECTOR)) throw new ReadError(new Error('EIO'), at, Math.max(0, at - offset));
      }
      return contents.copy(into, 0, offset, Math.min(offset + length, contents.length));
    },
  };
}

const within = (ranges: BadRange[], sector: number) =>
  ranges.some(({ offset, length }) => sector * SECTOR >= offset && (sector + 1) * SECTOR <= offset + length);

async function rescueAll(disk: FakeDisk, pieceBytes = disk.contents.length) {
  const rescuer = createRescuer(SECTOR, disk.read);
  const into = Buffer.alloc(disk.contents.length, 0xee);
  for (let at = 0; at < into.length; at += pieceBytes) {
    const length = Math.min(pieceBytes, into.length - at);
    await rescuer.rescue(nothing, into.subarray(at, at + length), at, length);
  }
  return { into, bad: rescuer.badRanges() };
}

test('scattered bad sectors are found exactly, all others are read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat({ max: 1023 }), { maxLength: 7 }), async (places) => {
      const disk = fakeDisk(1024, (sector) => places.includes(sector));
      const { into, bad } = await rescueAll(disk);
      for (let sector = 0; sector < 1024; sector++) {
        assert.equal(within(bad, sector), places.includes(sector), `sector ${sector}`);
        const [start, end] = [sector * SECTOR, (sector + 1) * SECTOR];
        const expected = places.includes(sector) ? Buffer.alloc(SECTOR) : disk.contents.subarray(start, end);
        assert.ok(into.subarray(start, end).equals(expected));
      }
      assert.equal(
        bad.reduce((sum, { length }) => sum + length, 0),
        places.length * SECTOR,
      );
    }),
    { numRuns: 50 },
  );
});

test('bad sectors are never saved as anything but zeros and always listed, however many there are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 1023 }), fc.integer({ min: 1, max: 200 })), { maxLength: 6 }),
      fc.constantFrom(1, 3, 16).map((blocks) => blocks * KIB64),
      async (stretches, pieceBytes) => {
        const isBad = (sector: number) => stretches.some(([from, count]) => sector >= from && sector < from + count);
        const disk = fakeDisk(1024, isBad);
        const { into, bad } = await rescueAll(disk, pieceBytes);
        for (let sector = 0; sector < 1024; sector++) {
          const [start, end] = [sector * SECTOR, (sector + 1) * SECTOR];
          const listed = within(bad, sector);
          if (isBad(sector)) assert.ok(listed, `sector ${sector}`);
          const expected = listed ? Buffer.alloc(SECTOR) : disk.contents.subarray(start, end);
          assert.ok(into.subarray(start, end).equals(expected));
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('it is tried in pieces of 64 KiB first, and by sectors only where one fails', async () => {
  const disk = fakeDisk(512, (sector) => sector === 130);
  await rescueAll(disk);
  const large = disk.tries.filter(({ length }) => length === KIB64).map(({ offset }) => offset / KIB64);
  const sectors = disk.tries.filter(({ length }) => length === SECTOR).map(({ offset }) => offset / SECTOR);
  assert.deepEqual(large, [0, 1, 2, 3]);
  assert.deepEqual(
    sectors,
    Array.from({ length: 128 }, (_, i) => 128 + i),
  );
  assert.equal(disk.tries.length, large.length + sectors.length);
});

test('after 8 failures in a row it skips ahead, twice as far each time', async () => {
  const disk = fakeDisk(4096, (sector) => sector >= 128);
  const { bad } = await rescueAll(disk);
  const failed = disk.tries.filter(({ length }) => length === SECTOR).map(({ offset }) => offset / SECTOR);
  const expected = [128, 129, 130, 131, 132, 133, 134, 135];
  for (let skip = 1, at = 135; ; skip *= 2) {
    at += skip + 1;
    if (at >= 4096) break;
    expected.push(at);
  }
  assert.deepEqual(failed, expected);
  assert.deepEqual(bad, [{ offset: 128 * SECTOR, length: (4096 - 128) * SECTOR }]);
});

test('a disk that is gone altogether costs few tries, whatever its size', async () => {
  const disk = fakeDisk(64 * 1024, () => true);
  await rescueAll(disk, 1024 * 1024);
  assert.ok(disk.tries.length < 60, `${disk.tries.length} tries`);
});

test('something that can be read ends the skipping', async () => {
  const isBad = (sector: number) => (sector >= 0 && sector < 9) || sector === 300;
  const disk = fakeDisk(512, isBad);
  const { bad } = await rescueAll(disk);
  // Sectors 0 to 7 fail, 8 is skipped, 9 is read; the next failure is a first one again.
  assert.deepEqual(bad, [
    { offset: 0, length: 9 * SECTOR },
    { offset: 300 * SECTOR, length: SECTOR },
  ]);
});

test('neighbouring ranges are joined, also over the border of two chunks, and told in order', async () => {
  const disk = fakeDisk(512, (sector) => sector >= 126 && sector < 131);
  const { bad } = await rescueAll(disk, KIB64);
  assert.deepEqual(bad, [{ offset: 126 * SECTOR, length: 5 * SECTOR }]);
});

test('chunks that fail in another order than that of the source give the same ranges in order', async () => {
  const disk = fakeDisk(512, (sector) => sector === 10 || sector === 300);
  const rescuer = createRescuer(SECTOR, disk.read);
  const into = Buffer.alloc(disk.contents.length);
  await Promise.all(
    [2, 0, 3, 1].map((piece) =>
      rescuer.rescue(nothing, into.subarray(piece * KIB64, (piece + 1) * KIB64), piece * KIB64, KIB64),
    ),
  );
  assert.deepEqual(rescuer.badRanges(), [
    { offset: 10 * SECTOR, length: SECTOR },
    { offset: 300 * SECTOR, length: SECTOR },
  ]);
});

test('what lies before a stretch that is skipped is still read', async () => {
  const disk = fakeDisk(512, (sector) => sector === 10 || sector >= 400);
  const rescuer = createRescuer(SECTOR, disk.read);
  const into = Buffer.alloc(disk.contents.length);
  // Four reads are in flight: the later chunk may well be the first to fail.
  await rescuer.rescue(nothing, into.subarray(3 * KIB64), 3 * KIB64, KIB64);
  await rescuer.rescue(nothing, into.subarray(0, KIB64), 0, KIB64);
  assert.deepEqual(rescuer.badRanges()[0], { offset: 10 * SECTOR, length: SECTOR });
  assert.ok(into.subarray(0, 10 * SECTOR).equals(disk.contents.subarray(0, 10 * SECTOR)));
});

test('rescues go one after another: a failing disk gets one request at a time', async () => {
  let active = 0;
  const rescuer = createRescuer(SECTOR, async (_file, _into, _offset, length) => {
    assert.equal(++active, 1);
    await new Promise((resolve) => setImmediate(resolve));
    active -= 1;
    return length;
  });
  const into = Buffer.alloc(4 * KIB64);
  await Promise.all([0, 1, 2, 3].map((i) => rescuer.rescue(nothing, into.subarray(i * KIB64), i * KIB64, KIB64)));
});

test('an error that is no read error ends the rescue, and the next one still works', async () => {
  let calls = 0;
  const rescuer = createRescuer(SECTOR, async (_file, _into, _offset, length) => {
    if (calls++ === 0) throw new TypeError('a defect of ours');
    return length;
  });
  await assert.rejects(rescuer.rescue(nothing, Buffer.alloc(KIB64), 0, KIB64), TypeError);
  await rescuer.rescue(nothing, Buffer.alloc(KIB64), 0, KIB64);
  assert.deepEqual(rescuer.badRanges(), []);
});

test('reads are aligned as the disk wants it', async () => {
  const seen = new Set<number | undefined>();
  const rescuer = createRescuer(4096, async (file, _into, offset, length) => {
    seen.add(file.alignmentBytes);
    if (offset === 0) throw new ReadError(new Error('EIO'), offset, 0);
    return length;
  });
  await rescuer.rescue(nothing, Buffer.alloc(KIB64), 0, KIB64);
  assert.deepEqual([...seen], [4096]);
  assert.deepEqual(rescuer.badRanges(), [{ offset: 0, length: 4096 }]);
});

test('the last sector of an odd source is rescued at its own length', async () => {
  const disk = fakeDisk(130, (sector) => sector === 128);
  const rescuer = createRescuer(SECTOR, disk.read);
  const length = 129 * SECTOR + 100;
  const into = Buffer.alloc(length);
  await rescuer.rescue(nothing, into, 0, length);
  assert.deepEqual(rescuer.badRanges(), [{ offset: 128 * SECTOR, length: SECTOR }]);
  assert.ok(into.subarray(129 * SECTOR).equals(disk.contents.subarray(129 * SECTOR, length)));
});
