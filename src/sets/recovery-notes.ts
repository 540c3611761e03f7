import { roundSize, sizeInWords } from '../device/sizes.js';
import { block, code, command, list, plain, wrap } from './markdown.js';
import type { NotesFacts } from './notes-facts.js';
import { networkSection } from './notes-network.js';
import { restoreSections } from './notes-restore.js';
import { startSections } from './notes-start.js';
import { tableSections } from './notes-tables.js';
import { HOST_DIRECTORY } from './set-layout.js';
import { shellWord } from './stock-tools.js';

/**
 * RECOVERY.md of a set, for this very host: read at night, raw, on the console of a live system, by somebody who has never
 * done it. So: numbered, what can go wrong before what is nice to know, commands that can be typed as they stand.
 */
export function recoveryNotes(facts: NotesFacts): string {
  const sections = [
    headSection(facts),
    ...restoreSections(facts),
    ...startSections(facts),
    networkSection(facts),
    proxmoxSection(facts),
    ...tableSections(facts),
  ];
  return `${wrap(sections.join('\n\n'))
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

const CONSISTENCY = {
  snapshot: 'All of it is as it was at one moment.',
  still: 'Nothing changed it while it was read.',
  crash:
    '**It is no state of one moment**: there was no snapshot, and the host went on writing while it was read. ext4 and XFS are repaired at the first start, as a rule (let fsck run); a btrfs may not mount at all. Databases, and files that were written to meanwhile, may be damaged and should be checked.',
} as const;

function headSection({ manifest, host, place }: NotesFacts): string {
  const { disk, warnings } = manifest;
  const gaps = host.gaps.map(({ what, reason }) => `${plain(what)} could not be read: ${plain(reason)}`);
  const others = manifest.disks.filter((path) => path !== disk.path);
  const notes = [
    ...warnings.map(plain),
    ...gaps,
    ...(manifest.verifiedAt === undefined ? ['This set was not verified when it was made.'] : []),
    ...(others.length === 0
      ? []
      : [
          `The host starts from ${others.map(code).join(', ')} too: ${others.length === 1 ? 'it is' : 'they are'} not in this set.`,
        ]),
  ];
  return `# How to bring ${plain(manifest.hostname)} back

Made by Lifeboat ${plain(manifest.lifeboatVersion)} on ${plain(manifest.createdAt)}${place === undefined ? '' : `, as ${code(place.path)}`}.

${list([
  `Host: ${code(manifest.hostname)}${host.os === undefined ? '' : `, ${plain(host.os)}`}${host.pveVersion === undefined ? '' : `, Proxmox VE ${plain(host.pveVersion)}`}, kernel ${plain(host.kernel)}`,
  `Disk: ${code(disk.path)}${disk.model === undefined ? '' : `, ${plain(disk.model)}`}, ${sizeInWords(disk.sizeBytes)}, sectors of ${disk.logicalSectorBytes} bytes`,
  `Image: ${code(manifest.image)}, ${roundSize(manifest.imageSizeBytes)}${manifest.verifiedAt === undefined ? '' : `, read back and proven on ${plain(manifest.verifiedAt)}`}`,
  `Starts by: ${manifest.bootMode === 'uefi' ? 'UEFI' : 'BIOS'}`,
  CONSISTENCY[manifest.consistency],
])}
${notes.length === 0 ? '' : `\nMind:\n\n${list(notes)}\n`}
The way back: 1, then **one** of 2, 3 and 4, then 5 to 9 as far as they apply. Commands are set in by four blanks, and are typed as root.`;
}

function proxmoxSection({ manifest, host }: NotesFacts): string {
  const title = '## 9. Proxmox';
  const database = manifest.hostFiles.find(({ name }) => name === 'config.db');
  const { cluster } = host;
  if (host.pveVersion === undefined && database === undefined && cluster === undefined)
    return `${title}\n\nThis host had no Proxmox VE.`;
  const clusterText =
    cluster === undefined
      ? ''
      : `**THIS HOST IS A NODE OF THE CLUSTER ${plain(cluster.name ?? '(name unknown)')}${
          cluster.nodes.length === 0 ? '' : `, with ${cluster.nodes.map(plain).join(', ')}`
        }.** An old copy of one node among live ones can damage the cluster's configuration for all of them:

${list([
  'The other nodes live, and this one was never removed (`pvecm nodes` on another node still lists it): restore the disk, start it with the network plugged in, and it takes over what has changed since. Look at `pvecm status` before you start guests: some may run on other nodes by now.',
  'It was removed from the cluster (`pvecm delnode`): do NOT start this disk with the network plugged in. Install Proxmox VE anew and let it join.',
  'All nodes are gone: restore the node with the newest set first, alone; `pvecm expected 1` makes it work without the others.',
  'Never put `config.db` from here on to one node while others live.',
])}

`;
  const databaseText =
    database === undefined
      ? ''
      : `/etc/pve is a view of a database; it is in the image, and a copy of it in ${code(`${HOST_DIRECTORY}/${database.name}`)}. **Only
on a host that was installed anew**, with the same name and in no cluster, is the copy of use:

${block([
  command(
    `hostnamectl set-hostname ${shellWord(manifest.hostname)}`,
    `and its address in /etc/hosts: see ${HOST_DIRECTORY}/hosts`,
  ),
  'systemctl stop pve-cluster',
  `cp ${HOST_DIRECTORY}/${database.name} /var/lib/pve-cluster/config.db`,
  'rm -f /var/lib/pve-cluster/config.db-wal /var/lib/pve-cluster/config.db-shm',
  'chmod 600 /var/lib/pve-cluster/config.db',
  'reboot',
])}`;
  return `${title}\n\n${clusterText}${databaseText}`.trimEnd();
}
