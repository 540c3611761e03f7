import { randomBytes } from 'node:crypto';
import { LifeboatError } from '../error.js';
import type { LogicalVolume, Lvm } from './lvm.js';
import { roundSize } from './sizes.js';
import { fillPercent, watchFill } from './snapshot-fill.js';
import { isAlive, type Owner, ownerOf, ownerTags, SNAPSHOT_TAG, thisProcess } from './snapshot-owner.js';
import { removeSnapshots } from './snapshot-removal.js';
import { type SnapshotSize, snapshotSizes } from './snapshot-size.js';
import { type SnapshotName, type SnapshotWorld, THIS_HOST } from './snapshot-world.js';

export { SNAPSHOT_TAG };

export interface HeldSnapshot {
  origin: LogicalVolume;
  name: string;
  path: string;
  fd: number;
  /** Undefined where O_DIRECT is refused. */
  directFd: number | undefined;
  /** @throws LifeboatError FAILED if it has overflowed or is gone */
  fillPercent(): Promise<number>;
}

/** Snapshots that stand as long as this run wants them. */
export interface SnapshotHolder {
  snapshots: HeldSnapshot[];
  /** Rejects when one overflows or is about to. Never resolves; silent after `release`. */
  watched: Promise<never>;
  /**
   * Closes and removes them, however the run ends: no signal stops it. Idempotent; within 5 s. What it cannot remove it
   * says, and the next run's `reapSnapshots` removes. Nothing may be reading them any more.
   */
  release(): Promise<void>;
}

/** LVM takes names of 127 characters, device mapper group and volume together, hyphens doubled. */
const ORIGIN_CHARACTERS = 40;

/**
 * Makes a snapshot of each volume, one right after the other, and opens them. Device mapper itself makes ext4, XFS and
 * btrfs stand still for that moment, so each holds what a clean sync would.
 * @param lvm as read just before: free extents decide the sizes
 * @throws LifeboatError NO_SPACE if there are too few free extents, FAILED for other kinds of volumes or when LVM
 *   refuses; the signal's reason. No snapshot is left then.
 */
export async function holdSnapshots(
  volumes: readonly LogicalVolume[],
  lvm: Lvm,
  options: { signal: AbortSignal; say(text: string): void },
  parts: Partial<SnapshotWorld> = {},
): Promise<SnapshotHolder> {
  const world = { ...THIS_HOST, ...parts };
  const { signal, say } = options;
  const sizes = planSnapshots(volumes, lvm);
  const owner = thisProcess(world.proc);
  const made: SnapshotName[] = [];
  const snapshots: HeldSnapshot[] = [];
  const watching = new AbortController();
  let released: Promise<void> | undefined;

  async function closeAndRemove(): Promise<void> {
    watching.abort();
    for (const { fd, directFd } of snapshots) {
      world.close(fd);
      if (directFd !== undefined) world.close(directFd);
    }
    await removeSnapshots(made, say, world);
  }

  function release(): Promise<void> {
    released ??= closeAndRemove();
    return released;
  }

  try {
    for (const size of sizes) {
      signal.throwIfAborted();
      const { vg } = size.volume;
      const name = snapshotName(size.volume.name);
      // First of all: one whose creation fails half way is removed too.
      made.push({ vg, name });
      await create(size, name, owner, world);
    }
    for (const [at, { volume, sizeBytes }] of sizes.entries()) {
      signal.throwIfAborted();
      const snapshot = made[at] as SnapshotName;
      snapshots.push(openSnapshot(snapshot, volume, world));
      say(`${snapshotWords(snapshot)} of ${volume.vg}/${volume.name} has ${roundSize(sizeBytes)} for changes`);
    }
  } catch (error) {
    await release();
    throw error;
  }
  const watched = watchFill(made, watching.signal, world);
  // Whoever does not wait for it learns by the next read, for the kernel fails those of a dropped snapshot.
  watched.catch(() => undefined);
  return { snapshots, watched, release };
}

/**
 * How large the snapshots of these volumes would be, in the same order.
 * @throws LifeboatError NO_SPACE if there are too few free extents, FAILED for a volume that cannot have a snapshot
 */
