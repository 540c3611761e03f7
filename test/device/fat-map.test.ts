import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { execa } from 'execa';
import { fatUsed } from '../../src/device/fat-map.js';
import { joinedRanges, parseDomainMap } from '../../src/device/used-blocks.js';

const MIB = 1024 * 1024;
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const programs = await Promise.all(
  ['mkfs.vfat --help', 'mcopy -V', 'command -v partclone.vfat'].map((line) =>
    execa('sh', ['-c', line], { reject: false, env: ENV }),
  ),
);
const skip = programs.some(({ failed }) => failed) ? 'needs dosfstools, mtools, partclone' : false;
const directory = mkdtempSync(join(tmpdir(), 'lifeboat-fat-map-'));
after(() => rmSync(directory, { recursive: true }));

function readerOf(bytes: Buffer) {
  return async (offset: number, length: number) => {
    assert.ok(offset + length <= bytes.length, `${offset}+${length}`);
    return Buffer.from(bytes.subarray(offset, offset + length));
  };
}

/** Of a table of which some clusters are free again, in the middle of others. */
async function madeFat(bits: number, sizeBytes: number): Promise<{ path: string; bytes: Buffer }> {
  const path = join(directory, `fat${bits}.img`);
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  await execa('mkfs.vfat', ['-F', String(bits), path], { env: ENV });
  for (const [name, length] of [
    ['first', 700_000],
    ['gone', 300_000],
    ['last', 1_234_567],
  ] as const) {
    writeFileSync(join(directory, name), Buffer.alloc(length, name));
    await execa('mcopy', ['-i', path, join(directory, name), `::/${name}`], { env: ENV });
  }
  await execa('mdel', ['-i', path, '::/gone'], { env: ENV });
  return { path, bytes: readFileSync(path) };
}

const FAT32 = {
  entryAt: (bytes: Buffer, cluster: number) => bytes.readUInt16LE(14) * 512 + 4 * cluster,
  bad: 0x0ffffff7,
};

for (const [bits, sizeBytes] of [
  [16, 40 * MIB],
  [32, 70 * MIB + 512],
] as const) {
  test(`what is in use of a FAT${bits} is what partclone says`, { skip }, async () => {
    const { path, bytes } = await madeFat(bits, sizeBytes);
    const used = await fatUsed(readerOf(bytes), sizeBytes, false);
    assert.ok(Array.isArray(used), String(used));
    const { stdout } = await execa('partclone.vfat', ['-D', '-s', path, '-o', '-', '-L', '/dev/null'], { env: ENV });
    assert.deepEqual(joinedRanges(used, sizeBytes), parseDomainMap(`${stdout}\n`, sizeBytes));
    assert.equal(used[0]?.offset, 0);
    // What was removed lies between two ranges.
    assert.ok(used.length >= 2);
  });
}

test('a cluster that one copy of the table has as taken is in use, one that is marked as bad is not', {
  skip,
}, async () => {
  const sizeBytes = 70 * MIB;
  const { bytes } = await madeFat(32, sizeBytes);
  const inUse = async () => {
    const used = await fatUsed(readerOf(bytes), sizeBytes, false);
    assert.ok(Array.isArray(used), String(used));
    return used.reduce((sum, { length }) => sum + length, 0);
  };
  const before = await inUse();
  const clusterBytes = bytes.readUInt8(13) * 512;
  const clusters = Math.floor((sizeBytes - 2 * 512 * bytes.readUInt32LE(36)) / clusterBytes) - 100;
  const [first, second] = [
    FAT32.entryAt(bytes, clusters),
    FAT32.entryAt(bytes, clusters) + bytes.readUInt32LE(36) * 512,
  ];
  assert.deepEqual([bytes.readUInt32LE(first), bytes.readUInt32LE(second)], [0, 0]);
  bytes.writeUInt32LE(0x0fffffff, second);
  assert.equal(await inUse(), before + clusterBytes);
  bytes.writeUInt32LE(FAT32.bad, first);
  bytes.writeUInt32LE(FAT32.bad, second);
  assert.equal(await inUse(), before);
  // Its upper four bits say nothing.
  bytes.writeUInt32LE(0xf0000000, second);
  assert.equal(await inUse(), before);
});

test('one that was not unmounted, or does not fit, has no map', { skip }, async () => {
  for (const [bits, sizeBytes, stateAt] of [
    [16, 40 * MIB, 37],
    [32, 70 * MIB, 65],
  ] as const) {
    const { bytes } = await madeFat(bits, sizeBytes);
    const dirty = Buffer.from(bytes);
    dirty.writeUInt8(1, stateAt);
    assert.equal(await fatUsed(readerOf(dirty), sizeBytes, false), 'it was not unmounted');
    assert.deepEqual(await fatUsed(readerOf(dirty), sizeBytes, true), await fatUsed(readerOf(bytes), sizeBytes, true));
    assert.match(
      String(await fatUsed(readerOf(bytes), sizeBytes / 2, false)),
      /^it ends at byte \d+, the device at \d+$/,
    );
    const small = Buffer.from(bytes);
    if (bits === 16) small.writeUInt16LE(1, 22);
    else small.writeUInt32LE(1, 36);
    assert.match(String(await fatUsed(readerOf(small), sizeBytes, false)), /no FAT16 or FAT32 whose table fits/);
  }
  const nothing = Buffer.alloc(MIB);
  assert.match(String(await fatUsed(readerOf(nothing), MIB, false)), /no FAT16 or FAT32/);
});
