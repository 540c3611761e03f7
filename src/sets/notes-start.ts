import { roundSize, sizeInWords } from '../device/sizes.js';
import { isThickGuest } from './guests.js';
import { block, command, list, plain } from './markdown.js';
import {
  DISK,
  emptyPools,
  espsOnDisk,
  groupsOnDisk,
  type NotesFacts,
  partitionOf,
  rootInCommands,
  SET_PART,
} from './notes-facts.js';
import { shellWord } from './stock-tools.js';

/** The parts of RECOVERY.md for after the disk is written: making it start, guests, a larger disk. */
export function startSections(facts: NotesFacts): string[] {
  return [bootSection(facts), guestSection(facts), growSection(facts)];
}

function bootSection(facts: NotesFacts): string {
  const first =
    facts.manifest.bootMode === 'uefi'
      ? `This host started by UEFI. The list of what to start is kept by the mainboard and not on the disk: on another one, or if
the firmware does not offer the disk, make the entry anew, from a live system that was itself started by UEFI:

${block(efiLines(facts))}`
      : `This host started by BIOS: its boot code came along with the first MiB. Put the disk first in the firmware's boot order.`;
  return `## 5. Make it start

${first}

**It does not start?** From the live system, go into the restored system and put the boot loader on the disk again:

${block(chrootLines(facts))}${btrfsSnapshots(facts)}`;
}

/** They are in the image because it was made while they stood. */
function btrfsSnapshots({ manifest, table, partitionFacts }: NotesFacts): string {
  if (manifest.consistency !== 'snapshot') return '';
  const numbers = table.partitions.map(({ number }) => number).filter((n) => partitionFacts.get(n)?.type === 'btrfs');
  if (numbers.length === 0) return '';
  return `

The btrfs holds read-only snapshots that Lifeboat made to save it, named \`.lifeboat-...\`. They do no harm; the next
\`lifeboat boot\` on the restored host removes them. By hand:

${block(
  numbers.flatMap((number) => [
    `mount -o subvolid=5 ${partitionOf(number)} /mnt`,
    'btrfs subvolume delete /mnt/.lifeboat-*-*-*-*',
    'umount /mnt',
  ]),
)}`;
}

function efiLines(facts: NotesFacts): string[] {
  const { host, table, manifest } = facts;
  const current = host.efi?.current;
  const known = (host.efi?.entries ?? []).flatMap((entry) => {
    const partition = table.partitions.find(
      ({ uuid }) => uuid !== undefined && uuid.toLowerCase() === entry.partitionUuid,
    );
    return partition === undefined || entry.loader === undefined ? [] : [{ ...entry, loader: entry.loader, partition }];
  });
  const first = known.find(({ number }) => number === current);
  const wanted = first === undefined ? known : [first];
  if (wanted.length > 0)
    return wanted.map(
      ({ partition, label, loader }) =>
        `efibootmgr --create --disk ${DISK} --part ${partition.number} --label ${shellWord(label)} --loader ${shellWord(loader)}`,
    );
  const [esp] = espsOnDisk(facts);
  const number = esp?.number ?? 2;
  const guess = host.pveVersion === undefined ? '\\EFI\\debian\\shimx64.efi' : '\\EFI\\proxmox\\shimx64.efi';
  return [
    command(
      `mount -o ro ${partitionOf(number)} /mnt; find /mnt/EFI -iname '*.efi'; umount /mnt`,
      'which loaders are there',
    ),
    `efibootmgr --create --disk ${DISK} --part ${number} --label ${shellWord(manifest.hostname)} --loader '${guess}'`,
  ];
}

function chrootLines(facts: NotesFacts): string[] {
  const { host, manifest } = facts;
  const root = rootInCommands(facts);
  const esps = espsOnDisk(facts);
  const mounted = esps.find(({ mountpoint }) => mountpoint !== undefined);
  const usesTool = host.proxmoxBootUuids.length > 0;
  const boot = bootPartition(facts);
  const repair = usesTool
    ? [
        ...esps.map(({ number }) => `proxmox-boot-tool init ${partitionOf(number)}`),
        'proxmox-boot-tool refresh',
        'proxmox-boot-tool status',
      ]
    : manifest.bootMode === 'uefi'
      ? ['grub-install --target=x86_64-efi --efi-directory=/boot/efi', 'update-grub']
      : [`grub-install ${DISK}`, 'update-grub'];
  return [
    ...(root?.group === undefined
      ? []
      : [
          command(
            `vgchange -ay ${shellWord(root.group)}`,
            'an error about a thin pool without guests is expected: see 6',
          ),
        ]),
    `mount ${root?.device ?? shellWord(host.root.device)} /mnt`,
    ...(boot === undefined ? [] : [`mount ${boot} /mnt/boot`]),
    ...(mounted?.mountpoint === undefined ? [] : [`mount ${partitionOf(mounted.number)} /mnt${mounted.mountpoint}`]),
    'for d in dev proc sys run; do mount --rbind /$d /mnt/$d; done',
    ...(manifest.bootMode === 'uefi' ? ['mount -t efivarfs efivarfs /mnt/sys/firmware/efi/efivars 2>/dev/null'] : []),
    'export DISK PART',
    'chroot /mnt /bin/bash',
    ...repair.map((line) => `    ${line}`),
    '    update-initramfs -u -k all',
    '    exit',
    'umount -R /mnt',
  ];
}

