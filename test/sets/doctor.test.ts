import assert from 'node:assert/strict';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BootFinding } from '../../src/device/boot-disk.js';
import { LifeboatError } from '../../src/error.js';
import { type Diagnosis, outlookOf, verdictOf } from '../../src/sets/doctor.js';
import { diagnosisInWords } from '../../src/sets/doctor-words.js';
import { largeThings } from '../../src/sets/large-things.js';
import { findRequirements } from '../../src/sets/requirements.js';
import { group, lvmOf, volume } from '../device/fake-lvm.js';

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;
const ROOT = volume('root', 8 * GIB);
/** The groups that have a physical volume on the disk itself. */
const PVE = new Set(['pve']);

function finding(root: Partial<BootFinding['root']> = {}, mounted: string[] = []): BootFinding {
  const device = root.device ?? '/dev/mapper/pve-root';
  const mount = (path: string, mountpoint: string) => ({ mountpoint, device: path, fsType: 'ext4' });
  return {
    disks: [
      {
        name: 'sda',
        path: '/dev/sda',
        sizeBytes: 64 * GIB,
        logicalSectorBytes: 512,
        model: 'Samsung SSD',
        serial: 'S6',
        mounts: [mount(device, '/'), ...mounted.map((path, at) => mount(path, `/mnt/${at}`))],
      },
    ],
    isBootDisk: true,
    root: { device, fsType: 'ext4', layout: 'lvm', ...root },
    bootMode: 'uefi',
    swaps: ['/dev/mapper/pve-swap'],
    esps: [
      { device: '/dev/sda2', mountpoint: '/boot/efi' },
      { device: '/dev/sdb2', mountpoint: undefined },
    ],
  };
}

test('with LVM and free extents an image is consistent', () => {
  const outlook = outlookOf(finding(), lvmOf([group(1000)], [ROOT, volume('swap', GIB)]), PVE);
  assert.deepEqual(outlook, {
    possible: true,
    volumes: [{ volume: 'pve/root', originBytes: 8 * GIB, roomBytes: 900 * 4 * MIB }],
  });
  assert.deepEqual(verdictOf(finding(), outlook, true).grade, 'consistent');
});

test('a mounted volume that can have no snapshot does not keep the root from one', () => {
  const thin = volume('vm-100', GIB, { role: 'thin', pool: 'data' });
  const outlook = outlookOf(finding({}, ['/dev/pve/vm-100']), lvmOf([group(1000)], [ROOT, thin]), PVE);
  assert.equal(outlook.possible && outlook.volumes.length, 1);
});

test('without a snapshot it is as after a power cut, and the reason is told', () => {
  const btrfs = finding({ layout: 'btrfs', fsType: 'btrfs', device: '/dev/sda3' });
  const mirror = { ...btrfs, disks: [...btrfs.disks, ...btrfs.disks] };
  const cases: [BootFinding, ReturnType<typeof lvmOf>, RegExp][] = [
    [finding(), lvmOf([group(3)], [ROOT]), /Cannot snapshot pve\/root: it takes 84.0 MiB/],
    [finding(), lvmOf([group(1000)], []), /lvs does not show \/dev\/mapper\/pve-root/],
    [finding(), lvmOf([group(1000)], [volume('root', GIB, { role: 'thin' })]), /it is a thin volume/],
    [finding({ layout: 'partition', device: '/dev/sda2' }), lvmOf([], []), /\/ is not on LVM \(\/dev\/sda2, ext4\)/],
    [mirror, lvmOf([], []), /\/ is not on LVM/],
  ];
  for (const [boot, lvm, words] of cases) {
    const verdict = verdictOf(boot, outlookOf(boot, lvm, PVE), true);
    assert.equal(verdict.grade, 'crash');
    assert.match(verdict.words, words);
  }
});

test('of a group behind RAID or encryption a snapshot is no use, and that is told', () => {
  const lvm = lvmOf([group(1000)], [ROOT]);
  const verdict = verdictOf(finding(), outlookOf(finding(), lvm, new Set()), true);
  assert.equal(verdict.grade, 'crash');
  assert.match(verdict.words, /pve\/root lies behind RAID or encryption/);
});

test('a btrfs on one disk needs no LVM', () => {
  const btrfs = finding({ layout: 'btrfs', fsType: 'btrfs', device: '/dev/sda3' });
  const outlook = outlookOf(btrfs, undefined, PVE);
  assert.deepEqual(outlook, { possible: true, volumes: [] });
  assert.equal(verdictOf(btrfs, outlook, false).grade, 'consistent');
});

test('what only root can see is unknown, not impossible', () => {
  const verdict = verdictOf(finding(), outlookOf(finding(), undefined, PVE), false);
  assert.deepEqual([verdict.grade, verdict.commands], ['unknown', ['sudo lifeboat doctor']]);
  const plain = finding({ layout: 'partition' });
  assert.equal(verdictOf(plain, outlookOf(plain, undefined, PVE), false).grade, 'crash');
});

