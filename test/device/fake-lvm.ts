import type { CommandResult } from '../../src/device/command.js';
import type { LogicalVolume, Lvm, VolumeGroup } from '../../src/device/lvm.js';
import { mapperName } from '../../src/device/mounted-volumes.js';
import type { SnapshotWorld } from '../../src/device/snapshot-world.js';
import { LifeboatError } from '../../src/error.js';

const MIB = 1024 ** 2;
export const EXTENT_BYTES = 4 * MIB;

export function group(freeExtents: number, name = 'pve'): VolumeGroup {
  return { name, uuid: `uuid-${name}`, seqno: 7, extentBytes: EXTENT_BYTES, freeExtents, sizeBytes: 100_000 * MIB };
}

export function volume(name: string, sizeBytes: number, more: Partial<LogicalVolume> = {}): LogicalVolume {
  return {
    vg: 'pve',
    name,
    uuid: `uuid-${name}`,
    path: `/dev/pve/${name}`,
    role: 'thick',
    pool: undefined,
    origin: undefined,
    sizeBytes,
    tags: [],
    active: true,
    snapPercent: undefined,
    segments: [],
    ...more,
  };
}

export function lvmOf(groups: VolumeGroup[], logical: LogicalVolume[]): Lvm {
  return { groups, physical: [], logical };
}

export interface FakeSnapshot {
  origin: string;
  tags: string[];
  extents: number;
  /** As dmsetup tells it, behind "snapshot". */
  state: string;
}

/** lvcreate, lvremove and dmsetup over volumes that it keeps in memory, with the devices they would make. */
export class FakeLvm {
  /** By "VG/NAME". */
  readonly snapshots = new Map<string, FakeSnapshot>();
  readonly calls: string[][] = [];
  readonly open = new Set<number>();
  /** Before a command does anything. */
  before: (file: string, args: readonly string[]) => void | Promise<void> = () => undefined;
  /** How often lvremove still says that the device is in use. */
  busyTimes = 0;
  #nextFd = 1000;

  /** Of origins, by "VG/NAME". */
  readonly sizes: Record<string, number>;

  constructor(sizes: Record<string, number>) {
    this.sizes = { ...sizes };
  }

  readonly world: Partial<SnapshotWorld> = {
    run: async (file, args, options) => {
      this.calls.push([file, ...args]);
      await this.before(file, args);
      const result = this.#execute(file, args);
      if (options.okStatuses.includes(result.status)) return result;
      throw new LifeboatError('FAILED', `"${file}" failed with status ${result.status}: ${result.stderr.trim()}`);
    },
    open: (path) => {
      const snapshot = this.snapshots.get(path.slice('/dev/'.length));
      if (snapshot === undefined) throw new Error(`there is no ${path}`);
      const fd = this.#nextFd++;
      const directFd = this.#nextFd++;
      this.open.add(fd).add(directFd);
      return { fd, directFd, sizeBytes: this.sizes[snapshot.origin] ?? 0 };
    },
    close: (fd) => {
      if (!this.open.delete(fd)) throw new Error(`${fd} is closed already`);
    },
    watchMs: 5,
    removeWithinMs: 1000,
  };

  /** How often a command ran. */
  count(file: string): number {
    return this.calls.filter(([name]) => name === file).length;
  }

  #execute(file: string, args: readonly string[]): CommandResult {
    switch (file) {
      case 'lvcreate':
        return this.#create(args);
      case 'lvremove':
        return this.#remove(args.at(-1) ?? '');
      case 'dmsetup':
        return this.#status(args.at(-1) ?? '');
    }
    throw new Error(`${file} is not faked`);
  }

  #create(args: readonly string[]): CommandResult {
    const valuesOf = (flag: string) => args.flatMap((arg, at) => (arg === flag ? [args[at + 1] ?? ''] : []));
    const origin = args.at(-1) ?? '';
    const key = `${origin.split('/')[0]}/${valuesOf('--name')[0]}`;
    if (this.snapshots.has(key)) return failure('already exists in volume group');
    const extents = Number(valuesOf('--extents')[0]);
    this.snapshots.set(key, { origin, tags: valuesOf('--addtag'), extents, state: '16/16000 16' });
    return { stdout: `  Logical volume "${key}" created.\n`, stderr: '', status: 0 };
  }

  #remove(key: string): CommandResult {
    if (!this.snapshots.has(key)) return failure(`Failed to find logical volume "${key}"`);
    if (this.open.size > 0) return failure(`Logical volume ${key} in use.`);
    if (this.busyTimes-- > 0) return failure(`Logical volume ${key} contains a filesystem in use.`);
    this.snapshots.delete(key);
    return { stdout: '', stderr: '', status: 0 };
  }

  /** As dmsetup 1.02.185 says it. */
  #status(mapped: string): CommandResult {
    const [, snapshot] = [...this.snapshots].find(([key]) => mapped === mapperName(namesIn(key))) ?? [];
    if (snapshot === undefined) return { stdout: '', stderr: 'Device does not exist.\nCommand failed.\n', status: 1 };
    const sectors = (this.sizes[snapshot.origin] ?? 0) / 512;
    return { stdout: `0 ${sectors} snapshot ${snapshot.state}\n`, stderr: '', status: 0 };
  }
}

function namesIn(key: string): { vg: string; name: string } {
  const [vg = '', name = ''] = key.split('/');
  return { vg, name };
}

function failure(words: string): CommandResult {
  return { stdout: '', stderr: `  ${words}\n`, status: 5 };
}
