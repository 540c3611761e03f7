import { DIRECT_ALIGNMENT_BYTES } from './direct.js';
import type { Extent, ReadFrom } from './extents.js';
import type { FilesystemFacts } from './filesystem.js';
import type { LogicalVolume, PhysicalVolume, VolumeGroup } from './lvm.js';
import type { PartitionTable } from './partition-table.js';
import type { UsedRange } from './used-blocks.js';

/** What is known of a partition or volume, and where to read it. */
export interface VolumeContent {
  facts: FilesystemFacts;
  /** Sorted; undefined if all of it has to be read. */
  used: UsedRange[] | undefined;
  /** A snapshot or copy that is read in its place; undefined: the disk itself. */
  from: ContentSource | undefined;
  /** Why it is left out, "guests" or anything else; undefined if it is not. */
  excluded: string | undefined;
}

export interface ContentSource {
  fd: number;
  directFd: number | undefined;
  path: string;
  /** Sorted, on multiples of 4096: nothing else is read from it, but from the disk itself. Undefined: all is read from it. */
  only?: UsedRange[];
}

export interface PhysicalVolumeOnDisk {
  /** Undefined if the whole disk is the physical volume. */
  partition: number | undefined;
  pv: PhysicalVolume;
  vg: VolumeGroup;
  /** Label and metadata, bytes 0 to `pv.dataOffset`, as they were before any snapshot of ours. */
  header: Buffer;
  /** What lies behind the last extent, from the same moment; `offset` is relative to the physical volume. */
  trailer: { offset: number; bytes: Buffer } | undefined;
  /** All of the group but for our own snapshots, whose extents then count as free. */
  volumes: LogicalVolume[];
  /** By the volume's name; all of a volume that is missing here is read. */
  contents: Map<string, VolumeContent>;
}

export interface DiskMapInput {
  sizeBytes: number;
  table: PartitionTable;
  /** By the partition's number; all of one that is missing here is read. */
  partitions: Map<number, VolumeContent>;
  pvs: PhysicalVolumeOnDisk[];
}

/** What of the disk is not read, and is zeros in the image. */
export interface LeftOut {
  what: string;
  bytes: number;
  reason: 'free' | 'swap' | 'guests' | 'excluded' | 'unused blocks' | 'gap';
}

export interface DiskMap {
  /** From 0 to the disk's size. */
  extents: Extent[];
  /** For log, manifest and recovery notes: one entry for each volume and reason, the largest first. */
  leftOut: LeftOut[];
  /** What has to be read, in bytes. */
  dataBytes: number;
}

/** A range of the disk, and what is in it. Zeros know why: each kind of them is one object, shared. */
type Piece =
  | { kind: 'disk'; start: number; end: number }
  | { kind: 'from'; start: number; end: number; from: ReadFrom }
  | { kind: 'memory'; start: number; end: number; bytes: Buffer }
  | { kind: 'zero'; start: number; end: number; why: LeftOut };

const SWAP_HEAD_BYTES = 4096;

/**
 * Lays out what to read of a disk, what to take from memory and from snapshots, and what is zero because nobody needs it.
 * Whatever is not known for sure is read: a partition without contents, RAID and cache volumes, what lies behind the last
 * extent. Where data and zeros meet off a multiple of 4096, as in partitions of old, the data are widened to it.
 * @throws RangeError if the input does not hold together: volumes or used ranges that overlap or lie outside of their
 * place, a header of another size
 */
export function diskMap(input: DiskMapInput): DiskMap {
  const zeros = new Zeros();
  // Handed on one by one: there may be millions.
  return summed(widened(withMetadata(piecesOfDisk(input, zeros), input.table.metadata)), input.sizeBytes);
}

/** The reasons of zeros, one object for each volume and reason. */
class Zeros {
  readonly #all = new Map<string, LeftOut>();

  why(what: string, reason: LeftOut['reason']): LeftOut {
    const key = `${reason} ${what}`;
    const found = this.#all.get(key) ?? { what, bytes: 0, reason };
    this.#all.set(key, found);
    return found;
  }
}

