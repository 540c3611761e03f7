import type { FilesystemFacts } from '../device/filesystem.js';
import { diskBytesFor, type GptMove, lastUsableLbaOn, planGptMove } from '../device/gpt-move.js';
import type { Partition } from '../device/partition-table.js';
import { roundSize, sizeInWords } from '../device/sizes.js';
import { LifeboatError } from '../error.js';
import type { DiskLayout } from './disk-layout.js';

/** How a disk's contents are to be fitted to another disk. Sizes in bytes. */
export interface DiskFit {
  /** What of the image goes on to the disk: all, or as much as there is room for. */
  restoredBytes: number;
  /** Undefined where there is nothing to move. */
  move: GptMove | undefined;
  /** Partitions that end earlier than before, by number, and with how many bytes. */
  shortened: ReadonlyMap<number, number>;
}

export interface FitOptions {
  /** The disk that is restored to, for messages. */
  path: string;
  targetBytes: number;
  /** Where the last data of the image ends, apart from the backup partition table. */
  usedEndBytes: number;
  shrinkTail: boolean;
}

/**
 * @param layout of the image
 * @throws LifeboatError NO_SPACE with the size that would do
 */
export function fitDisk(layout: DiskLayout, options: FitOptions): DiskFit {
  const { targetBytes } = options;
  if (targetBytes < layout.sizeBytes) return shrink(layout, options);
  const isLarger = targetBytes > layout.sizeBytes;
  const move = isLarger && layout.gpt !== undefined ? planGptMove(layout.gpt, targetBytes) : undefined;
  return { restoredBytes: layout.sizeBytes, move, shortened: new Map() };
}

function shrink(layout: DiskLayout, options: FitOptions): DiskFit {
  const { targetBytes, path, shrinkTail } = options;
  const { bytes: neededBytes, because } = leastDisk(layout, options.usedEndBytes);
  const cannot = `Cannot restore onto "${path}": it has ${sizeInWords(targetBytes)}, the set is of a disk of ${sizeInWords(layout.sizeBytes)}`;
  if (targetBytes < neededBytes)
    throw new LifeboatError('NO_SPACE', `${cannot}, and ${because}`, {
      hint: `choose a disk of at least ${sizeInWords(neededBytes)}`,
    });
  if (!shrinkTail)
    throw new LifeboatError('NO_SPACE', cannot, {
      hint: `all that is in use fits into ${roundSize(neededBytes)}: add --shrink-tail to leave out the empty rest, or choose a larger disk`,
    });
  const { gpt } = layout;
  if (gpt === undefined) return { restoredBytes: targetBytes, move: undefined, shortened: new Map() };
  const lastUsableLba = lastUsableLbaOn(gpt, targetBytes);
  const late = gpt.entries.filter(({ lastLba }) => lastLba > lastUsableLba);
  const move = planGptMove(gpt, targetBytes, new Map(late.map(({ number }) => [number, lastUsableLba])));
  const shortened = late.map(
    ({ number, firstLba }) => [number, (lastUsableLba - firstLba + 1) * gpt.sectorBytes] as const,
  );
  return { restoredBytes: targetBytes, move, shortened: new Map(shortened) };
}

/** These say how large they are and have nothing at the end of their partition; all others must keep their size. */
const CUTTABLE = new Set<FilesystemFacts['type']>(['ext4', 'xfs', 'vfat', 'swap']);

interface Least {
  bytes: number;
  because: string;
}

function leastDisk(layout: DiskLayout, usedEndBytes: number): Least {
  const { gpt, table, sizeBytes } = layout;
  if (table.scheme === 'none') return { bytes: sizeBytes, because: 'without a partition table all of it may matter' };
  const ends = table.partitions.map((partition) => leastEnd(partition, layout));
  ends.push({ bytes: usedEndBytes, because: `its data ends at ${sizeInWords(usedEndBytes)}` });
  const last = ends.reduce((most, end) => (end.bytes > most.bytes ? end : most));
  if (gpt === undefined) return last;
  return { ...last, bytes: diskBytesFor(gpt, Math.ceil(last.bytes / gpt.sectorBytes) - 1) };
}

function leastEnd(partition: Partition, { gpt, contents }: DiskLayout): Least {
  const { number, offset, sizeBytes } = partition;
  const facts = contents.get(number);
  // An MBR's entries are left as they are: its logical partitions form a chain through the disk.
  const isCuttable = gpt !== undefined && facts?.sizeBytes !== undefined && CUTTABLE.has(facts.type);
  const contentBytes = isCuttable ? Math.min(facts.sizeBytes as number, sizeBytes) : sizeBytes;
  const what = facts === undefined || facts.type === 'unknown' ? '' : ` (${inWords(facts.type)})`;
  const how = contentBytes < sizeBytes ? 'its contents' : 'it';
  const end = offset + contentBytes;
  return { bytes: end, because: `partition ${number}${what} cannot be cut: ${how} ends at ${sizeInWords(end)}` };
}

function inWords(type: FilesystemFacts['type']): string {
  return type === 'lvm-pv' ? 'LVM physical volume' : type;
}
