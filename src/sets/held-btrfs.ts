import { nodePath, partitionsOf } from '../device/block-tree.js';
import type { BootDisk } from '../device/boot-disk.js';
import { type HeldBtrfs, holdBtrfs } from '../device/btrfs-hold.js';
import type { PartitionTable } from '../device/partition-table.js';
import { LifeboatError } from '../error.js';

interface HoldOptions {
  disk: BootDisk;
  snapshot: 'auto' | 'lvm' | 'btrfs' | 'none';
  dryRun: boolean;
  scratchDirectory: string;
  signal: AbortSignal;
}

/**
 * A mounted btrfs on a partition, held still as `--snapshot` wants it.
 * @returns undefined where it is not wanted, or cannot be had and something less will do
 * @throws LifeboatError if it cannot be had and nothing less will do; the signal's reason
 */
export async function heldBtrfs(
  device: string,
  { snapshot, dryRun, scratchDirectory, signal }: HoldOptions,
  { warn, say }: { warn(text: string): void; say(text: string): void },
): Promise<HeldBtrfs | undefined> {
  if (dryRun || (snapshot !== 'auto' && snapshot !== 'btrfs')) return undefined;
  try {
    return await holdBtrfs({ device, directory: scratchDirectory, ownPaths: [], signal, say, warn });
  } catch (error) {
    signal.throwIfAborted();
    if (snapshot === 'btrfs' || !(error instanceof LifeboatError)) throw error;
    warn(`${device} is not held still: ${errorInWords(error)}`);
    return undefined;
  }
}

/** @throws LifeboatError FAILED if `--snapshot btrfs` is asked for where there is none */
export function refuseWithoutBtrfs({ disk, snapshot }: HoldOptions, table: PartitionTable): void {
  if (snapshot !== 'btrfs') return;
  const paths = partitionsOf(disk.name).map((name) => nodePath(name));
  if (table.scheme !== 'none' && disk.mounts.some(({ device, fsType }) => fsType === 'btrfs' && paths.includes(device)))
    return;
  throw new LifeboatError('FAILED', `Cannot hold a btrfs still: none is mounted from a partition of "${disk.path}"`, {
    hint: '--snapshot auto takes what there is',
  });
}

/** For a warning, where one line has to do. */
export function errorInWords({ message, hint }: LifeboatError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}