/** In order, joined, from 0 to the disk's size. */
function* piecesOfDisk({ sizeBytes, table, partitions, pvs }: DiskMapInput, zeros: Zeros): Generator<Piece> {
  const whole = pvs.find((pv) => pv.partition === undefined);
  if (whole !== undefined) {
    if (pvs.length > 1 || table.partitions.length > 0)
      throw new RangeError('A disk is a physical volume or has partitions');
    yield* piecesOfPv(whole, 0, sizeBytes, zeros);
    return;
  }
  if (table.scheme === 'none') {
    if (pvs.length > 0) throw new RangeError('Physical volumes without a partition table to lie in');
    yield { kind: 'disk', start: 0, end: sizeBytes };
    return;
  }
  const gap = zeros.why('outside of partitions', 'gap');
  const sorted = table.partitions.filter(({ role }) => role !== 'extended').sort((a, b) => a.offset - b.offset);
  for (const { partition } of pvs)
    if (!sorted.some(({ number }) => number === partition)) throw new RangeError(`There is no partition ${partition}`);
  let at = 0;
  for (const { number, offset, sizeBytes: length } of sorted) {
    if (offset < at || offset + length > sizeBytes)
      throw new RangeError(`Partition ${number} at ${offset} has no room`);
    if (offset > at) yield { kind: 'zero', start: at, end: offset, why: gap };
    at = offset + length;
    const pv = pvs.find((candidate) => candidate.partition === number);
    if (pv !== undefined) yield* piecesOfPv(pv, offset, at, zeros);
    else yield* contentPieces(partitions.get(number), `partition ${number}`, length, zeros).between(0, length, offset);
  }
  if (at < sizeBytes) yield { kind: 'zero', start: at, end: sizeBytes, why: gap };
}

/** @param start of the physical volume on the disk */
function* piecesOfPv(on: PhysicalVolumeOnDisk, start: number, end: number, zeros: Zeros): Generator<Piece> {
  const { pv, vg, header, trailer } = on;
  if (header.length !== pv.dataOffset)
    throw new RangeError(`The header of ${pv.path} has ${header.length} bytes, not ${pv.dataOffset}`);
  const dataStart = start + pv.dataOffset;
  const dataEnd = dataStart + pv.extentCount * vg.extentBytes;
  if (dataEnd > end) throw new RangeError(`The extents of ${pv.path} end at ${dataEnd}, its device at ${end}`);
  if (header.length > 0) yield { kind: 'memory', start, end: dataStart, bytes: header };
  const free = zeros.why(`free extents of ${vg.name}`, 'free');
  const contents = new Map<string, Contents>();
  let at = dataStart;
  for (const { volume, segmentOffset, isMapped, startExtent, extentCount } of placesOn(on)) {
    const from = dataStart + startExtent * vg.extentBytes;
    const to = from + extentCount * vg.extentBytes;
    if (from < at || to > dataEnd)
      throw new RangeError(`Extent ${startExtent} of ${pv.path} is used twice, or not its own`);
    if (from > at) yield { kind: 'zero', start: at, end: from, why: free };
    at = to;
    const content = contents.get(volume.name) ?? volumePieces(volume, on, zeros);
    contents.set(volume.name, content);
    if (isMapped) yield* content.between(segmentOffset, segmentOffset + to - from, from);
    else yield content.everywhere(from, to);
  }
  if (at < dataEnd) yield { kind: 'zero', start: at, end: dataEnd, why: free };
  yield* piecesBehind(trailer, start, dataEnd, end);
}

/** Behind the last extent lies a second metadata area, or nothing, or what was there before: not known, so kept. */
function* piecesBehind(
  trailer: PhysicalVolumeOnDisk['trailer'],
  pvStart: number,
  dataEnd: number,
  end: number,
): Generator<Piece> {
  const from = pvStart + (trailer?.offset ?? 0);
  const to = from + (trailer?.bytes.length ?? 0);
  if (trailer === undefined || from === to) {
    if (end > dataEnd) yield { kind: 'disk', start: dataEnd, end };
    return;
  }
  if (from < dataEnd || to > end) throw new RangeError(`The trailer at ${from} is not behind the extents`);
  if (from > dataEnd) yield { kind: 'disk', start: dataEnd, end: from };
  yield { kind: 'memory', start: from, end: to, bytes: trailer.bytes };
  if (to < end) yield { kind: 'disk', start: to, end };
}

interface Place {
  volume: LogicalVolume;
  /** Where the extents are in the volume, in bytes. */
  segmentOffset: number;
  /** Whether the extents hold the volume's bytes from there on, one after another. */
  isMapped: boolean;
  startExtent: number;
  extentCount: number;
}

