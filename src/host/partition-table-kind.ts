import { runCommand } from '../device/command.js';
import { NotOnThisHost } from './host-file.js';

/** blkid's status where it finds nothing. */
const NOTHING_FOUND = 2;

/** "gpt", "dos", or undefined for a disk without a partition table. */
async function partitionTableKind(disk: string, signal: AbortSignal): Promise<string | undefined> {
  const args = ['--probe', '--match-tag', 'PTTYPE', '--output', 'value', disk];
  const found = await runCommand('blkid', args, { signal, okStatuses: [0, NOTHING_FOUND] });
  return found?.stdout.trim() || undefined;
}

/** sgdisk would convert a table of another kind in memory and save what the disk never had. */
export function requireGpt(disk: string): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if ((await partitionTableKind(disk, signal)) !== 'gpt') throw new NotOnThisHost(`${disk} has no GPT`);
  };
}

export function requireTable(disk: string): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if ((await partitionTableKind(disk, signal)) === undefined)
      throw new NotOnThisHost(`${disk} has no partition table`);
  };
}
