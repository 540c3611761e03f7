import { LifeboatError } from '../error.js';
import { runCommand } from './command.js';
import { DIRECT_ALIGNMENT_BYTES } from './direct.js';
import { fatUsed } from './fat-map.js';
import type { FilesystemFacts } from './filesystem.js';
import type { ReadRange } from './partition-table.js';
import { roundSize } from './sizes.js';
import { xfsLogDoubt } from './xfs-log.js';

/** Bytes of a partition or volume that are in use. */
export interface UsedRange {
  offset: number;
  length: number;
}

/**
 * A smaller gap between used ranges is read along: a request costs as much. On file systems with half of their small
 * files removed again that was 2 % more to read; 64 KiB would have been 10 %.
 */
const SMALLEST_GAP_BYTES = 32 * 1024;
/** Beyond that, larger gaps are read along too. */
const MOST_RANGES = 500_000;
/** Boot code, and the first superblock of every kind, whatever a map says of it. */
export const HEAD_BYTES = 64 * 1024;
/** Copies of btrfs's superblock, which are in no allocation tree. */
const BTRFS_COPIES_AT = [64 * 1024 ** 1, 64 * 1024 ** 2, 256 * 1024 ** 3];

const PROGRAMS: Partial<Record<FilesystemFacts['type'], string>> = {
  ext4: 'partclone.extfs',
  xfs: 'partclone.xfs',
  btrfs: 'partclone.btrfs',
};

/** What is looked at. */
export interface MappedDevice {
  path: string;
  /** Of the same device. */
  read: ReadRange;
}

export interface UsedBlocksOptions {
  signal?: AbortSignal | undefined;
  /** It is mounted, and the caller sees to it that it stands still meanwhile; its marks of that are no doubt then. */
  isSettled?: boolean;
}

/**
 * Which blocks of a file system are in use: by `partclone -D`, and by its own table of a FAT. It must not be mounted; a
 * snapshot is fine.
 * @param sizeBytes of the device; what lies behind the file system counts as used
 * @returns sorted ranges on multiples of 4096 (but for the device's end), at least 32 KiB apart; or in words why all has to
 * be read: no such program, a kind it does not know, or a map that does not fit the superblock
 * @throws the signal's reason
 */
export async function usedBlocks(
  device: MappedDevice,
  facts: FilesystemFacts,
  sizeBytes: number,
  { signal, isSettled = false }: UsedBlocksOptions = {},
): Promise<{ used: UsedRange[] } | { used: undefined; reason: string }> {
  const none = (reason: string) => ({ used: undefined, reason });
  if (facts.doubt !== undefined) return none(`its map of unused blocks may be wrong: ${facts.doubt}`);
  try {
    const mapped =
      facts.type === 'vfat'
        ? await fatUsed(device.read, sizeBytes, isSettled)
        : await partcloneUsed(device.path, facts.type, sizeBytes, { signal, isSettled });
    if (typeof mapped === 'string') return none(mapped);
    const doubt = doubtIn(mapped, facts);
    return doubt === undefined ? { used: withKnownPlaces(mapped, facts, sizeBytes) } : none(doubt);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LifeboatError) return none(error.message);
    throw error;
  }
}

/** @returns in words, why there is no map */
async function partcloneUsed(
  devicePath: string,
  type: FilesystemFacts['type'],
  sizeBytes: number,
  { signal, isSettled }: UsedBlocksOptions,
): Promise<UsedRange[] | string> {
  const program = PROGRAMS[type];
  if (program === undefined) return `nothing tells the unused blocks of what it holds (${type})`;
  const doubt = type === 'xfs' ? await doubtInLog(devicePath, signal) : undefined;
  if (doubt !== undefined) return doubt;
  // Without -L it writes /var/log/partclone.log, which is on the disk that is being imaged; -F: though it is mounted.
  const args = ['-D', '-s', devicePath, '-o', '-', '-L', '/dev/null', ...(isSettled ? ['-F'] : [])];
  const result = await runCommand(program, args, { allowMissing: true, ...(signal ? { signal } : {}) });
  if (result === undefined) return `${program} is not installed (apt install partclone)`;
  return parseDomainMap(result.stdout, sizeBytes);
}

async function doubtInLog(devicePath: string, signal?: AbortSignal): Promise<string | undefined> {
  const log = await runCommand('xfs_logprint', ['-t', devicePath], {
    allowMissing: true,
    ...(signal ? { signal } : {}),
  });
  if (log === undefined)
    return 'nothing says whether its log is clean: xfs_logprint is not installed (apt install xfsprogs)';
  const doubt = xfsLogDoubt(log.stdout);
  return doubt === undefined ? undefined : `its map of unused blocks may be wrong: ${doubt}`;
}

/** In words, why a map cannot be true; undefined if it can. */
export function doubtIn(used: readonly UsedRange[], facts: FilesystemFacts): string | undefined {
  if (facts.usedBytes === undefined || facts.sizeBytes === undefined || facts.blockBytes === undefined)
    return 'the superblock does not say how much is in use';
  const fileSystemBytes = facts.sizeBytes;
  const mapped = used.reduce((sum, { offset, length }) => {
    return sum + Math.max(0, Math.min(offset + length, fileSystemBytes) - offset);
  }, 0);
  // Counters of reserved blocks and of the log differ a little between kernel and partclone.
  const least = facts.usedBytes - Math.max(16 * facts.blockBytes, facts.usedBytes / 1000);
  if (mapped < least) return `the map has ${roundSize(mapped)} in use, the superblock ${roundSize(facts.usedBytes)}`;
  const superblock = facts.type === 'btrfs' ? 64 * 1024 : facts.type === 'ext4' ? 1024 : 0;
  const first = used.find((range) => range.offset + range.length > superblock);
  return first !== undefined && first.offset <= superblock ? undefined : 'the map has the superblock as unused';
}

