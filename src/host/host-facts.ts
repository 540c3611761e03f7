import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { KERNEL, nodePath } from '../device/block-tree.js';
import { runCommand } from '../device/command.js';
import { devicesOf } from '../device/mount-devices.js';
import { readMounts } from '../device/mounts.js';
import { LifeboatError, messageOf } from '../error.js';
import { type BlockDevice, isEfiSystem, readBlockDevices } from './block-devices.js';
import { type Cluster, parseCorosync } from './corosync.js';
import { type EfiEntries, parseEfiEntries } from './efi-entries.js';
import { type NetworkInterface, readNetwork } from './network.js';
import { parsePveVersion } from './pve-version.js';
import { withTimeLimit } from './time-limit.js';

/** What the recovery notes have to say about a host. A part that could not be read is empty, and named in `gaps`. */
export interface HostFacts {
  /** As the kernel has it: "pve1". */
  hostname: string;
  /** "Debian GNU/Linux 13 (trixie)". */
  os: string | undefined;
  /** "6.17.4-1-pve". */
  kernel: string;
  /** What the kernel was started with. */
  commandLine: string;
  /** "9.2.11"; undefined where this is no Proxmox VE. */
  pveVersion: string | undefined;
  bootMode: 'uefi' | 'bios';
  /** Undefined where the firmware does not tell. */
  secureBoot: boolean | undefined;
  /** Undefined with BIOS, or without efibootmgr. */
  efi: EfiEntries | undefined;
  /** EFI system partitions on all disks. `uuid` is the file system's ("A1B2-C3D4"). */
  esps: { path: string; uuid: string | undefined; partitionUuid: string | undefined; mountpoint: string | undefined }[];
  /** File system UUIDs of the ESPs that proxmox-boot-tool keeps; empty where it is not used. */
  proxmoxBootUuids: string[];
  /** What "/" is. `device` is a path, or the dataset of a ZFS. */
  root: { device: string; fsType: string; uuid: string | undefined };
  /** Disks, partitions and volumes with what they hold. */
  blockDevices: BlockDevice[];
  /** Text of /etc/fstab. */
  fstab: string | undefined;
  network: NetworkInterface[];
  /** What names interfaces and would have to be changed on other hardware: ifupdown's files and systemd's .link files. */
  networkFiles: { path: string; text: string }[];
  /** Undefined where this host is in no cluster. */
  cluster: Cluster | undefined;
  /** What could not be read, and why. */
  gaps: { what: string; reason: string }[];
}