test('a ZFS root and an unknown one are impossible, with what to type', () => {
  const zfs = finding({ layout: 'zfs', fsType: 'zfs', device: 'rpool/ROOT/pve-1' });
  const verdict = verdictOf(zfs, outlookOf(zfs, lvmOf([], []), PVE), true);
  assert.equal(verdict.grade, 'impossible');
  assert.equal(verdict.commands[0], 'zfs snapshot -r rpool@lifeboat');
  const unknown = verdictOf(
    new LifeboatError('FAILED', 'it is overlay', { hint: '--disk' }),
    outlookOf(undefined, undefined, PVE),
    true,
  );
  assert.deepEqual(unknown, { grade: 'impossible', words: 'it is overlay', commands: ['--disk'] });
});

const DIAGNOSIS: Diagnosis = {
  hostname: 'pve1',
  isRoot: true,
  node: { version: '20.19.2', isEnough: true },
  memory: { totalBytes: 8 * GIB, availableBytes: 4 * GIB },
  boot: finding(),
  groups: [{ name: 'pve', sizeBytes: 60 * GIB, freeBytes: 4 * GIB, freeExtents: 1024 }],
  snapshots: { possible: true, volumes: [{ volume: 'pve/root', originBytes: 8 * GIB, roomBytes: 3 * GIB }] },
  leftOut: [{ what: 'swap /dev/mapper/pve-swap', bytes: GIB }],
  large: [{ path: '/var/lib/vz/dump', bytes: 9 * GIB, files: 3, complete: false }],
  requirements: [
    { name: 'sgdisk', found: true, wanted: true, cost: 'x', install: 'apt install gdisk' },
    { name: 'partclone.ext4', found: false, wanted: true, cost: 'all is read', install: 'apt install partclone' },
    { name: 'efibootmgr', found: false, wanted: false, cost: 'x', install: 'apt install efibootmgr' },
  ],
  schedule: {
    configPath: '/etc/lifeboat/config.toml',
    hasConfig: true,
    target: '/mnt/nas',
    newest: { path: '/mnt/nas/pve1/2026-11-20T20-30-00Z', time: '2026-11-20T20:30:00Z', verifiedAt: undefined },
    callers: ['vzdump (/etc/vzdump.conf)'],
    problems: ['mail cannot be sent'],
  },
  gpus: undefined,
  unseen: [],
  verdict: { grade: 'consistent', words: 'lifeboat boot can do it', commands: [] },
};

test('a diagnosis reads as it should', () => {
  assert.deepEqual(diagnosisInWords(DIAGNOSIS), [
    'Boot disk /dev/sda: Samsung SSD, serial S6, 64.0 GiB, sectors of 512 bytes',
    '  / (/dev/mapper/pve-root, ext4)',
    'Boots by UEFI; / is /dev/mapper/pve-root (ext4, layout lvm)',
    'EFI system partitions: /dev/sda2 (/boot/efi), /dev/sdb2 (not mounted)',
    'Swap: /dev/mapper/pve-swap',
    'Volume group pve: 60.0 GiB, of it free 4.0 GiB (1024 extents)',
    'Snapshots:',
    '  pve/root, 8.0 GiB: 3.0 GiB for what changes meanwhile',
    'Left out of the image:',
    '  swap /dev/mapper/pve-swap, 1.0 GiB',
    'Large on the root file system, and so in the image:',
    '  /var/lib/vz/dump: at least 9.0 GiB in 3 files',
    'Found: sgdisk',
    'Missing:',
    '  partclone.ext4: all is read (apt install partclone)',
    'Host pve1: node 20.19.2; memory 8.0 GiB, available 4.0 GiB',
    'Configuration /etc/lifeboat/config.toml',
    '  sets go to /mnt/nas',
    '  newest: /mnt/nas/pve1/2026-11-20T20-30-00Z, not verified',
    '  runs are started by vzdump (/etc/vzdump.conf)',
    '  problem: mail cannot be sent',
    '',
    'Lifeboat boot can do it',
  ]);
});

test('what is amiss with the host is said, and what could not be seen', () => {
  const words = diagnosisInWords({
    ...DIAGNOSIS,
    isRoot: false,
    boot: undefined,
    node: { version: '18.1.0', isEnough: false },
    memory: { totalBytes: GIB, availableBytes: 100 * MIB },
    snapshots: { possible: false, reason: 'no LVM', hint: undefined },
    schedule: {
      configPath: '/etc/lifeboat/config.toml',
      hasConfig: false,
      target: undefined,
      newest: undefined,
      callers: [],
      problems: [],
    },
    unseen: ['LVM: that takes root'],
    verdict: { grade: 'crash', words: 'as it is', commands: ['do this'] },
  }).join('\n');
  assert.match(words, /node 18\.1\.0, which is too old/);
  assert.match(words, /available 100\.0 MiB, which is little/);
  assert.match(
    words,
    /there is no \/etc\/lifeboat\/config\.toml\n {2}no directory for sets .*\n {2}nothing starts a run: /,
  );
  assert.match(
    words,
    /not run as root\nConfiguration[\s\S]*\nNot seen:\n {2}LVM: that takes root\n\nAs it is\n {2}do this$/,
  );
  assert.match(words, /Snapshots:\n {2}none: no LVM/);
});

