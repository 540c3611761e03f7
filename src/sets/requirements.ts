import { accessSync, constants } from 'node:fs';
import type { BootFinding } from '../device/boot-disk.js';
import { libbz2 } from '../native/libbz2.js';
import { libdeflate } from '../native/libdeflate.js';
import { libisal } from '../native/libisal.js';
import { liblz4 } from '../native/liblz4.js';
import { liblzma } from '../native/liblzma.js';
import { libsqlite3 } from '../native/libsqlite3.js';
import { libxxhash } from '../native/libxxhash.js';
import { libzstd } from '../native/libzstd.js';

/** A program or library of the system that makes a set better. None is needed to make one at all. */
export interface Requirement {
  name: string;
  found: boolean;
  /** Whether it is of use on this host. */
  wanted: boolean;
  /** What is lost without it. */
  cost: string;
  /** What to type to get it. */
  install: string;
}

/** What decides whether a thing is of use here. */
export interface HostKind {
  layout: BootFinding['root']['layout'] | undefined;
  bootMode: BootFinding['bootMode'] | undefined;
  isProxmox: boolean;
  usesBootTool: boolean;
}

interface Program {
  name: string;
  debian: string;
  cost: string;
  wanted?: (host: HostKind) => boolean;
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'partclone.ext4',
    debian: 'partclone',
    cost: 'blocks that no file uses are read and saved too',
  },
  {
    name: 'lvs',
    debian: 'lvm2',
    cost: 'no snapshot can be made, and free extents are saved too',
    wanted: ({ layout }) => layout === 'lvm',
  },
  { name: 'sgdisk', debian: 'gdisk', cost: "the set lacks sgdisk's copy of the partition table" },
  { name: 'sfdisk', debian: 'fdisk', cost: 'the set lacks the partition table as text' },
  {
    name: 'efibootmgr',
    debian: 'efibootmgr',
    cost: "the set lacks the firmware's boot entries",
    wanted: ({ bootMode }) => bootMode === 'uefi',
  },
  {
    name: 'proxmox-boot-tool',
    debian: 'proxmox-kernel-helper',
    cost: 'the set lacks the state of the ESPs that it fills',
    wanted: ({ usesBootTool }) => usesBootTool,
  },
  { name: 'fsfreeze', debian: 'util-linux', cost: 'a /boot of its own is read twice instead of frozen' },
];

const LIBRARIES = [
  { library: libzstd, debian: 'libzstd1', cost: 'zstd runs by an npm package, slower' },
  { library: liblz4, debian: 'liblz4-1', cost: 'lz4 runs by an npm package, slower' },
  { library: libdeflate, debian: 'libdeflate0', cost: "gzip runs by node's zlib, two to three times slower" },
  { library: libisal, debian: 'libisal2', cost: "gzip's quickest levels and its checksums are slower" },
  { library: libxxhash, debian: 'libxxhash0', cost: "lz4's checksums are slower" },
  { library: liblzma, debian: 'liblzma5', cost: 'no xz' },
  { library: libbz2, debian: 'libbz2-1.0', cost: 'no bzip2' },
  {
    library: libsqlite3,
    debian: 'libsqlite3-0',
    cost: 'config.db of /etc/pve is saved by the program sqlite3, or not at all',
    wanted: ({ isProxmox }: HostKind) => isProxmox,
  },
];

/** Where programs are looked for when they are run. */
const DIRECTORIES = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function findRequirements(host: HostKind, directories: readonly string[] = DIRECTORIES): Requirement[] {
  return [
    ...PROGRAMS.map(({ name, debian, cost, wanted }) => ({
      name,
      found: directories.some((directory) => isExecutable(`${directory}/${name}`)),
      wanted: wanted?.(host) ?? true,
      cost,
      install: `apt install ${debian}`,
    })),
    ...LIBRARIES.map(({ library, debian, cost, wanted }) => ({
      name: debian,
      found: library.missing() === undefined,
      wanted: wanted?.(host) ?? true,
      cost,
      install: `apt install ${debian}`,
    })),
  ];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return false;
    throw error;
  }
}