const LIMIT_MS = 30_000;
const EFI = '/sys/firmware/efi';
const SECURE_BOOT = `${EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
const COROSYNC = ['/etc/corosync/corosync.conf', '/etc/pve/corosync.conf'];
const PROXMOX_BOOT_UUIDS = '/etc/kernel/proxmox-boot-uuids';
const INTERFACES = '/etc/network/interfaces';
/** Proxmox pins names of interfaces in the last of these. */
const LINK_DIRECTORIES = ['/etc/network/interfaces.d', '/etc/systemd/network', '/usr/local/lib/systemd/network'];

/**
 * Reads what a person has to know who brings this host back. Changes nothing.
 * @throws the signal's reason when aborted, LifeboatError FAILED where not even /proc can be read
 */
export async function readHostFacts(signal: AbortSignal): Promise<HostFacts> {
  const gaps: HostFacts['gaps'] = [];
  /** One part that is missing is better than no notes. */
  const part = async <T, E>(what: string, otherwise: E, read: (signal: AbortSignal) => Promise<T>): Promise<T | E> => {
    try {
      return await withTimeLimit(LIMIT_MS, signal, read);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      gaps.push({ what, reason: messageOf(error) });
      return otherwise;
    }
  };

  const bootMode = existsSync(EFI) ? 'uefi' : 'bios';
  const [blockDevices, network, pveVersion, efi] = await Promise.all([
    part('disks and file systems', [], readBlockDevices),
    part('network interfaces', [], readNetwork),
    part('version of Proxmox VE', undefined, readPveVersion),
    bootMode === 'uefi' ? part('EFI boot entries', undefined, readEfiEntries) : undefined,
  ]);
  return {
    hostname: await required('/proc/sys/kernel/hostname'),
    os: await part('name of the system', undefined, async () => prettyName(await optional('/etc/os-release'))),
    kernel: await required('/proc/sys/kernel/osrelease'),
    commandLine: await required('/proc/cmdline'),
    pveVersion,
    bootMode,
    secureBoot: await part('state of Secure Boot', undefined, readSecureBoot),
    efi,
    esps: espsOf(blockDevices),
    proxmoxBootUuids: await part('ESPs of proxmox-boot-tool', [], async () =>
      ((await optional(PROXMOX_BOOT_UUIDS)) ?? '').split(/\s+/).filter((uuid) => uuid !== ''),
    ),
    root: rootOf(blockDevices),
    blockDevices,
    fstab: await part('/etc/fstab', undefined, () => optional('/etc/fstab')),
    network,
    networkFiles: await part('configuration of the network', [], readNetworkFiles),
    cluster: await readCluster(part),
    gaps,
  };
}

/** @throws LifeboatError FAILED when nothing is mounted on "/" */
function rootOf(devices: readonly BlockDevice[]): HostFacts['root'] {
  // What is mounted last hides the others.
  const mount = readMounts().findLast(({ mountpoint }) => mountpoint === '/');
  if (mount === undefined)
    throw new LifeboatError('FAILED', 'Cannot find what "/" is: /proc/self/mountinfo has no such line', {
      hint: 'run it on the host itself and not in a container',
    });
  const [name] = mount.fsType === 'zfs' ? [] : devicesOf(mount, KERNEL);
  const device = name === undefined ? mount.source : nodePath(name);
  return { device, fsType: mount.fsType, uuid: devices.find(({ path }) => path === device)?.uuid };
}

function espsOf(devices: readonly BlockDevice[]): HostFacts['esps'] {
  return devices.filter(isEfiSystem).map(({ path, uuid, partitionUuid, mountpoints }) => ({
    path,
    uuid,
    partitionUuid,
    mountpoint: mountpoints[0],
  }));
}

/** @param text of os-release(5) */
export function prettyName(text: string | undefined): string | undefined {
  return /^PRETTY_NAME=(["']?)(.*)\1$/m.exec(text ?? '')?.[2];
}

async function readPveVersion(signal: AbortSignal): Promise<string | undefined> {
  const printed = await runCommand('pveversion', [], { signal, allowMissing: true });
  return printed === undefined ? undefined : parsePveVersion(printed.stdout);
}

async function readEfiEntries(signal: AbortSignal): Promise<EfiEntries | undefined> {
  const printed = await runCommand('efibootmgr', ['--verbose'], { signal, allowMissing: true });
  if (printed === undefined) throw new Error('efibootmgr is not installed: apt install efibootmgr');
  return parseEfiEntries(printed.stdout);
}

/** Four bytes of attributes, then the value. */
async function readSecureBoot(): Promise<boolean | undefined> {
  try {
    const value = (await readFile(SECURE_BOOT))[4];
    return value === undefined ? undefined : value === 1;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function readCluster(
  part: (what: string, otherwise: Cluster, read: () => Promise<Cluster | undefined>) => Promise<Cluster | undefined>,
): Promise<Cluster | undefined> {
  // To be in a cluster matters more than its name.
  const someCluster: Cluster = { name: undefined, nodes: [] };
  return part('cluster', someCluster, async () => {
    for (const path of COROSYNC) {
      const text = await optional(path);
      if (text !== undefined) return parseCorosync(text);
    }
    return undefined;
  });
}

async function readNetworkFiles(): Promise<HostFacts['networkFiles']> {
  const others = LINK_DIRECTORIES.flatMap((directory) =>
    existsSync(directory)
      ? readdirSync(directory)
          .sort()
          .map((file) => `${directory}/${file}`)
      : [],
  );
  const wanted = others.filter((path) => path.endsWith('.link') || path.startsWith(`${INTERFACES}.d/`));
  const files: HostFacts['networkFiles'] = [];
  for (const path of [INTERFACES, ...wanted]) {
    const text = await optional(path);
    if (text !== undefined) files.push({ path, text });
  }
  return files;
}

async function required(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}

async function optional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