function bootPartition(facts: NotesFacts): string | undefined {
  const device = facts.host.blockDevices.find(({ mountpoints }) => mountpoints.includes('/boot'));
  const number = facts.table.partitions.find(
    ({ uuid }) => uuid !== undefined && uuid === device?.partitionUuid,
  )?.number;
  return number === undefined ? undefined : partitionOf(number);
}

function guestSection(facts: NotesFacts): string {
  const { manifest, host } = facts;
  const title = '## 6. Guests';
  if (manifest.guests === 'none') return `${title}\n\nThere were no disks of guests on this disk.`;
  if (manifest.guests === 'included')
    return `${title}

Their volumes on this disk are in the image, as after a power cut. Newer backups of theirs (vzdump, Proxmox Backup Server) are
to be preferred.`;
  const pools = emptyPools(facts);
  const parts = manifest.leftOut.filter(({ reason }) => reason === 'guests');
  const thick = groupsOnDisk(facts).flatMap(({ group, volumes }) =>
    volumes.filter(isThickGuest).map((volume) => ({ group, volume })),
  );
  const steps =
    pools.length === 0 && thick.length === 0
      ? ''
      : `

The volumes are still named in LVM's metadata, but hold nothing: the host starts without them, and the pool stays inactive. Once
the host is up, and **before any guest is started**, make it anew with the size it had. This removes what LVM still names:

${block([
  ...pools.flatMap(({ group, pool, metadataBytes, volumes }) => {
    const name = shellWord(`${group.name}/${pool.name}`);
    const metadata = metadataBytes === undefined ? '' : ` --poolmetadatasize ${metadataBytes}b`;
    return [
      `# ${roundSize(pool.sizeBytes)}${volumes.length === 0 ? '' : `; in it: ${volumes.map((volume) => volume.name).join(' ')}`}`,
      `lvremove --force --force --yes ${name}`,
      `lvcreate --type thin-pool --extents ${Math.floor(pool.sizeBytes / group.extentBytes)}${metadata} --name ${shellWord(pool.name)} ${shellWord(group.name)}`,
    ];
  }),
  ...thick.map(({ group, volume }) =>
    command(`lvremove --yes ${shellWord(`${group.name}/${volume.name}`)}`, roundSize(volume.sizeBytes)),
  ),
])}`;
  const restoring =
    host.pveVersion === undefined
      ? 'Then restore the guests from their own backups.'
      : `Then restore each guest from its own backup; its configuration is in the restored /etc/pve, so it exists already:

${block([
  'pvesm list STORAGE --content backup',
  'qmrestore STORAGE:backup/vzdump-qemu-100-DATE.vma.zst 100 --force',
  'pct restore 101 STORAGE:backup/vzdump-lxc-101-DATE.tar.zst --force',
])}`;
  return `${title}

**Disks of guests are NOT in this set**, for vzdump saves them:

${list(parts.map(({ what, bytes }) => `${plain(what)}: ${sizeInWords(bytes)}`))}${steps}

${restoring}`;
}

function growSection(facts: NotesFacts): string {
  const { manifest, table, partitionFacts } = facts;
  const last = table.partitions
    .filter(({ role }) => role !== 'extended')
    .reduce<NotesFacts['table']['partitions'][number] | undefined>(
      (end, partition) => (end === undefined || partition.offset > end.offset ? partition : end),
      undefined,
    );
  if (last === undefined) return '## 7. A larger disk\n\nThere were no partitions: nothing has to be grown.';
  const group = groupsOnDisk(facts).find(({ partitions }) => partitions.includes(last.number));
  const type = partitionFacts.get(last.number)?.type;
  const root = rootInCommands(facts);
  const inside =
    group !== undefined
      ? [
          `pvresize ${partitionOf(last.number)}`,
          command(`vgs ${shellWord(group.group.name)}`, 'how much is free now'),
          ...(root !== undefined && root.group === group.group.name
            ? [command(`lvextend --resizefs --size +20G ${shellWord(root.device)}`, 'some for the root file system')]
            : []),
          ...group.volumes
            .filter(({ role }) => role === 'thin-pool')
            .map(({ name }) =>
              command(
                `lvextend --size +100G ${shellWord(`${group.group.name}/${name}`)}`,
                'some for the guests (after 6)',
              ),
            ),
        ]
      : type === 'ext4'
        ? [`resize2fs ${partitionOf(last.number)}`]
        : type === 'xfs'
          ? [command(`xfs_growfs "$(findmnt -no TARGET ${partitionOf(last.number)})"`, 'while it is mounted')]
          : type === 'btrfs'
            ? [`btrfs filesystem resize max "$(findmnt -no TARGET ${partitionOf(last.number)} | head -n 1)"`]
            : [];
  const spare =
    group === undefined
      ? ''
      : `\n\nLeave some extents of the volume group free: Lifeboat makes its snapshots from them.`;
  return `## 7. A larger disk

The restored partitions are as large as they were on ${sizeInWords(manifest.disk.sizeBytes)}; the rest of a larger disk is not used.
Once the host is up:

${block([
  'DISK=/dev/sdX',
  SET_PART,
  ...(table.scheme === 'gpt' ? [command(`sgdisk -e ${DISK}`, 'if it was not done in 2, 3 or 4')] : []),
  `echo ', +' | sfdisk --no-reread --force -N ${last.number} ${DISK}`,
  `partx --update --nr ${last.number} ${DISK}`,
  ...inside,
])}${spare}`;
}