/** What the volumes have on this physical volume, in the order of its extents. */
function placesOn({ pv, volumes }: PhysicalVolumeOnDisk): Place[] {
  const places: Place[] = [];
  for (const volume of volumes) {
    for (const { logicalOffset, stripes } of volume.segments) {
      for (const stripe of stripes) {
        if (stripe.pv !== pv.path) continue;
        const isMapped = volume.role === 'thick' && stripes.length === 1;
        places.push({ volume, segmentOffset: logicalOffset, isMapped, ...stripe });
      }
    }
  }
  return places.sort((a, b) => a.startExtent - b.startExtent);
}

/** What is in a partition or volume, by its own offsets. */
interface Contents {
  /** @param offset `at` is where on the disk the byte `start` lies */
  between(start: number, end: number, at: number): Generator<Piece>;
  /** For extents that do not hold the bytes in order, as those of RAID or of a snapshot's store do not. */
  everywhere(start: number, end: number): Piece;
}

function volumePieces(volume: LogicalVolume, { vg, contents }: PhysicalVolumeOnDisk, zeros: Zeros): Contents {
  const own = contents.get(volume.name);
  const pool = volume.role === 'internal' && volume.pool !== undefined ? contents.get(volume.pool) : undefined;
  if (own?.excluded === undefined && pool?.excluded !== undefined)
    return contentPieces(pool, `${vg.name}/${volume.pool}`, volume.sizeBytes, zeros);
  const name = volume.role === 'internal' && volume.pool !== undefined ? volume.pool : volume.name;
  return contentPieces(own, `${vg.name}/${name}`, volume.sizeBytes, zeros);
}

function contentPieces(content: VolumeContent | undefined, what: string, sizeBytes: number, zeros: Zeros): Contents {
  if (content?.excluded !== undefined) {
    const why = zeros.why(what, content.excluded === 'guests' ? 'guests' : 'excluded');
    const zero = (start: number, end: number): Piece => ({ kind: 'zero', start, end, why });
    return {
      *between(start, end, at) {
        yield zero(at, at + end - start);
      },
      everywhere: zero,
    };
  }
  const isSwap = content?.facts.type === 'swap';
  const why = zeros.why(what, isSwap ? 'swap' : 'unused blocks');
  const head = Math.max(SWAP_HEAD_BYTES, content?.facts.blockBytes ?? 0);
  const used = isSwap ? [{ offset: 0, length: Math.min(head, sizeBytes) }] : content?.used;
  const whole = [{ offset: 0, length: sizeBytes }];
  checkUsed(used ?? whole, what, sizeBytes);
  return {
    between: (start, end, at) => usedPieces(used ?? whole, content?.from, why, { start, end, at }),
    everywhere: (start, end) => ({ kind: 'disk', start, end }),
  };
}

/** A range out of order would be passed over, and its data lost. */
function checkUsed(used: UsedRange[], what: string, sizeBytes: number): void {
  let at = 0;
  for (const { offset, length } of used) {
    if (offset < at || length <= 0 || offset + length > sizeBytes)
      throw new RangeError(`The used range of ${what} at offset ${offset} overlaps, or is not in it`);
    at = offset + length;
  }
}

