import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Lvm, parseLvmReports, readLvm } from '../../src/device/lvm.js';

/**
 * Reports of LVM 2.03.16: "proxmox" and "snapshot" from a host with the installer's layout, without and with a thick
 * snapshot of root, cut to the fields in use; "two-disks" of a group with RAID, stripes, and volumes in several pieces.
 */
function fixture(name: string): string {
  return readFileSync(`test/device/fixtures/lvm/${name}.json`, 'utf8');
}

/** The report's rows changed, however it is laid out. */
function edited(name: string, change: (rows: Record<string, string>[]) => unknown[]): string {
  const { report } = JSON.parse(fixture(name)) as { report: Record<string, Record<string, string>[]>[] };
  const [kind, rows] = Object.entries(report[0] ?? {})[0] as [string, Record<string, string>[]];
  return JSON.stringify({ report: [{ [kind]: change(rows) }] });
}

function parsed(name: string): Lvm {
  return parseLvmReports(fixture(`vgs-${name}`), fixture(`pvs-${name}`), fixture(`lvs-${name}`));
}

function volume(lvm: Lvm, name: string) {
  const found = lvm.logical.find((candidate) => candidate.name === name);
  assert.ok(found, name);
  return found;
}

const MIB = 1024 ** 2;

test("the installer's layout: roles, places and sizes in bytes", () => {
  const lvm = parsed('proxmox');
  assert.deepEqual(lvm.groups, [
    {
      name: 'pve',
      uuid: '288gGU-1c89-qrS2-CaTh-dezd-56Bm-zYYpWR',
      seqno: 10,
      extentBytes: 4 * MIB,
      freeExtents: 317,
      sizeBytes: 8048869376,
    },
  ]);
  assert.deepEqual(lvm.physical, [
    {
      path: '/dev/vda3',
      uuid: 'pnRioR-10BT-3rcg-Dx1E-Ca3k-CoLe-97fP4W',
      vg: 'pve',
      dataOffset: MIB,
      sizeBytes: 8051998208,
      extentCount: 1919,
    },
  ]);
  assert.deepEqual(
    lvm.logical.map(({ name, role, pool, path, active }) => [name, role, pool, path, active]),
    [
      ['data', 'thin-pool', undefined, '', true],
      ['data_tdata', 'internal', 'data', '', true],
      ['data_tmeta', 'internal', 'data', '', true],
      ['lvol0_pmspare', 'internal', 'data', '', false],
      ['root', 'thick', undefined, '/dev/pve/root', true],
      ['swap', 'thick', undefined, '/dev/pve/swap', true],
      ['vm-100-disk-0', 'thin', 'data', '/dev/pve/vm-100-disk-0', true],
    ],
  );
  assert.deepEqual(volume(lvm, 'root').segments, [
    {
      logicalOffset: 0,
      sizeBytes: 4096 * MIB,
      type: 'linear',
      stripes: [{ pv: '/dev/vda3', startExtent: 64, extentCount: 1024 }],
    },
  ]);
  assert.deepEqual(volume(lvm, 'data').segments[0]?.stripes, []);
  assert.deepEqual(volume(lvm, 'vm-100-disk-0').segments[0]?.stripes, []);
  assert.equal(volume(lvm, 'vm-100-disk-0').snapPercent, undefined, 'a thin volume has 9.77 in that field');
});

test('a thick snapshot: its origin, tag, fill and the extents of its store', () => {
  const snapshot = volume(parsed('snapshot'), 'lifeboat_snap_root');
  assert.equal(snapshot.role, 'snapshot');
  assert.equal(snapshot.origin, 'root');
  assert.equal(snapshot.snapPercent, 0.02);
  assert.deepEqual(snapshot.tags, ['lifeboat_pid_1', 'lifeboat_snapshot']);
  assert.deepEqual(snapshot.segments[0]?.stripes, [{ pv: '/dev/vda3', startExtent: 1602, extentCount: 128 }]);
  const overflown = parseLvmReports(fixture('vgs-snapshot'), fixture('pvs-snapshot'), fixture('lvs-overflow'));
  assert.equal(volume(overflown, 'lifeboat_snap_root').snapPercent, 100);
  assert.equal(volume(overflown, 'root').role, 'thick');
});