export function planSnapshots(volumes: readonly LogicalVolume[], lvm: Lvm): SnapshotSize[] {
  for (const volume of volumes) refuseOtherKinds(volume);
  const sizes = [...new Set(volumes.map(({ vg }) => vg))].flatMap((vg) => {
    const group = lvm.groups.find(({ name }) => name === vg);
    if (group === undefined)
      throw new LifeboatError('FAILED', `Cannot snapshot volumes of ${vg}: vgs does not show that group`, {
        hint: `vgs ${vg} says why`,
      });
    return snapshotSizes(
      volumes.filter((volume) => volume.vg === vg),
      group,
    );
  });
  return volumes.flatMap((volume) => sizes.find((size) => size.volume === volume) ?? []);
}

function refuseOtherKinds({ vg, name, role, active }: LogicalVolume): void {
  if (role === 'thick' && active) return;
  throw new LifeboatError('FAILED', `Cannot snapshot ${vg}/${name}: ${whyNone(role, active)}`, {
    hint: '--snapshot none images it as it is (crash consistency)',
  });
}

function whyNone(role: LogicalVolume['role'], active: boolean): string {
  if (!active) return 'it is not active, so nothing changes it';
  // LVM could make one, but a disk's image has no place for it.
  if (role === 'thin') return 'it is a thin volume, and only its pool knows where on the disk its blocks lie';
  return `volumes of its kind (${role}) have none`;
}

/**
 * Removes the snapshots of runs that were killed. Never one without our tag, nor one whose run still goes on.
 * @returns how many
 */
export async function reapSnapshots(
  lvm: Lvm,
  say: (text: string) => void,
  parts: Partial<SnapshotWorld> = {},
): Promise<number> {
  const world = { ...THIS_HOST, ...parts };
  const dead = lvm.logical.filter((volume) => {
    const { vg, name, tags, origin } = volume;
    // Without an origin it is somebody's volume that got our tag.
    if (!tags.includes(SNAPSHOT_TAG) || origin === undefined) return false;
    const owner = ownerOf(tags);
    if (owner === undefined)
      say(`${vg}/${name} has our tag but no run's, so it stays; to remove it: lvremove ${vg}/${name}`);
    return owner !== undefined && !isAlive(owner, world.proc);
  });
  const left = new Set<SnapshotName>(await removeSnapshots(dead, say, world));
  const reaped = dead.filter((volume) => !left.has(volume));
  for (const volume of reaped)
    say(`removed ${snapshotWords(volume)}, left by a run that was killed (process ${ownerOf(volume.tags)?.pid})`);
  return reaped.length;
}

function snapshotWords({ vg, name }: SnapshotName): string {
  return `snapshot ${vg}/${name}`;
}

/** `lvcreate` refuses one that exists. */
function snapshotName(origin: string): string {
  return `lifeboat-${origin.slice(0, ORIGIN_CHARACTERS)}-${randomBytes(2).toString('hex')}`;
}

/**
 * Not stopped by the run's signal: an LVM command that dies between suspending a volume and resuming it leaves that
 * frozen until the next boot (github.com/lvmteam/lvm2/issues/73), and this one is the root file system.
 */
async function create(
  { volume, extents }: SnapshotSize,
  name: string,
  owner: Owner,
  world: SnapshotWorld,
): Promise<void> {
  const args = [
    '--yes',
    '--snapshot',
    ...['--name', name],
    ...ownerTags(owner).flatMap((tag) => ['--addtag', tag]),
    ...['--extents', String(extents)],
    ...['--permission', 'r'],
    // We watch it; dmeventd, were it started by this, might keep our pipes open.
    ...['--monitor', 'n'],
    // The group will be as it was, and /etc/lvm would change on the very volume.
    ...['--autobackup', 'n'],
    `${volume.vg}/${volume.name}`,
  ];
  await world.run('lvcreate', args, { okStatuses: [0] });
}

function openSnapshot(snapshot: SnapshotName, origin: LogicalVolume, world: SnapshotWorld): HeldSnapshot {
  const path = `/dev/${snapshot.vg}/${snapshot.name}`;
  const { fd, directFd, sizeBytes } = world.open(path);
  if (sizeBytes !== origin.sizeBytes) {
    world.close(fd);
    if (directFd !== undefined) world.close(directFd);
    throw new LifeboatError('FAILED', `"${path}" has ${sizeBytes} bytes, its origin had ${origin.sizeBytes}`, {
      hint: `was ${origin.vg}/${origin.name} resized meanwhile? Run this again`,
    });
  }
  return { origin, name: snapshot.name, path, fd, directFd, fillPercent: () => fillPercent(snapshot, world) };
}
