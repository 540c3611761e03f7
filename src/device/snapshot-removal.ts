import { LifeboatError } from '../error.js';
import { removePatiently } from './remove-patiently.js';
import { LVM_FAILED, type SnapshotName, type SnapshotWorld } from './snapshot-world.js';

const NOT_FOUND = /Failed to find logical volume/;

/**
 * Removes snapshots. No signal stops it, for LVM's commands must not die half way, and its group's lock lets no two in; after
 * `world.removeWithinMs` it gives up, and says so.
 * @returns those that are still there
 */
export async function removeSnapshots(
  snapshots: readonly SnapshotName[],
  say: (text: string) => void,
  world: SnapshotWorld,
): Promise<SnapshotName[]> {
  const left = await removePatiently(snapshots, (snapshot) => remove(snapshot, world), world.removeWithinMs);
  return left.map(({ thing, refusal }) => {
    const path = `${thing.vg}/${thing.name}`;
    const why = refusal ?? `lvremove did not end within ${world.removeWithinMs / 1000} s`;
    say(`the snapshot ${path} is still there (${why}): the next run removes it, or you: lvremove ${path}`);
    return thing;
  });
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
