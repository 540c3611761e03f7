import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../error.js';
import { LVM_FAILED, type SnapshotName, type SnapshotWorld } from './snapshot-world.js';

const FIRST_RETRY_MS = 100;
const NOT_FOUND = /Failed to find logical volume/;

/**
 * Removes snapshots, last made first, trying again what is busy: udev and monitors look at new devices for a moment.
 * No signal stops it, for LVM's commands must not die half way; after `world.removeWithinMs` it gives up, and says so.
 * @returns those that are still there
 */
export async function removeSnapshots(
  snapshots: readonly SnapshotName[],
  say: (text: string) => void,
  world: SnapshotWorld,
): Promise<SnapshotName[]> {
  const left = [...snapshots].reverse();
  const refusals = new Map<SnapshotName, string>();
  const patience = new AbortController();
  let isOver = false;

  /** One after the other: the group's lock lets no two in. One that is busy must not keep the others. */
  async function removeAll(): Promise<void> {
    for (let retryMs = FIRST_RETRY_MS; ; retryMs *= 2) {
      for (const snapshot of [...left]) {
        if (isOver) return;
        const refusal = await remove(snapshot, world);
        if (refusal === undefined) left.splice(left.indexOf(snapshot), 1);
        else refusals.set(snapshot, refusal);
      }
      if (left.length === 0) return;
      await sleep(retryMs);
    }
  }

  const isPast = sleep(world.removeWithinMs, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([removeAll(), isPast]);
  isOver = true;
  patience.abort();
  for (const snapshot of left) {
    const { vg, name } = snapshot;
    const why = refusals.get(snapshot) ?? `lvremove did not end within ${world.removeWithinMs / 1000} s`;
    say(`the snapshot ${vg}/${name} is still there (${why}): the next run removes it, or you: lvremove ${vg}/${name}`);
  }
  return left;
}

/** @returns why not; undefined if it is gone, or was already */
async function remove({ vg, name }: SnapshotName, world: SnapshotWorld): Promise<string | undefined> {
  try {
    const args = ['--yes', '--autobackup', 'n', `${vg}/${name}`];
    const { status, stderr } = await world.run('lvremove', args, { okStatuses: [0, LVM_FAILED] });
    if (status === 0 || NOT_FOUND.test(stderr)) return undefined;
    return stderr.trim().split('\n').at(-1) || `lvremove ended with ${status}`;
  } catch (error) {
    if (error instanceof LifeboatError) return error.message;
    throw error;
  }
}