test('volumes in pieces, on two disks, striped and mirrored', () => {
  const lvm = parsed('two-disks');
  assert.deepEqual(
    volume(lvm, 'root').segments.map(({ logicalOffset, stripes }) => [logicalOffset, stripes[0]?.startExtent]),
    [
      [0, 16],
      [208 * MIB, 76],
    ],
  );
  assert.deepEqual(
    volume(lvm, 'data_tdata').segments.map(({ stripes }) => stripes[0]?.pv),
    ['/dev/sda3', '/dev/sdb1'],
  );
  const stripy = volume(lvm, 'stripy');
  assert.equal(stripy.role, 'other');
  assert.deepEqual(stripy.segments[0]?.stripes, [
    { pv: '/dev/sda3', startExtent: 68, extentCount: 8 },
    { pv: '/dev/sdb1', startExtent: 0, extentCount: 8 },
  ]);
  assert.equal(volume(lvm, 'mirrored').role, 'other');
  assert.deepEqual(volume(lvm, 'mirrored').segments[0]?.stripes, []);
  assert.equal(volume(lvm, 'mirrored_rmeta_0').role, 'internal');
  assert.equal(volume(lvm, 'mirrored_rimage_1').pool, undefined);
  assert.equal(volume(lvm, 'data_tmeta').pool, 'data');
  assert.deepEqual(volume(lvm, 'tail').tags, ['host=a', 'mine']);
  const thinSnapshot = volume(lvm, 'snap_vm-100-disk-0_before');
  assert.equal(thinSnapshot.role, 'thin');
  assert.equal(thinSnapshot.origin, 'vm-100-disk-0');
  assert.equal(volume(lvm, 'snapsize').role, 'snapshot');
});

test('physical volumes of no group are left out', () => {
  const pvs = edited('pvs-proxmox', ([first]) => [
    first,
    { ...first, pv_name: '/dev/sdz', vg_name: '', pv_pe_count: '0', pv_pe_alloc_count: '0' },
  ]);
  assert.match(pvs, /sdz/);
  assert.equal(parseLvmReports(fixture('vgs-proxmox'), pvs, fixture('lvs-proxmox')).physical.length, 1);
  assert.deepEqual(
    parseLvmReports('{"report":[{"vg":[]}]}', '{"report":[{"pv":[]}]}', '{"report":[{"lv":[]}]}').logical,
    [],
  );
});

test('a report that is damaged or does not hold together is an error, never a guess', () => {
  const refuses = (changed: { vgs?: string; pvs?: string; lvs?: string }, words: RegExp) =>
    assert.throws(
      () =>
        parseLvmReports(
          changed.vgs ?? fixture('vgs-proxmox'),
          changed.pvs ?? fixture('pvs-proxmox'),
          changed.lvs ?? fixture('lvs-proxmox'),
        ),
      (error: unknown) => error instanceof Error && error.name === 'LifeboatError' && words.test(error.message),
      String(words),
    );
  const lvs = fixture('lvs-proxmox');
  const pvs = fixture('pvs-proxmox');
  refuses({ lvs: '' }, /report of lvs: it is no JSON/);
  refuses({ lvs: lvs.slice(0, -20) }, /no JSON/);
  refuses({ lvs: '{"report":[{"vg":[]}]}' }, /no list "seg"/);
  refuses({ vgs: '[]' }, /no "report"/);
  refuses({ pvs: pvs.replace('"1048576"', '"1.00m"') }, /"pe_start" is "1.00m", not a number/);
  refuses({ pvs: pvs.replace('"1048576"', '1048576') }, /"pe_start" is 1048576, not a text/);
  refuses({ pvs: pvs.replace('pe_start', 'pe_begin') }, /"pe_start" is undefined/);
  refuses({ pvs: pvs.replace('"pve"', '"other"') }, /no volume group "other"/);
  refuses({ pvs: pvs.replace('/dev/vda3', '/dev/vdb3') }, /no physical volume "\/dev\/vda3"/);
  refuses({ lvs: lvs.replace('/dev/vda3:64-1087', '/dev/vda3:64-') }, /no range of extents/);
  refuses({ lvs: lvs.replace('/dev/vda3:64-1087', '/dev/vda3:64-1086') }, /a segment of "root" has 4294967296 bytes/);
  refuses({ lvs: lvs.replace('/dev/vda3:64-1087', '/dev/vda3:63-1086') }, /extent 63 of \/dev\/vda3 is used twice/);
  refuses({ lvs: lvs.replace('/dev/vda3:64-1087', '/dev/vda3:1664-2687') }, /extent 2687 lies beyond the 1919/);
  refuses({ lvs: lvs.replace('data_tdata:0-511', 'data_gone:0-511') }, /lies on "data_gone", which is not listed/);
  refuses(
    { lvs: lvs.replaceAll('"lv_size": "4294967296"', '"lv_size": "4294967297"') },
    /its segments have 4294967296/,
  );
  const withoutRoot = edited('lvs-proxmox', (rows) => rows.filter((row) => row.lv_name !== 'root'));
  refuses({ lvs: withoutRoot }, /volumes have 578 extents on \/dev\/vda3, of which 1602 are in use/);
  refuses(
    { vgs: fixture('vgs-snapshot'), pvs: fixture('pvs-snapshot'), lvs: fixture('lvs-snapshot').replace('0.02', 'NaN') },
    /"snap_percent" is "NaN"/,
  );
});

test('reading it on this machine gives lists, or says what failed', async () => {
  const lvm = await readLvm().catch((error: unknown) => {
    // Inside a container lvm may be installed without any right to look at devices.
    assert.ok(error instanceof Error && error.name === 'LifeboatError', String(error));
    return undefined;
  });
  if (lvm !== undefined) assert.ok(Array.isArray(lvm.groups) && Array.isArray(lvm.logical));
});
