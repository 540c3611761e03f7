import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ancestors, KERNEL, type KernelRoots, nameOfNode } from '../device/block-tree.js';
import { type BootFinding, findBootDisks } from '../device/boot-disk.js';
import { type Lvm, readLvm } from '../device/lvm.js';
import { planSnapshots } from '../device/lvm-snapshot.js';
import { mapperPath, mountedVolumes } from '../device/mounted-volumes.js';
import { readSwaps } from '../device/mounts.js';
import { zfsByHand } from '../device/zfs-by-hand.js';
import { LifeboatError } from '../error.js';
import { type GpuSurvey, hasWebgpu, surveyGpus } from '../gpu/survey.js';
import { examineSchedule, type Schedule } from './examine-schedule.js';
import { type LargeThing, largeThings } from './large-things.js';
import { behindLayers, physicalVolumesOn } from './physical-volumes.js';
import { findRequirements, type Requirement } from './requirements.js';

/** What `lifeboat boot` would meet on this host. */
export interface Diagnosis {
  hostname: string;
  isRoot: boolean;
  node: { version: string; isEnough: boolean };
  memory: { totalBytes: number; availableBytes: number };
  boot: BootFinding | undefined;
  /** Of the volume groups that have a part on a boot disk. */
  groups: { name: string; sizeBytes: number; freeBytes: number; freeExtents: number }[];
  snapshots: SnapshotOutlook;
  /** What an image would leave out, roughly: guests' disks, swap, free extents. */
  leftOut: { what: string; bytes: number }[];
  large: LargeThing[];
  requirements: Requirement[];
  schedule: Schedule;
  /** Undefined where the optional package for them is not installed. */
  gpus: GpuSurvey | undefined;
  /** What could not be looked at, and why. */
  unseen: string[];
  verdict: Verdict;
}

export type SnapshotOutlook =
  | { possible: true; volumes: { volume: string; originBytes: number; roomBytes: number }[] }
  | { possible: false; reason: string; hint: string | undefined };

/**
 * consistent: a snapshot holds the root file system still. crash: it can be imaged, but as it would be after a power cut.
 * unknown: not to be seen without root. impossible: not by Lifeboat.
 */
export interface Verdict {
  grade: 'consistent' | 'crash' | 'unknown' | 'impossible';
  words: string;
  /** What to type, a command a line. */
  commands: string[];
}

/** Debian 13's, and so Proxmox VE 9's. */
const LEAST_NODE = [20, 19] as const;

/** Looks at this host, changing nothing. What it may not see is in `unseen`. */
export async function examineHost(signal: AbortSignal, roots: KernelRoots = KERNEL): Promise<Diagnosis> {
  const unseen: string[] = [];
  /** @returns undefined where looking failed, for a reason that is in `unseen` then */
  async function attempt<T>(what: string, look: () => Promise<T>): Promise<T | undefined> {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      unseen.push(`${what}: ${error.message}`);
      return undefined;
    }
  }

  const isRoot = process.getuid?.() === 0;
  const boot = await findBootDisks(roots).catch((error: unknown) => {
    if (error instanceof LifeboatError) return error;
    throw error;
  });
  const finding = boot instanceof LifeboatError ? undefined : boot;
  // Without root, LVM complains of its lock and shows no volume, which would look like a host without any.
  const lvm = isRoot ? await attempt('LVM', () => readLvm(signal)) : undefined;
  if (!isRoot) unseen.push('LVM and what other users hide: that takes root');
  const snapshots = outlookOf(finding, lvm, groupsOnDisks(finding, lvm, roots));
  return {
    hostname: hostname(),
    isRoot,
    node: { version: process.versions.node, isEnough: isNodeEnough(process.versions.node) },
    memory: readMemory(roots.proc),
    boot: finding,
    groups: finding === undefined || lvm === undefined ? [] : groupsOn(finding, lvm, roots),
    snapshots,
    leftOut: finding === undefined ? [] : leftOutOf(finding, lvm, roots),
    large: await largeThings({ signal }),
    requirements: findRequirements({
      layout: finding?.root.layout,
      bootMode: finding?.bootMode,
      isProxmox: existsSync('/etc/pve'),
      usesBootTool: existsSync('/etc/kernel/proxmox-boot-uuids'),
    }),
    schedule: await examineSchedule(signal),
    gpus: hasWebgpu() ? await surveyGpus({ measure: false, signal }) : undefined,
    unseen,
    verdict: verdictOf(boot, snapshots, lvm !== undefined),
  };
}

/**
 * Whether the volumes of the boot disks can have snapshots, and how large.
 * @param groupsOnDisks names of the groups with physical volumes on the boot disks themselves
 */