function* usedPieces(
  used: UsedRange[],
  source: VolumeContent['from'],
  why: LeftOut,
  { start, end, at }: { start: number; end: number; at: number },
): Generator<Piece> {
  const onDisk = at - start;
  let done = start;
  for (let i = firstBehind(used, start); i < used.length; i++) {
    const { offset, length } = used[i] as UsedRange;
    if (offset >= end) break;
    // The borders of ranges are widened as the volume itself counts: a snapshot is read by its own offsets.
    const from = Math.max(done, Math.floor(offset / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES);
    const to = Math.min(end, Math.ceil((offset + length) / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES);
    if (to <= from) continue;
    if (from > done) yield { kind: 'zero', start: done + onDisk, end: from + onDisk, why };
    if (source === undefined) yield { kind: 'disk', start: from + onDisk, end: to + onDisk };
    else yield* takenPieces(source, from, to, onDisk);
    done = to;
  }
  if (done < end) yield { kind: 'zero', start: done + onDisk, end: end + onDisk, why };
}

function* takenPieces(source: ContentSource, start: number, end: number, onDisk: number): Generator<Piece> {
  const { fd, directFd, path, only = [{ offset: start, length: end - start }] } = source;
  let done = start;
  for (let i = firstBehind(only, start); i < only.length; i++) {
    const { offset, length } = only[i] as UsedRange;
    if (offset >= end) break;
    const [from, to] = [Math.max(done, offset), Math.min(end, offset + length)];
    if (to <= from) continue;
    if (from > done) yield { kind: 'disk', start: done + onDisk, end: from + onDisk };
    yield { kind: 'from', start: from + onDisk, end: to + onDisk, from: { fd, directFd, path, offset: from } };
    done = to;
  }
  if (done < end) yield { kind: 'disk', start: done + onDisk, end: end + onDisk };
}

/** The first range that ends, widened, behind an offset. A volume in thousands of segments must not walk all each time. */
function firstBehind(used: UsedRange[], offset: number): number {
  let [low, high] = [0, used.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = used[middle] as UsedRange;
    if (range.offset + range.length + DIRECT_ALIGNMENT_BYTES <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Tables and boot areas are read whatever a map says of their place; what is read or in memory anyway stays so. */
function* withMetadata(pieces: Iterable<Piece>, metadata: PartitionTable['metadata']): Generator<Piece> {
  let next = 0;
  for (const piece of pieces) {
    while (next < metadata.length && endOf(metadata[next]) <= piece.start) next++;
    if (piece.kind !== 'zero') {
      yield piece;
      continue;
    }
    let at = piece.start;
    for (let i = next; i < metadata.length && (metadata[i]?.offset ?? 0) < piece.end; i++) {
      const start = Math.max(at, metadata[i]?.offset ?? 0);
      const end = Math.min(piece.end, endOf(metadata[i]));
      if (start > at) yield { ...piece, start: at, end: start };
      yield { kind: 'disk', start, end };
      at = end;
    }
    if (at < piece.end) yield { ...piece, start: at };
  }
}

function endOf(range: { offset: number; length: number } | undefined): number {
  return range === undefined ? 0 : range.offset + range.length;
}

/** Where data of the disk itself and zeros meet, the data go on to a multiple of 4096. */
function* widened(pieces: Iterable<Piece>): Generator<Piece> {
  let before: Piece | undefined;
  for (const after of pieces) {
    if (before?.kind === 'disk' && after.kind === 'zero') {
      const border = Math.ceil(before.end / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES;
      before.end = after.start = Math.min(border, after.end);
    } else if (before?.kind === 'zero' && after.kind === 'disk') {
      const border = Math.floor(after.start / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES;
      before.end = after.start = Math.max(border, before.start);
    }
    if (before !== undefined && before.end > before.start) yield before;
    before = after;
  }
  if (before !== undefined && before.end > before.start) yield before;
}

function summed(pieces: Iterable<Piece>, sizeBytes: number): DiskMap {
  const extents: Extent[] = [];
  const leftOut = new Set<LeftOut>();
  let dataBytes = 0;
  let at = 0;
  for (const piece of pieces) {
    if (piece.start !== at) throw new RangeError(`The map does not join at offset ${at}`);
    at = piece.end;
    const length = piece.end - piece.start;
    if (piece.kind === 'zero') {
      piece.why.bytes += length;
      leftOut.add(piece.why);
    } else if (piece.kind !== 'memory') dataBytes += length;
    append(extents, piece);
  }
  if (at !== sizeBytes) throw new RangeError(`The map ends at offset ${at}, the disk at ${sizeBytes}`);
  return { extents, leftOut: [...leftOut].sort((a, b) => b.bytes - a.bytes), dataBytes };
}

function append(extents: Extent[], piece: Piece): void {
  const { start: offset, end } = piece;
  const length = end - offset;
  const last = extents.at(-1);
  if (piece.kind === 'memory') extents.push({ kind: 'memory', offset, length, bytes: piece.bytes });
  else if (piece.kind === 'zero') {
    if (last?.kind === 'zero') last.length += length;
    else extents.push({ kind: 'zero', offset, length });
  } else if (piece.kind === 'disk') {
    if (last?.kind === 'data' && last.from === undefined) last.length += length;
    else extents.push({ kind: 'data', offset, length });
  } else {
    const goesOn =
      last?.kind === 'data' && last.from?.fd === piece.from.fd && last.from.offset + last.length === piece.from.offset;
    if (goesOn && last !== undefined) last.length += length;
    else extents.push({ kind: 'data', offset, length, from: piece.from });
  }
}
