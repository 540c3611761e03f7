import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FilesystemFacts, UNKNOWN } from '../../src/device/filesystem.js';
import type { Gpt } from '../../src/device/gpt-move.js';
import type { Partition } from '../../src/device/partition-table.js';
import type { DiskLayout } from '../../src/sets/disk-layout.js';
import { fitDisk } from '../../src/sets/fit-disk.js';
import { MIB } from '../cli/program.js';

const SECTOR = 512;
/** What a table of 128 entries and its header take at the end. */
const BACKUP_BYTES = 33 * SECTOR;

interface Made {
  offset: number;
  sizeBytes: number;
  facts: Partial<FilesystemFacts>;
}

function layoutOf(sizeBytes: number, partitions: Made[], scheme: 'gpt' | 'mbr' | 'none' = 'gpt'): DiskLayout {
  const header = Buffer.alloc(SECTOR);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(34n, 40);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  const gpt: Gpt = {
    sectorBytes: SECTOR,
    mbr: Buffer.alloc(SECTOR),
    header,
    array: Buffer.alloc(128 * 128),
    arrayLba: 2,
    alternateLba: sizeBytes / SECTOR - 1,
    lastUsableLba: sizeBytes / SECTOR - 34,
    entries: partitions.map((made, index) => ({
      number: index + 1,
      firstLba: made.offset / SECTOR,
      lastLba: (made.offset + made.sizeBytes) / SECTOR - 1,
    })),
  };
  const listed = partitions.map(
    (made, index): Partition => ({
      number: index + 1,
      offset: made.offset,
      sizeBytes: made.sizeBytes,
      type: '0fc63daf-8483-4772-8e79-3d69d8477de4',
      uuid: undefined,
      name: '',
      role: 'linux',
    }),
  );
  const contents = partitions.map(({ facts }, index): [number, FilesystemFacts] => [
    index + 1,
    { ...UNKNOWN, ...facts },
  ]);
  return {
    sizeBytes,
    gpt: scheme === 'gpt' ? gpt : undefined,
    table: { scheme, sectorBytes: SECTOR, partitions: listed, metadata: [] },
    contents: new Map(contents),
    volumeGroups: new Map(),
    loaders: [],
  };
}

const PATH = '/dev/sdx';
const fit = (layout: DiskLayout, targetBytes: number, usedEndBytes: number, shrinkTail = true) =>
  fitDisk(layout, { path: PATH, targetBytes, usedEndBytes, shrinkTail });

const LVM = layoutOf(1024 * MIB, [{ offset: MIB, sizeBytes: 1000 * MIB, facts: { type: 'lvm-pv' } }]);

test('a disk of the same size needs nothing, a larger one the backup table at its end', () => {
  const same = fit(LVM, 1024 * MIB, 500 * MIB, false);
  assert.deepEqual([same.restoredBytes, same.move, same.shortened.size], [1024 * MIB, undefined, 0]);
  const larger = fit(LVM, 2048 * MIB, 500 * MIB, false);
  assert.equal(larger.restoredBytes, 1024 * MIB);
  assert.equal(larger.move?.lastUsableLba, (2048 * MIB) / SECTOR - 34);
});

test('a physical volume of LVM is never cut, however empty its end is', () => {
  const needed = 1001 * MIB + BACKUP_BYTES;
  assert.throws(() => fit(LVM, needed - SECTOR, 10 * MIB), {
    code: 'NO_SPACE',
    message: /partition 1 \(LVM physical volume\) cannot be cut/,
    hint: new RegExp(`${needed} bytes`),
  });
  assert.deepEqual(fit(LVM, needed, 10 * MIB).shortened, new Map());
  assert.throws(() => fit(LVM, needed, 10 * MIB, false), { code: 'NO_SPACE', hint: /--shrink-tail/ });
});

test('a file system that is smaller than its partition lets that be cut, down to its own size', () => {
  for (const type of ['ext4', 'xfs', 'vfat', 'swap'] as const) {
    const layout = layoutOf(1024 * MIB, [
      { offset: MIB, sizeBytes: 1000 * MIB, facts: { type, sizeBytes: 300 * MIB } },
    ]);
    const needed = 301 * MIB + BACKUP_BYTES;
    const fitted = fit(layout, needed, 200 * MIB);
    assert.deepEqual(fitted.shortened, new Map([[1, 300 * MIB]]));
    assert.equal(fitted.restoredBytes, needed);
    assert.throws(() => fit(layout, needed - SECTOR, 200 * MIB), { code: 'NO_SPACE' });
  }
});

test('what is not known, or has something at its end, is never cut', () => {
  for (const type of ['unknown', 'md', 'zfs', 'luks', 'btrfs'] as const) {
    const layout = layoutOf(1024 * MIB, [{ offset: MIB, sizeBytes: 900 * MIB, facts: { type, sizeBytes: 10 * MIB } }]);
    assert.throws(() => fit(layout, 900 * MIB, 20 * MIB), { code: 'NO_SPACE' }, type);
  }
  const unsized = layoutOf(1024 * MIB, [{ offset: MIB, sizeBytes: 900 * MIB, facts: { type: 'ext4' } }]);
  assert.throws(() => fit(unsized, 900 * MIB, 20 * MIB), { code: 'NO_SPACE' });
});

test('data behind all partitions counts as well', () => {
  const layout = layoutOf(1024 * MIB, [{ offset: MIB, sizeBytes: 100 * MIB, facts: {} }]);
  assert.throws(() => fit(layout, 500 * MIB, 600 * MIB), { code: 'NO_SPACE', message: /its data ends at 600\.0 MiB/ });
  assert.equal(fit(layout, 700 * MIB, 600 * MIB).restoredBytes, 700 * MIB);
});

test('without a table all of a disk is needed, and with an MBR all of each partition', () => {
  assert.throws(() => fit(layoutOf(1024 * MIB, [], 'none'), 1023 * MIB, MIB), { code: 'NO_SPACE' });
  const ext4 = { offset: MIB, sizeBytes: 500 * MIB, facts: { type: 'ext4' as const, sizeBytes: 10 * MIB } };
  const mbr = layoutOf(1024 * MIB, [ext4], 'mbr');
  assert.throws(() => fit(mbr, 500 * MIB, 20 * MIB), { code: 'NO_SPACE' });
  const fitted = fit(mbr, 501 * MIB, 20 * MIB);
  assert.deepEqual([fitted.restoredBytes, fitted.move], [501 * MIB, undefined]);
});