export function outlookOf(
  boot: BootFinding | undefined,
  lvm: Lvm | undefined,
  groupsOnDisks: ReadonlySet<string>,
): SnapshotOutlook {
  const no = (reason: string, hint?: string) => ({ possible: false, reason, hint }) as const;
  if (boot === undefined) return no('the boot disk is not known');
  // Each subvolume has a snapshot, which takes no room that would have to be set aside.
  if (boot.root.layout === 'btrfs' && boot.disks.length === 1) return { possible: true, volumes: [] };
  if (boot.root.layout !== 'lvm') return no(`/ is not on LVM (${boot.root.device}, ${boot.root.fsType})`);
  if (lvm === undefined) return no('LVM could not be looked at');
  const mounted = mountedVolumes(
    lvm,
    boot.disks.flatMap(({ mounts }) => mounts),
  );
  const root = mounted.find((volume) => [volume.path, mapperPath(volume)].includes(boot.root.device));
  if (root === undefined) return no(`lvs does not show ${boot.root.device}`);
  if (!groupsOnDisks.has(root.vg)) return no(behindLayers(root));
  try {
    // Others that cannot have one do not keep the root from having it.
    const sizes = planSnapshots(
      mounted.filter((volume) => volume === root || volume.role === 'thick'),
      lvm,
    );
    return {
      possible: true,
      volumes: sizes.map(({ volume, sizeBytes }) => ({
        volume: `${volume.vg}/${volume.name}`,
        originBytes: volume.sizeBytes,
        roomBytes: sizeBytes,
      })),
    };
  } catch (error) {
    if (error instanceof LifeboatError) return no(error.message, error.hint);
    throw error;
  }
}

/** @param boot what was found, or why nothing was */
export function verdictOf(boot: BootFinding | LifeboatError, snapshots: SnapshotOutlook, hasSeenLvm: boolean): Verdict {
  if (boot instanceof LifeboatError)
    return { grade: 'impossible', words: boot.message, commands: boot.hint === undefined ? [] : [boot.hint] };
  if (boot.root.layout === 'zfs')
    return {
      grade: 'impossible',
      words: `/ is on ZFS (${boot.root.device}), whose disks change while they are read: save it by hand`,
      commands: zfsByHand(boot),
    };
  if (snapshots.possible)
    return {
      grade: 'consistent',
      words: 'lifeboat boot can make a consistent image of this host while it runs',
      commands: [],
    };
  if (boot.root.layout === 'lvm' && !hasSeenLvm)
    return {
      grade: 'unknown',
      words: 'lifeboat boot can image this host; whether a snapshot makes that consistent, only root can see',
      commands: ['sudo lifeboat doctor'],
    };
  return {
    grade: 'crash',
    words: `lifeboat boot can image this host, but only as it would be after a power cut: ${snapshots.reason}`,
    commands: snapshots.hint === undefined ? [] : [snapshots.hint],
  };
}

function groupsOnDisks(boot: BootFinding | undefined, lvm: Lvm | undefined, roots: KernelRoots): Set<string> {
  if (boot === undefined || lvm === undefined) return new Set();
  return new Set(boot.disks.flatMap((disk) => physicalVolumesOn(disk, lvm, roots).map(({ vg }) => vg.name)));
}

function groupsOn(boot: BootFinding, lvm: Lvm, roots: KernelRoots): Diagnosis['groups'] {
  const disks = new Set(boot.disks.map(({ name }) => name));
  const names = lvm.physical.flatMap(({ path, vg }) => {
    const device = nameOfNode(path, roots);
    return device !== undefined && ancestors(device, roots).some((name) => disks.has(name)) ? [vg] : [];
  });
  return lvm.groups
    .filter(({ name }) => names.includes(name))
    .map(({ name, sizeBytes, freeExtents, extentBytes }) => ({
      name,
      sizeBytes,
      freeExtents,
      freeBytes: freeExtents * extentBytes,
    }));
}

function leftOutOf(boot: BootFinding, lvm: Lvm | undefined, roots: KernelRoots): Diagnosis['leftOut'] {
  const groups = lvm === undefined ? [] : groupsOn(boot, lvm, roots);
  const pools = (lvm?.logical ?? []).filter(
    ({ role, vg }) => role === 'thin-pool' && groups.some((g) => g.name === vg),
  );
  return [
    ...pools.map(({ vg, name, sizeBytes }) => ({
      what: `thin pool ${vg}/${name}: guests' disks, which vzdump saves`,
      bytes: sizeBytes,
    })),
    ...readSwaps(roots.proc)
      .filter(({ kind }) => kind === 'partition')
      .map(({ path, sizeBytes }) => ({ device: nameOfNode(path, roots), path, sizeBytes }))
      .flatMap(({ device, path, sizeBytes }) => {
        const shown = boot.swaps.find(
          (swap) => swap === path || (device !== undefined && nameOfNode(swap, roots) === device),
        );
        return shown === undefined ? [] : [{ what: `swap ${shown}`, bytes: sizeBytes }];
      }),
    ...groups
      .filter(({ freeBytes }) => freeBytes > 0)
      .map(({ name, freeBytes }) => ({ what: `free extents of ${name}`, bytes: freeBytes })),
  ];
}

function isNodeEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
}

function readMemory(proc: string): Diagnosis['memory'] {
  const text = readFileSync(`${proc}/meminfo`, 'utf8');
  const bytesOf = (field: string) => Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytesOf('MemTotal'), availableBytes: bytesOf('MemAvailable') };
}
