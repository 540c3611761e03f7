import type { HostFacts } from '../../src/host/host-facts.js';
import type { NotesFacts } from '../../src/sets/notes-facts.js';
import { manifestOf } from './fake-set.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const volume = {
  vg: 'pve',
  tags: [],
  active: true,
  snapPercent: undefined,
  pool: undefined,
  origin: undefined,
  segments: [],
};

export function hostFactsOf(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    hostname: 'pve1',
    os: 'Debian GNU/Linux 13 (trixie)',
    kernel: '6.17.4-1-pve',
    commandLine: 'BOOT_IMAGE=/boot/vmlinuz-6.17.4-1-pve root=/dev/mapper/pve-root ro quiet',
    pveVersion: '9.2.11',
    bootMode: 'uefi',
    secureBoot: false,
    efi: {
      current: '0004',
      order: ['0004', '0000'],
      entries: [
        { number: '0000', label: 'UEFI: USB', active: true, partitionUuid: undefined, loader: undefined },
        {
          number: '0004',
          label: 'proxmox',
          active: true,
          partitionUuid: '22222222-2222-4222-8222-222222222222',
          loader: '\\EFI\\proxmox\\shimx64.efi',
        },
      ],
    },
    esps: [
      {
        path: '/dev/sda2',
        uuid: 'A1B2-C3D4',
        partitionUuid: '22222222-2222-4222-8222-222222222222',
        mountpoint: '/boot/efi',
      },
    ],
    proxmoxBootUuids: [],
    root: { device: '/dev/mapper/pve-root', fsType: 'ext4', uuid: 'aaaaaaaa-0000-4000-8000-000000000001' },
    blockDevices: [],
    fstab:
      '/dev/pve/root / ext4 errors=remount-ro 0 1\nUUID=A1B2-C3D4 /boot/efi vfat defaults 0 1\n\n/dev/pve/swap none swap sw 0 0\n',
    network: [
      {
        name: 'enp3s0',
        kind: 'physical',
        mac: 'aa:bb:cc:00:11:22',
        addresses: [],
        master: 'vmbr0',
        ports: [],
        alternativeNames: ['enxaabbcc001122'],
        driver: 'igb',
        slot: '0000:03:00.0',
      },
      {
        name: 'vmbr0',
        kind: 'bridge',
        mac: 'aa:bb:cc:00:11:22',
        addresses: ['192.0.2.2/24', 'fd00::2/64'],
        master: undefined,
        ports: ['enp3s0'],
        alternativeNames: [],
        driver: undefined,
        slot: undefined,
      },
    ],
    networkFiles: [
      {
        path: '/etc/network/interfaces',
        text: 'auto lo\niface lo inet loopback\n\niface enp3s0 inet manual\n# enp3s0 is the left one\nauto vmbr0\niface vmbr0 inet static\n\taddress 192.0.2.2/24\n\tbridge-ports enp3s0\n\tbridge-vlan-aware enp3s0.5\n\tup ethtool enp3s00\n',
      },
      { path: '/etc/systemd/network/10-lan.link', text: '[Match]\nMACAddress=AA:BB:CC:00:11:22\n[Link]\nName=lan0\n' },
    ],
    cluster: undefined,
    gaps: [],
    ...changes,
  };
}

/** An installation of Proxmox VE on one disk, as its installer makes it. */
export function notesFactsOf(changes: Partial<NotesFacts> = {}): NotesFacts {
  return {
    manifest: manifestOf(),
    host: hostFactsOf(),
    table: {
      scheme: 'gpt',
      sectorBytes: 512,
      metadata: [],
      partitions: [
        {
          number: 1,
          offset: 34 * 512,
          sizeBytes: MIB - 34 * 512,
          type: '21686148-6449-6e6f-744e-656564454649',
          uuid: '11111111-1111-4111-8111-111111111111',
          name: '',
          role: 'bios-boot',
        },
        {
          number: 2,
          offset: MIB,
          sizeBytes: 512 * MIB,
          type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
          uuid: '22222222-2222-4222-8222-222222222222',
          name: 'EFI',
          role: 'efi-system',
        },
        {
          number: 3,
          offset: 513 * MIB,
          sizeBytes: 7 * GIB,
          type: 'e6d6d379-f507-44c2-a23c-238f2a3df928',
          uuid: '33333333-3333-4333-8333-333333333333',
          name: '',
          role: 'lvm',
        },
      ],
    },
    lvm: {
      groups: [
        { name: 'pve', uuid: 'vg-uuid', seqno: 8, extentBytes: 4 * MIB, freeExtents: 100, sizeBytes: 7 * GIB },
        { name: 'other', uuid: 'other-uuid', seqno: 1, extentBytes: 4 * MIB, freeExtents: 0, sizeBytes: GIB },
      ],
      physical: [
        { path: '/dev/sda3', uuid: 'pv-uuid', vg: 'pve', dataOffset: MIB, sizeBytes: 7 * GIB, extentCount: 1791 },
        { path: '/dev/sdb1', uuid: 'pv2-uuid', vg: 'other', dataOffset: MIB, sizeBytes: GIB, extentCount: 255 },
      ],
      logical: [
        { ...volume, name: 'root', uuid: 'lv-root', path: '/dev/pve/root', role: 'thick', sizeBytes: 4 * GIB },
        { ...volume, name: 'swap', uuid: 'lv-swap', path: '/dev/pve/swap', role: 'thick', sizeBytes: 256 * MIB },
        { ...volume, name: 'data', uuid: 'lv-data', path: '', role: 'thin-pool', sizeBytes: 2 * GIB },
        {
          ...volume,
          name: 'data_tmeta',
          uuid: 'lv-meta',
          path: '',
          role: 'internal',
          pool: 'data',
          sizeBytes: 4 * MIB,
        },
        {
          ...volume,
          name: 'data_tdata',
          uuid: 'lv-tdata',
          path: '',
          role: 'internal',
          pool: 'data',
          sizeBytes: 2 * GIB,
        },
        {
          ...volume,
          name: 'vm-100-disk-0',
          uuid: 'lv-100',
          path: '/dev/pve/vm-100-disk-0',
          role: 'thin',
          pool: 'data',
          sizeBytes: GIB,
        },
        {
          ...volume,
          vg: 'other',
          name: 'backup',
          uuid: 'lv-b',
          path: '/dev/other/backup',
          role: 'thick',
          sizeBytes: GIB,
        },
      ],
    },
    partitionFacts: new Map([
      [2, filesystem('vfat', 'A1B2-C3D4')],
      [3, filesystem('lvm-pv', 'pv-uuid')],
    ]),
    volumeFacts: new Map([
      ['pve/root', filesystem('ext4', 'aaaaaaaa-0000-4000-8000-000000000001')],
      ['pve/swap', filesystem('swap', 'aaaaaaaa-0000-4000-8000-000000000002')],
    ]),
    place: {
      path: '/mnt/nas/sets/pve1/2026-11-20T20-30-00Z',
      mountpoint: '/mnt/nas',
      source: 'nas:/export/backup',
      fsType: 'nfs4',
    },
    ...changes,
  };
}

type Filesystem = NotesFacts['partitionFacts'] extends ReadonlyMap<number, infer T> ? T : never;

export function filesystem(type: Filesystem['type'], uuid: string): Filesystem {
  return { type, uuid, label: undefined, sizeBytes: undefined, usedBytes: undefined, blockBytes: undefined };
}
