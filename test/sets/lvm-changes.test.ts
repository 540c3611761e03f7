import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogicalVolume, Lvm } from '../../src/device/lvm.js';
import { SNAPSHOT_TAG } from '../../src/device/lvm-snapshot.js';
import { lvmChanges } from '../../src/sets/lvm-changes.js';

const PVE = new Set(['pve']);

function volume(name: string, more: Partial<LogicalVolume> = {}): LogicalVolume {
  const common = { vg: 'pve', uuid: name, path: `/dev/pve/${name}`, role: 'thick' as const, sizeBytes: 1024 };
  const rest = { pool: undefined, origin: undefined, tags: [], active: true, snapPercent: undefined, segments: [] };
  return { name, ...common, ...rest, ...more };
}

function lvm(seqno: number, logical: LogicalVolume[]): Lvm {
  const group = { name: 'pve', uuid: 'pve', seqno, extentBytes: 4096, freeExtents: 0, sizeBytes: 0 };
  return { groups: [group], physical: [], logical };
}

const root = volume('root');
const snapshot = volume('lifeboat-root-1', { role: 'snapshot', tags: [SNAPSHOT_TAG], origin: 'root' });

test('our own snapshots are no change', () => {
  const before = lvm(10, [root]);
  assert.equal(lvmChanges(before, lvm(10, [root]), PVE, []), undefined);
  assert.equal(lvmChanges(before, lvm(12, [root, snapshot]), PVE, [{ origin: root }]), undefined);
});

test('volumes made, removed or resized meanwhile are named so', () => {
  const before = lvm(10, [root]);
  for (const logical of [[root, volume('new')], [], [volume('root', { sizeBytes: 2048 })]])
    assert.match(
      lvmChanges(before, lvm(12, logical), PVE, []) ?? '',
      /^volumes were made, removed or resized in the group pve .* from 10 to 12, 0 of that by our snapshots/,
    );
});

test('metadata that moved by more than our snapshots is a change, in the groups that matter only', () => {
  const now = lvm(15, [root, snapshot]);
  assert.match(lvmChanges(lvm(10, [root]), now, PVE, [{ origin: root }]) ?? '', /^LVM's metadata changed .* 2 of that/);
  assert.equal(lvmChanges(lvm(10, [root]), now, new Set(['other']), []), undefined);
});
