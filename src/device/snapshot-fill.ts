import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../error.js';
import { mapperName } from './mounted-volumes.js';
import type { SnapshotName, SnapshotWorld } from './snapshot-world.js';

/** The kernel drops a snapshot at 100 %. What is written between two looks must fit above this. */
const FULL_PERCENT = 95;
const DMSETUP_FAILED = 1;
/** One look that fails may be due to load, or to another command just then; so many in a row are not. */
const FAILED_LOOKS = 3;

/**
 * Looks again and again until one is full, or nearly.
 * @param signal ends the watch in silence: the promise never settles then
 * @throws LifeboatError FAILED
 */
export async function watchFill(
  snapshots: readonly SnapshotName[],
  signal: AbortSignal,
  world: SnapshotWorld,
): Promise<never> {
  const silence = new Promise<never>(() => undefined);
  let failures = 0;
  while (await pause(world.watchMs, signal)) {
    try {
      for (const snapshot of snapshots) {
        const percent = await fillPercent(snapshot, world);
        if (percent >= FULL_PERCENT) throw new SnapshotLost(snapshot, `is ${percent.toFixed(0)} % full`);
      }
      failures = 0;
    } catch (error) {
      // They are being removed: that one is gone is as it should be.
      if (signal.aborted) return silence;
      if (error instanceof SnapshotLost || !(error instanceof LifeboatError)) throw error;
      if (++failures >= FAILED_LOOKS) throw error;
    }
  }
  return silence;
}

/** @returns false if the signal came */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  // It rejects for nothing but the signal.
  return sleep(ms, true, { signal }).catch(() => false);
}

/**
 * Asks device mapper, for LVM would look through every disk of the host for it: of a Debian in QEMU, 0.06 s of it against
 * 0.47 s, every other second of a run.
 * @throws LifeboatError FAILED
 */
export async function fillPercent(snapshot: SnapshotName, world: SnapshotWorld): Promise<number> {
  const name = mapperName(snapshot);
  const { status, stdout, stderr } = await world.run('dmsetup', ['status', name], { okStatuses: [0, DMSETUP_FAILED] });
  if (status === 0) return percentOf(stdout, snapshot);
  if (/does not exist/.test(stderr)) throw new SnapshotLost(snapshot, 'is gone: something else removed it');
  throw new LifeboatError('FAILED', `Cannot tell how full the snapshot is: dmsetup says "${stderr.trim()}"`, {
    hint: `dmsetup status ${name}`,
  });
}

/**
 * The status of a snapshot target: "0 8388608 snapshot 1112/16384 16", sectors that are taken of those there are, or a
 * word instead of them (Documentation/admin-guide/device-mapper/snapshot.rst, snapshot_status in drivers/md/dm-snap.c).
 */
function percentOf(status: string, snapshot: SnapshotName): number {
  const [, state = ''] = /^\d+ \d+ snapshot (.+)$/.exec(status.trim()) ?? [];
  if (/^(Invalid|Overflow|Merge failed)$/.test(state)) throw new SnapshotLost(snapshot, 'has overflowed');
  const [, taken, all] = /^(\d+)\/([1-9]\d*) \d+$/.exec(state) ?? [];
  if (taken === undefined || all === undefined)
    throw new LifeboatError(
      'FAILED',
      `Cannot tell how full the snapshot ${snapshot.vg}/${snapshot.name} is: its status is "${status.trim()}"`,
      { hint: `dmsetup status ${mapperName(snapshot)}` },
    );
  if (Number(taken) >= Number(all)) throw new SnapshotLost(snapshot, 'has overflowed');
  return (100 * Number(taken)) / Number(all);
}

/** What was read of it up to now may be right; what comes next is not. */
class SnapshotLost extends LifeboatError {
  constructor({ vg, name }: SnapshotName, what: string) {
    super('FAILED', `The snapshot ${vg}/${name} ${what}: what it shows can no longer be relied on`, {
      hint:
        `run this when less is written, to a faster target, or with more free extents in ${vg} ` +
        `(vgs ${vg} shows them; vgextend ${vg} /dev/sdX adds some)`,
    });
  }
}
