import { runCommand } from '../device/command.js';
import { LifeboatError } from '../error.js';

/** A disk, partition or volume, as lsblk sees it. What it cannot tell is undefined. */
export interface BlockDevice {
  /** By the name people know: "/dev/sda2", "/dev/mapper/pve-root". */
  path: string;
  /** "disk", "part", "lvm", "raid1", "crypt", "loop". */
  kind: string;
  sizeBytes: number;
  /** "ext4", "vfat", "LVM2_member", "swap". */
  fsType: string | undefined;
  /** Of what it holds: a file system's, a volume's. */
  uuid: string | undefined;
  label: string | undefined;
  /** GPT type GUID in lower case, or MBR's as "0xef". */
  partitionType: string | undefined;
  partitionUuid: string | undefined;
  mountpoints: string[];
  /** Paths of the disks it lies on; of a disk its own. */
  disks: string[];
}

const COLUMNS = ['NAME', 'PATH', 'TYPE', 'SIZE', 'FSTYPE', 'UUID', 'LABEL', 'PARTTYPE', 'PARTUUID', 'MOUNTPOINTS'];

const EFI_SYSTEM = ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b', '0xef'];

/** Every block device of this host, each once, disks before what lies on them. */
export async function readBlockDevices(signal: AbortSignal): Promise<BlockDevice[]> {
  // The name is what makes lsblk print a tree.
  const args = ['--json', '--bytes', '--output', COLUMNS.join(',')];
  const { stdout } = await runCommand('lsblk', args, { signal, allowMissing: false });
  return parseLsblk(stdout);
}

export function isEfiSystem({ partitionType }: BlockDevice): boolean {
  return partitionType !== undefined && EFI_SYSTEM.includes(partitionType);
}

/**
 * @param json what lsblk prints with --json and --bytes
 * @throws LifeboatError FAILED on anything else
 */
export function parseLsblk(json: string): BlockDevice[] {
  const found = new Map<string, BlockDevice>();
  const visit = (node: unknown, disks: string[]): void => {
    const device = toDevice(node, disks);
    // What lies on several disks is printed below each of them.
    const known = found.get(device.path);
    if (known === undefined) found.set(device.path, device);
    else known.disks = [...new Set([...known.disks, ...device.disks])];
    for (const child of listOf((node as { children?: unknown }).children ?? [])) visit(child, device.disks);
  };
  for (const node of listOf((parseJson(json) as { blockdevices?: unknown } | null)?.blockdevices)) visit(node, []);
  return [...found.values()];
}

function toDevice(node: unknown, disks: string[]): BlockDevice {
  if (typeof node !== 'object' || node === null) throw malformed('a device is no object');
  const fields = node as Record<string, unknown>;
  const path = text(fields, 'path') ?? '';
  if (!path.startsWith('/dev/')) throw malformed(`a device has the path "${path}"`);
  const mountpoints = listOf(fields.mountpoints ?? []).filter((at): at is string => typeof at === 'string');
  return {
    path,
    kind: text(fields, 'type') ?? 'unknown',
    sizeBytes: sizeOf(fields.size, path),
    fsType: text(fields, 'fstype'),
    uuid: text(fields, 'uuid'),
    label: text(fields, 'label'),
    partitionType: text(fields, 'parttype')?.toLowerCase(),
    partitionUuid: text(fields, 'partuuid')?.toLowerCase(),
    mountpoints,
    disks: disks.length === 0 ? [path] : disks,
  };
}

function text(fields: Record<string, unknown>, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw malformed(`"${name}" is ${JSON.stringify(value)}`);
  return value || undefined;
}

/** A number, which versions before 2.33 put in quotes. */
function sizeOf(value: unknown, path: string): number {
  const size = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw malformed(`${path} has the size ${JSON.stringify(value)}`);
  return size;
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw malformed('a list of devices is missing');
  return value;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw malformed('it is no JSON', error);
  }
}

function malformed(reason: string, cause?: unknown): LifeboatError {
  return new LifeboatError('FAILED', `Cannot make sense of what lsblk prints: ${reason}`, {
    hint: 'look at it: lsblk --json --bytes --output-all',
    cause,
  });
}
