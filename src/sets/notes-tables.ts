import { roundSize, sizeInWords } from '../device/sizes.js';
import { block, code, command, list, plain, table } from './markdown.js';
import { partitionPath } from './next-steps.js';
import { groupsOnDisk, type NotesFacts } from './notes-facts.js';
import { HOST_DIRECTORY } from './set-layout.js';
import { shellWord, stockDecoder } from './stock-tools.js';

/** The parts of RECOVERY.md to look things up in: how the disk was, and what the set holds. */
export function tableSections(facts: NotesFacts): string[] {
  return [diskSection(facts), contentsSection(facts)];
}

function diskSection(facts: NotesFacts): string {
  const { manifest, host, table: disk, partitionFacts } = facts;
  const partitions = disk.partitions.map(({ number, offset, sizeBytes, role, type, uuid, name }) => {
    const holds = partitionFacts.get(number);
    return [
      code(partitionPath(manifest.disk.path, number)),
      String(offset),
      `${sizeBytes} (${roundSize(sizeBytes)})`,
      `${role}${name === '' ? '' : `, ${plain(name)}`}`,
      holds === undefined || holds.type === 'unknown' ? code(type) : holds.type,
      holds?.uuid === undefined ? '' : code(holds.uuid),
      uuid === undefined ? '' : code(uuid),
    ];
  });
  return `## 10. How the disk was

${code(manifest.disk.path)}${manifest.disk.model === undefined ? '' : `, ${plain(manifest.disk.model)}`}${
  manifest.disk.serial === undefined ? '' : `, serial number ${code(manifest.disk.serial)}`
}: ${sizeInWords(manifest.disk.sizeBytes)}, sectors of ${manifest.disk.logicalSectorBytes} bytes, partition table: ${disk.scheme}.

${
  partitions.length === 0
    ? 'It had no partitions.'
    : table(['partition', 'offset', 'bytes', 'what for', 'holds', 'UUID', 'PARTUUID'], partitions)
}

${groupsOnDisk(facts)
  .map((group) => groupText(facts, group))
  .join('\n\n')}

"/" is ${code(host.root.device)} (${plain(host.root.fsType)}). /etc/fstab:

${host.fstab === undefined ? 'could not be read.' : block(host.fstab.split('\n').filter((line) => line.trim() !== ''))}`;
}

function groupText(
  { volumeFacts }: NotesFacts,
  { group, partitions, volumes }: ReturnType<typeof groupsOnDisk>[number],
): string {
  const rows = volumes
    .filter(({ role }) => role !== 'internal')
    .map(({ name, role, pool, sizeBytes }) => {
      const holds = volumeFacts.get(`${group.name}/${name}`);
      return [
        code(`${group.name}/${name}`),
        pool === undefined ? role : `${role} in ${code(pool)}`,
        `${sizeBytes} (${roundSize(sizeBytes)})`,
        holds === undefined || holds.type === 'unknown' ? '' : holds.type,
        holds?.uuid === undefined ? '' : code(holds.uuid),
      ];
    });
  const where = partitions.length === 0 ? 'the whole disk' : `partition ${partitions.join(', ')}`;
  return `Volume group ${code(group.name)} on ${where}, UUID ${code(group.uuid)}: ${sizeInWords(group.sizeBytes)} in extents of ${roundSize(group.extentBytes)}, ${group.freeExtents} of them free.

${rows.length === 0 ? 'It had no volumes.' : table(['volume', 'what', 'bytes', 'holds', 'UUID'], rows)}`;
}

function contentsSection(facts: NotesFacts): string {
  const { manifest } = facts;
  const files = manifest.hostFiles.map(({ name, madeBy, sizeBytes }) => [
    code(`${HOST_DIRECTORY}/${name}`),
    roundSize(sizeBytes),
    code(madeBy),
  ]);
  const left = manifest.leftOut.map(({ what, bytes, reason }) => [plain(what), sizeInWords(bytes), reason]);
  const etc = manifest.hostFiles.find(({ name }) => /^etc\.tar/.test(name));
  const decoder = stockDecoder(manifest.codec);
  return `## 11. What this set holds

${code(manifest.image)}: ${sizeInWords(manifest.imageSizeBytes)}, the whole disk of ${sizeInWords(manifest.plainBytes)}; ${sizeInWords(manifest.readBytes)} of it were read.

Zeros in the image, for they were left out:

${left.length === 0 ? 'Nothing.' : table(['what', 'bytes', 'why'], left)}

Files beside it, with passwords and keys in them: keep them as safe as the host itself.

${files.length === 0 ? 'None.' : table(['file', 'size', 'made by'], files)}
${
  manifest.missingHostFiles.length === 0
    ? ''
    : `\nNot there:\n\n${list(manifest.missingHostFiles.map(({ name, reason }) => `${code(name)}: ${plain(reason)}`))}\n`
}
**Single files only?** ${
    etc === undefined ? '' : `Those of /etc are in ${code(`${HOST_DIRECTORY}/${etc.name}`)}. `
  }Everything else is in the image; it needs as much room as is in use:

${block([
  `${[decoder.program, ...decoder.flags, shellWord(manifest.image)].join(' ')} | dd of=/var/tmp/disk.img bs=4M iflag=fullblock conv=sparse`,
  command('losetup --read-only --find --partscan --show /var/tmp/disk.img', 'prints /dev/loopN'),
  command('lsblk -f /dev/loopN', 'then mount -o ro, or vgchange -ay --readonly'),
])}

Not on a host that has the very same volume group: LVM would confuse the two.`;
}
