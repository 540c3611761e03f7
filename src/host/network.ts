import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { runCommand } from '../device/command.js';
import { LifeboatError } from '../error.js';

/** A network interface of the host itself; those of its guests are left out. */
export interface NetworkInterface {
  name: string;
  kind: 'physical' | 'bridge' | 'bond' | 'vlan' | 'virtual';
  /** The hardware's own where the kernel tells it: the members of a bond all show the bond's. */
  mac: string;
  /** "192.0.2.2/24", "fd00::2/64". Those that IPv6 makes up of the MAC (fe80::) are left out. */
  addresses: string[];
  /** The bridge or bond that it is a member of. */
  master: string | undefined;
  /** The members of a bridge or bond that are the host's own. */
  ports: string[];
  /** Other names that the kernel takes for it: "enp3s0", "enx001122334455". */
  alternativeNames: string[];
  /** "e1000e", "igb"; undefined for what is no hardware. */
  driver: string | undefined;
  /** Where it is plugged in: "0000:03:00.0". */
  slot: string | undefined;
}

/** What `ip -json addr` tells of one. */
export interface LinkAddresses {
  name: string;
  permanentMac: string | undefined;
  addresses: string[];
  alternativeNames: string[];
}

/** How Proxmox names what it makes for guests: taps, veths, and the bridges of their firewall. */
const OF_A_GUEST = /^(tap|veth|fwbr|fwpr|fwln)\d+(i|p)\d+$/;

/**
 * The interfaces of this host in alphabetical order, without the loopback.
 * @throws LifeboatError FAILED when `ip` fails or prints what it should not
 */
export async function readNetwork(signal: AbortSignal): Promise<NetworkInterface[]> {
  const { stdout } = await runCommand('ip', ['-json', 'addr'], { signal, allowMissing: false });
  return networkInterfaces('/sys', parseIpAddresses(stdout));
}

/** @param sys where the kernel shows its interfaces: "/sys" */
export function networkInterfaces(sys: string, links: readonly LinkAddresses[]): NetworkInterface[] {
  const directory = `${sys}/class/net`;
  // bonding_masters is a file among them.
  const names = listed(directory).filter(
    (name) => name !== 'lo' && !OF_A_GUEST.test(name) && existsSync(`${directory}/${name}/address`),
  );
  return names.map((name) => {
    const at = `${directory}/${name}`;
    const link = links.find((one) => one.name === name);
    const ports = [...listed(`${at}/brif`), ...words(`${at}/bonding/slaves`)].filter((port) => !OF_A_GUEST.test(port));
    return {
      name,
      kind: kindOf(at),
      mac: link?.permanentMac ?? readFileSync(`${at}/address`, 'utf8').trim(),
      addresses: link?.addresses ?? [],
      master: target(`${at}/master`),
      ports: ports.sort(),
      alternativeNames: link?.alternativeNames ?? [],
      driver: target(`${at}/device/driver`),
      slot: slotOf(at),
    };
  });
}

function kindOf(at: string): NetworkInterface['kind'] {
  if (existsSync(`${at}/bridge`)) return 'bridge';
  if (existsSync(`${at}/bonding`)) return 'bond';
  // A VLAN has no directory of its own in sysfs.
  if (words(`${at}/uevent`).includes('DEVTYPE=vlan')) return 'vlan';
  return existsSync(`${at}/device`) ? 'physical' : 'virtual';
}

/** Below virtio, "device" is virtio2; the slot is where that is plugged in. */
function slotOf(at: string): string | undefined {
  const device = target(`${at}/device`);
  if (device === undefined || !device.startsWith('virtio')) return device;
  const uevent = words(`${at}/device/../uevent`).find((word) => word.startsWith('PCI_SLOT_NAME='));
  return uevent?.slice('PCI_SLOT_NAME='.length) ?? device;
}

/**
 * @param json what `ip -json addr` prints
 * @throws LifeboatError FAILED on anything else
 */
export function parseIpAddresses(json: string): LinkAddresses[] {
  let links: unknown;
  try {
    links = JSON.parse(json);
  } catch (error) {
    throw malformed('it is no JSON', error);
  }
  if (!Array.isArray(links)) throw malformed('it is no list');
  // iproute2 prints {} for what it was asked not to show.
  return links.filter((link) => link !== null && !isEmptyObject(link)).map(toLink);
}

function toLink(link: unknown): LinkAddresses {
  const { ifname, permaddr, addr_info, altnames } = link as Record<string, unknown>;
  if (typeof ifname !== 'string' || ifname === '') throw malformed('an interface has no name');
  if (permaddr !== undefined && typeof permaddr !== 'string') throw malformed(`${ifname} has a MAC that is no text`);
  if (!Array.isArray(addr_info)) throw malformed(`${ifname} has no list of addresses`);
  if (altnames !== undefined && !Array.isArray(altnames)) throw malformed(`${ifname} has no list of other names`);
  return {
    name: ifname,
    permanentMac: permaddr,
    addresses: addr_info.filter((info) => !isMadeUp(info)).map((info) => address(ifname, info)),
    alternativeNames: (altnames ?? []).map(String),
  };
}

/** fe80:: and the like: every interface has one, and nobody chose it. */
function isMadeUp(info: { family?: unknown; scope?: unknown } | null): boolean {
  return info?.family === 'inet6' && info.scope === 'link';
}

function address(name: string, info: { local?: unknown; prefixlen?: unknown } | null): string {
  if (typeof info?.local !== 'string' || !Number.isInteger(info.prefixlen))
    throw malformed(`${name} has the address ${JSON.stringify(info)}`);
  return `${info.local}/${info.prefixlen}`;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function malformed(reason: string, cause?: unknown): LifeboatError {
  return new LifeboatError('FAILED', `Cannot make sense of what "ip -json addr" prints: ${reason}`, {
    hint: 'look at it: ip -json -pretty addr',
    cause,
  });
}

function listed(path: string): string[] {
  return ignoringMissing(() => readdirSync(path).sort()) ?? [];
}

function words(path: string): string[] {
  return (ignoringMissing(() => readFileSync(path, 'utf8')) ?? '').split(/\s+/).filter((word) => word !== '');
}

function target(path: string): string | undefined {
  return ignoringMissing(() => basename(readlinkSync(path)));
}

/** Interfaces come and go with their guests. */
function ignoringMissing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENODEV') return undefined;
    throw error;
  }
}