function withKnownPlaces(used: UsedRange[], facts: FilesystemFacts, sizeBytes: number): UsedRange[] {
  const places = [{ offset: 0, length: HEAD_BYTES }];
  if (facts.type === 'btrfs') for (const offset of BTRFS_COPIES_AT) places.push({ offset, length: 4096 });
  const inside = places.filter((place) => place.offset < sizeBytes);
  return joinedRanges([...used, ...inside], sizeBytes);
}

/** Ranges in any order as used ranges are wanted: sorted, widened to multiples of 4096, small gaps closed. */
export function joinedRanges(ranges: readonly UsedRange[], sizeBytes: number): UsedRange[] {
  return bounded(joinUsed(sorted(ranges), sizeBytes), sizeBytes);
}

/** The same, with no gap closed. */
export function exactRanges(ranges: readonly UsedRange[], sizeBytes: number): UsedRange[] {
  return joinUsed(sorted(ranges), sizeBytes, 1);
}

function sorted(ranges: readonly UsedRange[]): UsedRange[] {
  return [...ranges].sort((a, b) => a.offset - b.offset);
}

/**
 * Reads a map as `partclone -D` writes it (ddrescue's format): comments, the current position, then one range a line,
 * `0xPOS 0xSIZE +` for used and `?` for unused. What lies behind the last range counts as used.
 * @returns sorted used ranges, widened to multiples of 4096, with gaps smaller than 32 KiB closed
 * @throws LifeboatError FAILED if ranges do not join from 0 on, lie beyond the device, or the map breaks off
 */
export function parseDomainMap(text: string, sizeBytes: number): UsedRange[] {
  const used: UsedRange[] = [];
  let position: number | undefined;
  let end = 0;
  for (const [number, line] of linesOf(text)) {
    const fields = line.split(/\s+/);
    if (position === undefined) {
      position = hex(fields[0], number);
      if (fields.length !== 2 || fields[1] !== '?') throw malformed(`line ${number} is no current position`);
      continue;
    }
    const [offset, length, status] = [hex(fields[0], number), hex(fields[1], number), fields[2]];
    if (fields.length !== 3 || (status !== '+' && status !== '?')) throw malformed(`line ${number} is "${line}"`);
    if (offset !== end) throw malformed(`line ${number} begins at byte ${offset}, the one before it ends at ${end}`);
    if (length === 0) throw malformed(`line ${number} has no length`);
    end = offset + length;
    if (end > sizeBytes) throw malformed(`line ${number} ends at byte ${end}, the device at ${sizeBytes}`);
    if (status === '+') addUsed(used, offset, end, sizeBytes);
  }
  if (position === undefined || end === 0) throw malformed('it is empty');
  if (position !== end) throw malformed(`it breaks off at byte ${end} of ${position}`);
  if (end < sizeBytes) addUsed(used, end, sizeBytes, sizeBytes);
  return bounded(used, sizeBytes);
}

function bounded(used: UsedRange[], sizeBytes: number): UsedRange[] {
  let few = used;
  for (let gap = 2 * SMALLEST_GAP_BYTES; few.length > MOST_RANGES; gap *= 2) few = joinUsed(few, sizeBytes, gap);
  return few;
}

function joinUsed(ordered: UsedRange[], sizeBytes: number, gapBytes = SMALLEST_GAP_BYTES): UsedRange[] {
  const joined: UsedRange[] = [];
  for (const { offset, length } of ordered) addUsed(joined, offset, offset + length, sizeBytes, gapBytes);
  return joined;
}

/** Appends a range that begins at or behind the last one's start. */
function addUsed(used: UsedRange[], from: number, to: number, sizeBytes: number, gapBytes = SMALLEST_GAP_BYTES): void {
  const start = Math.floor(from / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES;
  const end = Math.min(sizeBytes, Math.ceil(to / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES);
  const last = used.at(-1);
  if (last !== undefined && start - (last.offset + last.length) < gapBytes)
    last.length = Math.max(last.length, end - last.offset);
  else used.push({ offset: start, length: end - start });
}

/** Without comments and empty lines. A map may have a million lines: they are not all split at once. */
function* linesOf(text: string): Generator<[number: number, line: string]> {
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    if (newline < 0) throw malformed('its last line is cut off');
    const line = text.slice(at, newline).trim();
    number++;
    if (line !== '' && !line.startsWith('#')) yield [number, line];
    at = newline + 1;
  }
}

function hex(field: string | undefined, line: number): number {
  const value = field !== undefined && /^0x[0-9A-Fa-f]{1,16}$/.test(field) ? Number(field) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw malformed(`line ${line} has "${field ?? ''}" where an offset should be`);
  return value;
}

function malformed(what: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot understand partclone's map of used blocks: ${what}`, {
    hint: 'without it all blocks are read; partclone.FS -D -s DEVICE -o - shows it',
  });
}
