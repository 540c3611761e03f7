import { LifeboatError } from '../error.js';
import type { Partition, ReadRange } from './partition-table.js';

const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const SIGNATURE_AT = 510;
const DISK_ID_AT = 440;
/** As many logical partitions as anybody has seen; the kernel stops at 256 partitions. */
const MOST_EBRS = 256;

const EXTENDED = [0x05, 0x0f, 0x85];
const ROLES: Readonly<Record<number, Partition['role']>> = {
  5: 'extended',
  15: 'extended',
  133: 'extended',
  130: 'swap',
  131: 'linux',
  142: 'lvm',
  191: 'zfs',
  239: 'efi-system',
  253: 'raid',
};

export interface EntryPlace {
  /** In bytes. */
  offset: number;
}

export interface MbrEntry {
  type: number;
  /** In sectors; of an EBR relative to it. */
  start: number;
  sectors: number;
}

export interface Mbr {
  /** All four; type 0 is an empty one. */
  entries: MbrEntry[];
  /** The disk signature as the kernel writes it, or undefined if there is none. */
  diskId: string | undefined;
}

interface Disk {
  sizeBytes: number;
  sectorBytes: number;
}

/** Undefined if the first sector is no MBR; as the kernel sees it, one whose boot flags are neither 0 nor 0x80 is none. */
export async function readMbr(read: ReadRange, { sectorBytes }: Disk): Promise<Mbr | undefined> {
  const sector = await read(0, sectorBytes);
  if (sector.readUInt16LE(SIGNATURE_AT) !== 0xaa55) return undefined;
  for (let i = 0; i < 4; i++) if ((sector[ENTRIES_AT + i * ENTRY_BYTES] as number) & 0x7f) return undefined;
  const id = sector.readUInt32LE(DISK_ID_AT);
  return { entries: entriesOf(sector), diskId: id === 0 ? undefined : id.toString(16).padStart(8, '0') };
}

function entriesOf(sector: Buffer): MbrEntry[] {
  return [0, 1, 2, 3].map((i) => {
    const at = ENTRIES_AT + i * ENTRY_BYTES;
    const sectors = sector.readUInt32LE(at + 12);
    return { type: sectors === 0 ? 0 : (sector[at + 4] as number), start: sector.readUInt32LE(at + 8), sectors };
  });
}

/**
 * Primary partitions by their slots, logical ones from 5 on, as the kernel numbers them, and where their EBRs lie.
 * @throws LifeboatError FAILED if the chain of EBRs is broken
 */
export async function mbrPartitions(
  read: ReadRange,
  { entries, diskId }: Mbr,
  disk: Disk,
): Promise<{ partitions: Partition[]; ebrs: { offset: number; length: number }[] }> {
  const partitionOf = (entry: MbrEntry, number: number): Partition => ({
    number,
    offset: entry.start * disk.sectorBytes,
    sizeBytes: entry.sectors * disk.sectorBytes,
    type: `0x${entry.type.toString(16).padStart(2, '0')}`,
    uuid: diskId === undefined ? undefined : `${diskId}-${number.toString(16).padStart(2, '0')}`,
    name: '',
    role: ROLES[entry.type] ?? 'other',
  });
  const partitions = entries.flatMap((entry, i) => (entry.type === 0 ? [] : [partitionOf(entry, i + 1)]));
  const extended = entries.filter((entry) => EXTENDED.includes(entry.type));
  if (extended.length > 1) throw broken('it has more than one extended partition');
  const [container] = extended;
  if (container === undefined) return { partitions, ebrs: [] };
  for (const { number, offset, sizeBytes, role } of partitions) {
    const start = container.start * disk.sectorBytes;
    if (role !== 'extended' && offset < start + container.sectors * disk.sectorBytes && offset + sizeBytes > start)
      throw broken(`partition ${number} overlaps the extended one`);
  }
  const { logical, ebrs } = await logicalEntries(read, container, disk);
  return { partitions: [...partitions, ...logical.map((entry, i) => partitionOf(entry, i + 5))], ebrs };
}

/** A chain: each EBR has one partition, relative to itself, and the place of the next, relative to the extended one. */
async function logicalEntries(
  read: ReadRange,
  container: MbrEntry,
  { sizeBytes, sectorBytes }: Disk,
): Promise<{ logical: MbrEntry[]; ebrs: { offset: number; length: number }[] }> {
  const end = container.start + container.sectors;
  if (end * sectorBytes > sizeBytes) throw broken('the extended partition lies beyond the end of the disk');
  const logical: MbrEntry[] = [];
  const places = new Set<number>();
  for (let place: number | undefined = container.start; place !== undefined; ) {
    if (places.has(place) || places.size === MOST_EBRS)
      throw broken(`the logical partitions have no end: sector ${place} comes again`);
    if (place < container.start || place >= end) throw broken(`the EBR at sector ${place} is not in the extended one`);
    places.add(place);
    const sector = await read(place * sectorBytes, sectorBytes);
    // An extended partition that was made and has no logical one yet.
    if (places.size === 1 && sector.every((byte) => byte === 0)) break;
    if (sector.readUInt16LE(SIGNATURE_AT) !== 0xaa55) throw broken(`there is no EBR at sector ${place}`);
    const [own, next, ...others] = entriesOf(sector) as [MbrEntry, MbrEntry, ...MbrEntry[]];
    if (others.some((entry) => entry.type !== 0) || (own.type !== 0 && EXTENDED.includes(own.type)))
      throw broken(`the EBR at sector ${place} has entries that only OS/2 or DR-DOS made`);
    if (own.type !== 0) {
      const start = place + own.start;
      if (own.start === 0 || start + own.sectors > end)
        throw broken(`the logical partition of the EBR at sector ${place} is not in the extended one`);
      logical.push({ ...own, start });
    }
    if (next.type !== 0 && !EXTENDED.includes(next.type)) throw broken(`the EBR at sector ${place} has two partitions`);
    place = next.type === 0 ? undefined : container.start + next.start;
  }
  return { logical, ebrs: [...places].map((place) => ({ offset: place * sectorBytes, length: sectorBytes })) };
}

function broken(what: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot understand the partition table (MBR): ${what}`, {
    hint: 'sfdisk --verify DISK tells more; repair it first',
  });
}
