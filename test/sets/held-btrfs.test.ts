import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BootDisk } from '../../src/device/boot-disk.js';
import type { PartitionTable } from '../../src/device/partition-table.js';
import { LifeboatError } from '../../src/error.js';
import { heldBtrfs, refuseWithoutBtrfs } from '../../src/sets/held-btrfs.js';

const DISK: BootDisk = {
  name: 'nothing',
  path: '/dev/nothing',
  sizeBytes: 0,
  logicalSectorBytes: 512,
  model: undefined,
  serial: undefined,
  mounts: [{ mountpoint: '/', device: '/dev/nothing3', fsType: 'btrfs' }],
};
const TABLE: PartitionTable = { scheme: 'gpt', sectorBytes: 512, partitions: [], metadata: [] };

/** A file that is no btrfs in place of a partition, and where its copy would lie. */
function setUp(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-held-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const device = join(directory, 'device');
  writeFileSync(device, '');
  truncateSync(device, 1024 ** 2);
  const warned: string[] = [];
  const hold = (snapshot: 'auto' | 'lvm' | 'btrfs' | 'none', dryRun = false, signal = new AbortController().signal) =>
    heldBtrfs(
      device,
      { disk: DISK, snapshot, dryRun, scratchDirectory: directory, signal },
      { warn: (text) => warned.push(text), say: assert.fail },
    );
  return { directory, warned, hold };
}

test('auto goes on without, and says why; btrfs fails with the reason; neither leaves anything', async (t) => {
  const { directory, warned, hold } = setUp(t);
  assert.equal(await hold('auto'), undefined);
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /is not held still: .*has no superblock/);
  await assert.rejects(hold('btrfs'), (error) => error instanceof LifeboatError && /no superblock/.test(error.message));
  assert.deepEqual(readdirSync(directory), ['device']);
});

test('nothing is done where it is not wanted, nor in a dry run; a signal is no reason to go on without', async (t) => {
  const { warned, hold } = setUp(t);
  for (const [snapshot, dryRun] of [
    ['lvm', false],
    ['none', false],
    ['auto', true],
    ['btrfs', true],
  ] as const)
    assert.equal(await hold(snapshot, dryRun), undefined);
  await assert.rejects(hold('auto', false, AbortSignal.abort(new Error('stopped'))), /stopped/);
  assert.deepEqual(warned, []);
});

test('--snapshot btrfs is refused where no partition has a mounted one', () => {
  const options = { disk: DISK, dryRun: false, scratchDirectory: '/', signal: new AbortController().signal };
  assert.throws(() => refuseWithoutBtrfs({ ...options, snapshot: 'btrfs' }, TABLE), {
    code: 'FAILED',
    message: 'Cannot hold a btrfs still: none is mounted from a partition of "/dev/nothing"',
  });
  refuseWithoutBtrfs({ ...options, snapshot: 'auto' }, TABLE);
});
