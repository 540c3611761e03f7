import type { Lvm } from '../device/lvm.js';
import { type HeldSnapshot, SNAPSHOT_TAG } from '../device/lvm-snapshot.js';

/** LVM 2.03 moves a group's number by two for a snapshot: its volume, and that it is one now. */
const CHANGES_OF_A_SNAPSHOT = 2;

/**
 * Whether anybody but us has changed LVM's metadata, in words; undefined if not.
 * @param groups names of the groups that matter
 * @param snapshots those we made since `before`
 */
export function lvmChanges(
  before: Lvm,
  now: Lvm,
  groups: ReadonlySet<string>,
  snapshots: readonly Pick<HeldSnapshot, 'origin'>[],
): string | undefined {
  for (const group of groups) {
    const seqnoOf = (lvm: Lvm) => lvm.groups.find(({ name }) => name === group)?.seqno ?? 0;
    const ours = snapshots.filter(({ origin }) => origin.vg === group).length * CHANGES_OF_A_SNAPSHOT;
    const isSame = sameNames(volumeNames(before, group), volumeNames(now, group));
    if (isSame && seqnoOf(now) === seqnoOf(before) + ours) continue;
    const what = isSame ? "LVM's metadata changed" : 'volumes were made, removed or resized';
    return (
      `${what} in the group ${group} while the image was made (its number went from ${seqnoOf(before)} to ${seqnoOf(now)}, ` +
      `${ours} of that by our snapshots): the image has what was before`
    );
  }
  return undefined;
}

function sameNames(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  return some.size === others.size && [...some].every((name) => others.has(name));
}

/** Names with sizes, but for our own snapshots. */
function volumeNames({ logical }: Lvm, group: string): Set<string> {
  return new Set(
    logical
      .filter(({ vg, tags }) => vg === group && !tags.includes(SNAPSHOT_TAG))
      .map(({ uuid, name, sizeBytes }) => `${uuid} ${name} ${sizeBytes}`),
  );
}