test('graphics cards are shown where their package is, and why there are none', () => {
  const card = {
    vendor: 'x',
    hasTimestamps: true,
    maxBufferBytes: 4 * GIB,
    isReachable: true,
    speed: undefined,
    problem: undefined,
  };
  const gpus = [
    { ...card, index: 0, name: 'NVIDIA H200', isSoftware: false, maxBindingBytes: 2 * GIB },
    { ...card, index: 1, name: 'llvmpipe', isSoftware: true, maxBindingBytes: GIB },
  ];
  const words = (survey: Diagnosis['gpus']) => diagnosisInWords({ ...DIAGNOSIS, gpus: survey }).join('\n');
  assert.match(
    words({ gpus, reason: undefined }),
    /^ {2}0: NVIDIA H200, buffers of at most 2\.0 GiB\n {2}1: llvmpipe, software/m,
  );
  assert.match(words({ gpus: [], reason: 'no driver' }), /^Graphics cards: no driver$/m);
});

function tree(t: TestContext, files: Record<string, number>): string {
  const root = mkdtempSync(join(tmpdir(), 'lifeboat-large-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), Buffer.alloc(bytes, 1));
  }
  return root;
}

test('large things are counted as they lie on the disk, the largest first', async (t) => {
  const root = tree(t, {
    'var/lib/vz/template/iso/debian.iso': 2 * MIB,
    'var/lib/vz/dump/vzdump-qemu-100.vma.zst': 3 * MIB,
    'var/lib/vz/dump/deeper/more': 2 * MIB,
    'var/lib/vz/images/small': 1000,
    'usr/lib/large': 9 * MIB,
  });
  linkSync(join(root, 'var/lib/vz/dump/deeper/more'), join(root, 'var/lib/vz/dump/again'));
  symlinkSync('/usr', join(root, 'var/lib/vz/dump/elsewhere'));
  const found = await largeThings({ root, leastBytes: MIB });
  assert.deepEqual(found, [
    { path: '/var/lib/vz/dump', bytes: 5 * MIB, files: 2, complete: true },
    { path: '/var/lib/vz/template/iso', bytes: 2 * MIB, files: 1, complete: true },
  ]);
  assert.deepEqual(await largeThings({ root, leastBytes: 100 * MIB }), []);
});

test('the walk is bounded, and says that it was cut short', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`var/log/${at}`, 8192]));
  const root = tree(t, files);
  const [log] = await largeThings({ root, leastBytes: 1, mostEntries: 5 });
  assert.deepEqual(log, { path: '/var/log', bytes: 5 * 8192, files: 5, complete: false });
  assert.deepEqual(await largeThings({ root, leastBytes: 1, limitMs: -1 }), []);
  await assert.rejects(largeThings({ root, signal: AbortSignal.abort(new Error('stopped')) }), /stopped/);
});

test('programs and libraries are found, and wanted where they are of use', (t) => {
  const directory = tree(t, {});
  writeFileSync(join(directory, 'sgdisk'), '', { mode: 0o755 });
  writeFileSync(join(directory, 'sfdisk'), '', { mode: 0o644 });
  const host = { layout: 'partition', bootMode: 'bios', isProxmox: false, usesBootTool: false } as const;
  const of = (name: string, kind = host as Parameters<typeof findRequirements>[0]) =>
    findRequirements(kind, [directory]).find((requirement) => requirement.name === name);
  assert.equal(of('sgdisk')?.found, true);
  assert.equal(of('partclone.ext4')?.found, false);
  assert.equal(of('partclone.ext4')?.wanted, true);
  assert.equal(of('partclone.ext4')?.install, 'apt install partclone');
  assert.deepEqual(
    ['lvs', 'efibootmgr', 'proxmox-boot-tool', 'libsqlite3-0'].map((name) => of(name)?.wanted),
    [false, false, false, false],
  );
  const proxmox = { layout: 'lvm', bootMode: 'uefi', isProxmox: true, usesBootTool: true } as const;
  assert.deepEqual(
    ['lvs', 'efibootmgr', 'proxmox-boot-tool', 'libsqlite3-0'].map((name) => of(name, proxmox)?.wanted),
    [true, true, true, true],
  );
});
