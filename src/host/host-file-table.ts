import { archive } from './archive.js';
import { CONFIG_DATABASE, database } from './config-database.js';
import { copy, type HostFileMaker, report, written } from './host-file.js';
import { inventory } from './inventory.js';
import { requireGpt, requireTable } from './partition-table-kind.js';

export interface HostFileContext {
  /** Paths of the boot disks: "/dev/sda". */
  disks: readonly string[];
  /** Names of the volume groups on them. */
  vgs: readonly string[];
  /** Where Lifeboat's own configuration lies, beside /etc/lifeboat. Absolute. */
  configPaths: readonly string[];
}

const LSBLK_COLUMNS = 'NAME,SIZE,TYPE,FSTYPE,LABEL,UUID,PARTUUID,PARTTYPENAME,MOUNTPOINTS,MODEL,SERIAL';
/** blkid's status where it knows no device. */
const NOTHING_FOUND = 2;
/** No lists of what could be installed, and no cache: it says nothing about this host, and would be written to its disk. */
const APT_WITHOUT_CACHE = [
  'Dir::State::lists=/var/empty/',
  'Dir::Cache::pkgcache=',
  'Dir::Cache::srcpkgcache=',
].flatMap((option) => ['-o', option]);
const EFI = '/sys/firmware/efi';
/** zpool and zfs load the module otherwise. */
const ZFS = '/sys/module/zfs';

/** Every file of a set's host/, in the order in which they are listed. */
export function hostFileTable({ disks, vgs, configPaths }: HostFileContext): HostFileMaker[] {
  return [
    ...disks.flatMap((disk) => [
      report(`${nameOf(disk)}.sfdisk`, 'sfdisk', ['--dump', disk], { package: 'fdisk', check: requireTable(disk) }),
      written(`${nameOf(disk)}.sgdisk`, 'sgdisk', (path) => [`--backup=${path}`, disk], {
        package: 'gdisk',
        check: requireGpt(disk),
      }),
    ]),
    // LVM puts the group's name where the path has %s.
    ...vgs.map((vg) =>
      written(`${vg}.vgcfg`, 'vgcfgbackup', (path) => ['--file', path.replaceAll('%', '%%'), vg], { package: 'lvm2' }),
    ),
    report('pvs.txt', 'pvs', ['--all', '--units', 'b', '--options', '+pv_uuid,pe_start'], { package: 'lvm2' }),
    report('vgs.txt', 'vgs', ['--units', 'b', '--options', '+vg_uuid,vg_extent_size'], { package: 'lvm2' }),
    report('lvs.txt', 'lvs', ['--all', '--units', 'b', '--options', '+lv_uuid,devices'], { package: 'lvm2' }),
    report('lsblk.txt', 'lsblk', ['--output', LSBLK_COLUMNS]),
    report('lsblk.json', 'lsblk', ['--json', '--output-all', '--bytes']),
    report('blkid.txt', 'blkid', ['--cache-file', '/dev/null'], { okStatuses: [0, NOTHING_FOUND] }),
    report('findmnt.txt', 'findmnt', ['--output', 'TARGET,SOURCE,FSTYPE,OPTIONS,UUID']),
    copy('swaps', '/proc/swaps'),
    copy('mdstat', '/proc/mdstat'),
    report('mdadm.txt', 'mdadm', ['--detail', '--scan', '--verbose']),
    report('btrfs.txt', 'btrfs', ['filesystem', 'show'], { needs: '/sys/fs/btrfs' }),
    report('zpool-list.txt', 'zpool', ['list', '-v', '-P'], { needs: ZFS }),
    report('zpool-status.txt', 'zpool', ['status', '-P'], { needs: ZFS }),
    report('zfs-list.txt', 'zfs', ['list', '-t', 'all', '-o', 'name,used,avail,refer,mountpoint'], { needs: ZFS }),
    report('efibootmgr.txt', 'efibootmgr', ['--verbose'], { needs: EFI, package: 'efibootmgr' }),
    // It mounts each ESP for a moment.
    report('proxmox-boot-tool.txt', 'proxmox-boot-tool', ['status'], { needs: '/etc/kernel/proxmox-boot-uuids' }),
    copy('cmdline', '/proc/cmdline'),
    copy('hostname', '/proc/sys/kernel/hostname'),
    copy('os-release', '/etc/os-release'),
    report('uname.txt', 'uname', ['--all']),
    report('pveversion.txt', 'pveversion', ['--verbose']),
    report('packages.txt', 'dpkg', ['--get-selections']),
    report('package-versions.txt', 'dpkg-query', ['--show']),
    report('packages-manual.txt', 'apt-mark', [...APT_WITHOUT_CACHE, 'showmanual']),
    copy('fstab', '/etc/fstab'),
    copy('hosts', '/etc/hosts'),
    copy('interfaces', '/etc/network/interfaces'),
    report('ip-addr.json', 'ip', ['-json', 'addr']),
    report('ip-addr.txt', 'ip', ['addr']),
    report('ip-route.txt', 'ip', ['route', 'show', 'table', 'all']),
    report('ip-rule.txt', 'ip', ['rule']),
    report('crontab.txt', 'crontab', ['-l'], { needs: '/var/spool/cron/crontabs/root' }),
    archive('cron', ['/var/spool/cron'], { needs: '/var/spool/cron' }),
    archive('etc', ['/etc']),
    database('config.db', CONFIG_DATABASE),
    // To look something up by hand: what the database holds, less the files that the kernel view makes up.
    archive('etc-pve', ['/etc/pve'], { needs: CONFIG_DATABASE, exclude: ['etc/pve/.?*'] }),
    archive('lifeboat-config', ['/etc/lifeboat', ...configPaths]),
    report('dmidecode.txt', 'dmidecode', [], { needs: '/sys/firmware/dmi/tables' }),
    report('lspci.txt', 'lspci', ['-nn', '-k'], { needs: '/sys/bus/pci/devices' }),
    inventory('systeminformation.json'),
  ];
}

/** "/dev/nvme0n1" gives "nvme0n1", "/dev/cciss/c0d0" gives "cciss_c0d0". */
function nameOf(disk: string): string {
  return disk.replace(/^\/dev\//, '').replace(/[^\w.+-]+/g, '_');
}
