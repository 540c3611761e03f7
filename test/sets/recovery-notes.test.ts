import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { recoveryNotes } from '../../src/sets/recovery-notes.js';
import { manifestOf } from './fake-set.js';
import { filesystem, hostFactsOf, notesFactsOf } from './notes-facts.js';

/** The section whose heading begins so. */
function section(notes: string, heading: string): string {
  const start = notes.indexOf(`\n## ${heading}`);
  assert.ok(start >= 0, `there is no section ${heading}`);
  const end = notes.indexOf('\n## ', start + 1);
  return notes.slice(start, end < 0 ? undefined : end);
}

/** What is set in by four blanks, without that. */
function commandsOf(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .map((line) => line.slice(4))
    .join('\n');
}

const has = (text: string, part: string) => assert.ok(text.includes(part), `"${part}" is not in:\n${text}`);

test('the disk, by the names and sizes of this very host', () => {
  const notes = recoveryNotes(notesFactsOf());
  assert.match(notes, /^# How to bring pve1 back\n/);
  has(notes, 'Samsung SSD 870');
  const before = commandsOf(section(notes, '1.'));
  has(before, 'mount -t nfs -o ro nas:/export/backup /mnt/sets');
  has(before, 'cd /mnt/sets/sets/pve1/2026-11-20T20-30-00Z');
  has(before, '# at least 8589934592');
  has(before, '# must be 512');
  const byHand = commandsOf(section(notes, '4.'));
  has(byHand, 'zstd -dc boot-disk.img.zst | dd of="$DISK" bs=4M iflag=fullblock conv=fsync status=progress');
  has(byHand, 'sgdisk -e "$DISK"');
  for (const uuid of ['A1B2-C3D4', '33333333-3333-4333-8333-333333333333', 'aaaaaaaa-0000-4000-8000-000000000001'])
    has(section(notes, '10.'), uuid);
  has(section(notes, '10.'), 'UUID=A1B2-C3D4 /boot/efi vfat');
});

test('the warnings that nobody thinks of at night', () => {
  const notes = recoveryNotes(notesFactsOf());
  const flat = notes.replace(/\s+/g, ' ');
  has(flat, 'Old and restored disk have the same partition, LVM and file system UUIDs');
  has(flat, 'keep them as safe as the host itself');
  has(flat, '**Disks of guests are NOT in this set**');
});

test('every command is one that a shell understands', async () => {
  const variants = [
    notesFactsOf(),
    notesFactsOf({ place: undefined }),
    notesFactsOf({
      host: hostFactsOf({ bootMode: 'bios', efi: undefined }),
      manifest: manifestOf({ bootMode: 'bios' }),
    }),
    notesFactsOf({ host: hostFactsOf({ efi: undefined, proxmoxBootUuids: ['A1B2-C3D4'] }) }),
    notesFactsOf({
      manifest: manifestOf({ hostname: "it's $(reboot) `reboot`", codec: 'none', image: 'boot-disk.img' }),
    }),
  ];
  for (const facts of variants) {
    const notes = recoveryNotes(facts);
    for (const heading of ['1.', '2.', '3.', '4.', '5.', '6.', '7.', '9.']) {
      const { failed, stderr } = await execa('sh', ['-n', '-c', commandsOf(section(notes, heading))], {
        reject: false,
      });
      assert.ok(!failed, `${heading}: ${stderr}`);
    }
  }
});

test('UEFI: the entry that this host was started by', () => {
  const boot = commandsOf(section(recoveryNotes(notesFactsOf()), '5.'));
  has(boot, 'efibootmgr --create --disk "$DISK" --part 2 --label proxmox --loader \'\\EFI\\proxmox\\shimx64.efi\'');
  has(boot, 'mount /dev/pve/root /mnt');
  has(boot, 'mount "$PART"2 /mnt/boot/efi');
  has(boot, 'grub-install --target=x86_64-efi');
});

test('UEFI without known entries: how to find the loader', () => {
  const boot = commandsOf(section(recoveryNotes(notesFactsOf({ host: hostFactsOf({ efi: undefined }) })), '5.'));
  has(boot, "find /mnt/EFI -iname '*.efi'");
  has(boot, '--part 2 --label pve1');
});

test('proxmox-boot-tool keeps the ESPs, where this host used it', () => {
  const esps = [{ path: '/dev/sda2', uuid: 'A1B2-C3D4', partitionUuid: undefined, mountpoint: undefined }];
  const host = hostFactsOf({ proxmoxBootUuids: ['A1B2-C3D4'], esps });
  const boot = commandsOf(section(recoveryNotes(notesFactsOf({ host })), '5.'));
  has(boot, 'proxmox-boot-tool init "$PART"2');
  assert.doesNotMatch(boot, /grub-install|boot\/efi/);
});

test('BIOS: nothing about EFI', () => {
  const host = hostFactsOf({ bootMode: 'bios', efi: undefined, esps: [] });
  const boot = section(recoveryNotes(notesFactsOf({ host, manifest: manifestOf({ bootMode: 'bios' }) })), '5.');
  has(boot, 'grub-install "$DISK"');
  assert.doesNotMatch(boot, /efibootmgr|efivarfs|x86_64-efi/);
});

test('snapshots of ours in a restored btrfs: what removes them', async () => {
  const facts = { ...notesFactsOf(), partitionFacts: new Map([[3, filesystem('btrfs', 'u')]]) };
  const start = commandsOf(section(recoveryNotes(facts), '5.'));
  has(start, 'mount -o subvolid=5 "$PART"3 /mnt\nbtrfs subvolume delete /mnt/.lifeboat-*-*-*-*\numount /mnt');
  await execa('sh', ['-n', '-c', start]);
  const crash = recoveryNotes({ ...facts, manifest: manifestOf({ consistency: 'crash' }) });
  for (const notes of [crash, recoveryNotes(notesFactsOf())]) assert.doesNotMatch(notes, /subvolume delete/);
});

test('guests left out: the lines that make the pool anew, with its sizes', () => {
  const guests = commandsOf(section(recoveryNotes(notesFactsOf()), '6.'));
  has(guests, 'lvremove --force --force --yes pve/data');
  has(guests, 'lvcreate --type thin-pool --extents 512 --poolmetadatasize 4194304b --name data pve');
  has(guests, 'in it: vm-100-disk-0');
});

test('a pool that the host itself lives on is never removed', () => {
  const facts = notesFactsOf();
  const host = hostFactsOf({ root: { device: '/dev/mapper/pve-vm--100--disk--0', fsType: 'ext4', uuid: undefined } });
  assert.doesNotMatch(recoveryNotes({ ...facts, host }), /lvremove/);
  const mounted = hostFactsOf({
    blockDevices: [
      {
        path: '/dev/mapper/pve-vm--100--disk--0',
        kind: 'lvm',
        sizeBytes: 1,
        fsType: 'ext4',
        uuid: undefined,
        label: undefined,
        partitionType: undefined,
        partitionUuid: undefined,
        mountpoints: ['/srv'],
        disks: ['/dev/sda'],
      },
    ],
  });
  assert.doesNotMatch(recoveryNotes({ ...facts, host: mounted }), /lvremove/);
});

test('no lines that remove volumes where guests are in the image, or there were none', () => {
  for (const guests of ['included', 'none'] as const)
    assert.doesNotMatch(recoveryNotes(notesFactsOf({ manifest: manifestOf({ guests }) })), /lvremove|lvcreate/);
});

test('volume groups of other disks are not spoken of', () => {
  assert.doesNotMatch(recoveryNotes(notesFactsOf()), /other\/backup|other-uuid/);
});

test('a larger disk: what has to grow, from the partition to the root file system', () => {
  const grow = commandsOf(section(recoveryNotes(notesFactsOf()), '7.'));
  for (const line of [
    `echo ', +' | sfdisk --no-reread --force -N 3 "$DISK"`,
    'pvresize "$PART"3',
    'lvextend --resizefs --size +20G /dev/pve/root',
  ])
    has(grow, line);
  const plain = notesFactsOf({
    lvm: { groups: [], physical: [], logical: [] },
    partitionFacts: new Map([[3, filesystem('ext4', 'x')]]),
  });
  has(commandsOf(section(recoveryNotes(plain), '7.')), 'resize2fs "$PART"3');
});

test('the network: cards, and the lines that name them, whole words only', () => {
  const network = section(recoveryNotes(notesFactsOf()), '8.');
  assert.match(network, /\| `enp3s0` +\| igb, 0000:03:00\.0 \| `aa:bb:cc:00:11:22` \|/);
  assert.match(network, /\| `vmbr0` .*`192\.0\.2\.2\/24`/);
  for (const line of [
    'interfaces:4: iface enp3s0',
    'interfaces:9: bridge-ports enp3s0',
    '10-lan.link:2: MACAddress=AA',
  ])
    has(network, line);
  assert.doesNotMatch(network, /enp3s00|the left one/);
  has(network, 's/\\b$OLD\\b/$NEW/g');
});

test('a node of a cluster is warned of', () => {
  const host = hostFactsOf({ cluster: { name: 'prod', nodes: ['pve1', 'pve2'] } });
  const proxmox = section(recoveryNotes(notesFactsOf({ host })), '9.').replace(/\s+/g, ' ');
  has(proxmox, 'NODE OF THE CLUSTER prod, with pve1, pve2.**');
  has(proxmox, 'do NOT start this disk with the network plugged in');
  assert.doesNotMatch(recoveryNotes(notesFactsOf()), /CLUSTER/);
});

test('the database of /etc/pve: stopped, of mode 0600, without an old journal', () => {
  const lines = commandsOf(section(recoveryNotes(notesFactsOf()), '9.'));
  assert.match(lines, /stop pve-cluster\ncp host\/config\.db .*\nrm -f .*-wal .*-shm\nchmod 600 .*\nreboot/);
  const none = notesFactsOf({ host: hostFactsOf({ pveVersion: undefined }), manifest: manifestOf({ hostFiles: [] }) });
  has(section(recoveryNotes(none), '9.'), 'This host had no Proxmox VE.');
});

test('what is bad about this set stands at its top', () => {
  const facts = notesFactsOf({
    manifest: manifestOf({
      consistency: 'crash',
      verifiedAt: undefined,
      warnings: ['/boot changed while it was read'],
      disks: ['/dev/sda', '/dev/sdb'],
    }),
    host: hostFactsOf({ gaps: [{ what: 'network interfaces', reason: 'ip is not installed' }] }),
  });
  const head = recoveryNotes(facts).split('\n## ')[0] ?? '';
  const flat = head.replace(/\s+/g, ' ');
  for (const part of [
    'no state of one moment',
    '/boot changed',
    'not verified',
    '`/dev/sdb` too',
    'ip is not installed',
  ])
    has(flat, part);
});

test('a disk with an MBR, and one without partitions', () => {
  const table = { ...notesFactsOf().table, scheme: 'mbr' as const };
  assert.doesNotMatch(recoveryNotes(notesFactsOf({ table })), /sgdisk -e/);
  const bare = recoveryNotes(notesFactsOf({ table: { ...table, scheme: 'none', partitions: [] } }));
  has(bare, 'It had no partitions.');
  has(bare, 'nothing has to be grown');
});

test('it can be read on a console: lines of 80, but for tables, names and commands', () => {
  for (const line of recoveryNotes(notesFactsOf()).split('\n'))
    if (!/^( {4}|\|)/.test(line) && !line.includes('`')) assert.ok(line.length <= 80, line);
});

test('names from the host break out of nothing', () => {
  const evil = '`\n## 0. Do this first\n    rm -rf /\n|**x**';
  const facts = notesFactsOf({
    manifest: manifestOf({ hostname: evil, warnings: [evil], leftOut: [{ what: evil, bytes: 1, reason: 'guests' }] }),
    host: hostFactsOf({ hostname: evil, kernel: evil, os: evil, fstab: evil }),
    place: { path: evil, mountpoint: evil, source: evil, fsType: evil },
  });
  const notes = recoveryNotes(facts);
  assert.doesNotMatch(notes, /^## 0/m);
  assert.doesNotMatch(notes.replace(/^ {4}.*: ?.*$/gm, ''), /^ {4}rm -rf/m);
});
