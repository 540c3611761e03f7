import { sizeInWords } from '../device/sizes.js';
import { block, code, command, list, plain } from './markdown.js';
import { DISK, groupsOnDisk, type NotesFacts, SET_PART } from './notes-facts.js';
import { LOG_FILE, RESTORE_SCRIPT_FILE, SUMS_FILE } from './set-layout.js';
import { shellWord, stockDecoder } from './stock-tools.js';

const SET_PLACEHOLDER = '/mnt/sets';

/** The parts of RECOVERY.md that bring the disk back: what to have ready, with Lifeboat, and without. */
export function restoreSections(facts: NotesFacts): string[] {
  return [beforeSection(facts), withLifeboatSection(facts), withScriptSection(facts), byHandSection(facts)];
}

function beforeSection({ manifest, place, host }: NotesFacts): string {
  const { disk } = manifest;
  const mode = manifest.bootMode === 'uefi' ? 'UEFI' : 'BIOS (legacy, CSM)';
  return `## 1. Before you start

${list([
  `**A disk of at least ${sizeInWords(disk.sizeBytes)}, with logical sectors of ${disk.logicalSectorBytes} bytes.** ` +
    'Everything on it will be lost.',
  '**The old disk is out of the machine**, or its cable is. Old and restored disk have the same partition, LVM and file ' +
    'system UUIDs: with both in, LVM refuses to choose, and the host may start from the wrong one.',
  `**The firmware starts by ${mode}**, as this host did.${host.secureBoot === true ? ' Secure Boot was on.' : ''}`,
  'A live system on a USB stick: Debian live, the rescue mode of the Proxmox installer, SystemRescue. Become root: `sudo -i`.',
  place === undefined
    ? 'The place where this set lies.'
    : `This set. It was written to ${code(place.path)}, on ${code(place.source)} (${plain(place.fsType)}), which was mounted on ${code(place.mountpoint)}.`,
])}

In the live system, mount what this set is on, go there, and say which disk is the NEW one:

${block([
  `mkdir -p ${SET_PLACEHOLDER}`,
  mountLine(place),
  command(`cd ${SET_PLACEHOLDER}/${placeBelow(place, manifest.hostname)}`, 'where this file is'),
  '',
  'lsblk -o NAME,SIZE,LOG-SEC,MODEL,SERIAL,MOUNTPOINTS',
  command('DISK=/dev/sdX', '<- the NEW disk'),
  SET_PART,
  command(`blockdev --getsize64 ${DISK}`, `at least ${disk.sizeBytes}`),
  command(`blockdev --getss ${DISK}`, `must be ${disk.logicalSectorBytes}`),
])}`;
}

function mountLine(place: NotesFacts['place']): string {
  if (place === undefined)
    return command(`mount /dev/sdY1 ${SET_PLACEHOLDER}`, `or: mount -t nfs SERVER:/EXPORT ${SET_PLACEHOLDER}`);
  const { source, fsType } = place;
  switch (fsType) {
    case 'nfs':
    case 'nfs4':
      return command(`mount -t nfs -o ro ${shellWord(source)} ${SET_PLACEHOLDER}`, 'apt install nfs-common');
    case 'cifs':
      return command(
        `mount -t cifs -o ro,username=USER ${shellWord(source)} ${SET_PLACEHOLDER}`,
        'apt install cifs-utils',
      );
    default:
      return command(
        `mount -o ro /dev/sdY1 ${SET_PLACEHOLDER}`,
        `on the host it was ${shellWord(source)}; lsblk -f finds it`,
      );
  }
}

function placeBelow(place: NotesFacts['place'], hostname: string): string {
  if (place === undefined) return `${shellWord(hostname)}/DATE`;
  const { path, mountpoint } = place;
  const prefix = mountpoint === '/' ? '/' : `${mountpoint}/`;
  return shellWord(path.startsWith(prefix) ? path.slice(prefix.length) : path);
}

function withLifeboatSection({ manifest }: NotesFacts): string {
  const { disk } = manifest;
  return `## 2. The disk, with Lifeboat

A rescue kit (${code('lifeboat-rescue-kit-*.tar.gz')}) lies beside the sets, if one was made: it needs nothing of the live system.

${block([
  'SET=$PWD',
  command('KIT=$(ls -t ../../lifeboat-rescue-kit-*.tar.gz | head -n 1)', 'the newest, or wherever one lies'),
  'tar -xzf "$KIT" -C /root',
  'cd /root/lifeboat-rescue-kit',
  './lifeboat verify "$SET"',
  `./lifeboat restore "$SET" -o ${DISK} --confirm ${DISK} --check`,
  'cd "$SET"',
])}

It fits the partition table to a larger disk. For a smaller one add \`--shrink-tail\`: the last bytes in use end at
${sizeInWords(manifest.usedEndBytes)} of ${sizeInWords(disk.sizeBytes)}, no smaller disk will do. Then go on with section 5.`;
}

function withScriptSection(facts: NotesFacts): string {
  const { program, package: name } = stockDecoder(facts.manifest.codec);
  return `## 3. The disk, without Lifeboat, by the script in this set

It needs sha256sum, ${program} (\`apt install ${name}\`) and dd. It checks this set, asks, writes, and fits a GPT to a larger
disk (\`apt install gdisk\`). Then go on with section 5.

${block([`sh ${RESTORE_SCRIPT_FILE} ${DISK}`])}`;
}

function byHandSection(facts: NotesFacts): string {
  const { manifest, table } = facts;
  const decoder = stockDecoder(manifest.codec);
  const groups = groupsOnDisk(facts).map(({ group }) => group.name);
  const decode = [decoder.program, ...decoder.flags, shellWord(manifest.image)].join(' ');
  return `## 4. The disk, without Lifeboat, by hand

${block([
  command(
    `apt install ${[decoder.package, 'gdisk', ...(groups.length > 0 ? ['lvm2'] : [])].join(' ')}`,
    'if they are not there',
  ),
  command(`sha256sum -c ${SUMS_FILE}`, 'every line must end in OK'),
  ...(groups.length > 0 ? [command('vgchange -an', 'nothing of the new disk may be in use')] : []),
  `${decode} | dd of=${DISK} bs=4M iflag=fullblock conv=fsync status=progress`,
  ...(table.scheme === 'gpt' ? [command(`sgdisk -e ${DISK}`, 'the backup GPT, to the end of a larger disk')] : []),
  `blockdev --rereadpt ${DISK}`,
  command(`lsblk -f ${DISK}`, 'compare with the tables in 10'),
])}

Both ends of the pipe have to end without an error. If one did not, the disk is written by half: clear its start, so that
nothing boots from it (\`dd if=/dev/zero of="$DISK" bs=1M count=1\`), and begin again. What the run that made this set had to
say is in ${code(LOG_FILE)}.`;
}
