import { fstatSync } from 'node:fs';
import { LifeboatError } from '../error.js';
import { nextData, nextHole } from '../native/libc.js';
import { DIRECT_ALIGNMENT_BYTES } from './direct.js';

/** Another device that holds an extent's data, a snapshot, and where in it the extent's first byte lies. */
export interface ReadFrom {
  fd: number;
  /** The same, opened with O_DIRECT; undefined where that is refused. */
  directFd: number | undefined;
  /** For messages. */
  path: string;
  offset: number;
}

/** A piece of a source, in bytes, and where its contents come from. A source is a list of them from 0 to its size. */
export type Extent =
  /** Read from the source itself, unless `from` names another device. */
  | { kind: 'data'; offset: number; length: number; from?: ReadFrom }
  | { kind: 'zero'; offset: number; length: number }
  | { kind: 'memory'; offset: number; length: number; bytes: Buffer };

/** Everything is to be read. No extent at all for an empty source. */
export function wholeExtent(sizeBytes: number): Extent[] {
  return sizeBytes === 0 ? [] : [{ kind: 'data', offset: 0, length: sizeBytes }];
}

/**
 * The holes of a sparse file as zeros, the rest as data, found while walking. Borders lie on multiples of 4096, so that
 * data can be read with O_DIRECT; where the file system tells no holes, all is data.
 * @throws LifeboatError FAILED if the file became shorter
 */
export function* fileExtents(fd: number, sizeBytes: number): Generator<Extent> {
  let offset = 0;
  while (offset < sizeBytes) {
    const range = nextRange(fd, offset, sizeBytes);
    if (range.start > offset) yield { kind: 'zero', offset, length: range.start - offset };
    if (range.end > range.start) yield { kind: 'data', offset: range.start, length: range.end - range.start };
    offset = range.end;
  }
}

function nextRange(fd: number, offset: number, sizeBytes: number): { start: number; end: number } {
  try {
    const data = nextData(fd, offset);
    if (data === undefined || data >= sizeBytes) {
      refuseShrunk(fd, sizeBytes);
      return { start: sizeBytes, end: sizeBytes };
    }
    const hole = nextHole(fd, data) ?? sizeBytes;
    const start = Math.max(offset, data - (data % DIRECT_ALIGNMENT_BYTES));
    return { start, end: Math.min(sizeBytes, Math.ceil(hole / DIRECT_ALIGNMENT_BYTES) * DIRECT_ALIGNMENT_BYTES) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EINVAL' || code === 'EOPNOTSUPP' || code === 'ENOTSUP') return { start: offset, end: sizeBytes };
    throw error;
  }
}

/** A file cut short while it is read looks like a hole at its end, and zeros would be saved for lost data. */
function refuseShrunk(fd: number, sizeBytes: number): void {
  const nowBytes = fstatSync(fd).size;
  if (nowBytes < sizeBytes)
    throw new LifeboatError(
      'FAILED',
      `The source became shorter while it was read: ${sizeBytes} to ${nowBytes} bytes`,
      {
        hint: 'stop what writes to it, then run this again',
        offset: nowBytes,
      },
    );
}

/**
 * `base` with every patch in its place, cut where they meet. Patches may come in any order.
 * @throws RangeError if two patches overlap, or one lies beyond the end of `base`: nothing says which of them is right
 */
export function overlay(base: Iterable<Extent>, patches: readonly Extent[]): Generator<Extent> {
  const sorted = patches.filter((patch) => patch.length > 0).sort((a, b) => a.offset - b.offset);
  sorted.forEach((patch, i) => {
    const before = sorted[i - 1];
    if (before && before.offset + before.length > patch.offset)
      throw new RangeError(`Patches overlap at offset ${patch.offset}`);
  });
  return lay(base, sorted);
}

function* lay(base: Iterable<Extent>, patches: Extent[]): Generator<Extent> {
  const left = patches[Symbol.iterator]();
  let patch = left.next().value;
  let baseEnd = 0;
  /** Up to where base extents are already replaced. */
  let covered = 0;
  for (const extent of base) {
    baseEnd = extent.offset + extent.length;
    let offset = Math.max(extent.offset, covered);
    while (patch && patch.offset < baseEnd) {
      if (patch.offset > offset) yield sliceExtent(extent, offset, patch.offset);
      yield patch;
      covered = patch.offset + patch.length;
      offset = Math.max(offset, covered);
      patch = left.next().value;
    }
    if (offset < baseEnd) yield sliceExtent(extent, offset, baseEnd);
  }
  const beyond = patch ? patch.offset : covered > baseEnd ? covered : undefined;
  if (beyond !== undefined) throw new RangeError(`A patch at offset ${beyond} lies beyond the end ${baseEnd}`);
}

/** What of an extent lies from `start` up to `end`, both in bytes of the source and within it. */
export function sliceExtent(extent: Extent, start: number, end: number): Extent {
  const length = end - start;
  const skipped = start - extent.offset;
  if (extent.kind === 'zero') return { kind: 'zero', offset: start, length };
  if (extent.kind === 'memory')
    return { kind: 'memory', offset: start, length, bytes: extent.bytes.subarray(skipped, skipped + length) };
  if (extent.from === undefined) return { kind: 'data', offset: start, length };
  return { kind: 'data', offset: start, length, from: { ...extent.from, offset: extent.from.offset + skipped } };
}

/**
 * Hands extents on, and proves on the way that they cover 0 to `sizeBytes` in order, without a gap or an overlap.
 * @throws RangeError at the first one that does not
 */
export function* checkExtents(extents: Iterable<Extent>, sizeBytes: number): Generator<Extent> {
  let offset = 0;
  for (const extent of extents) {
    const place = `${extent.kind} extent at offset ${extent.offset} of ${extent.length} bytes`;
    if (!Number.isSafeInteger(extent.length) || extent.length <= 0) throw new RangeError(`Bad length: ${place}`);
    if (extent.offset !== offset) throw new RangeError(`Extents do not join at offset ${offset}: ${place}`);
    if (extent.kind === 'memory' && extent.bytes.length !== extent.length)
      throw new RangeError(`It holds ${extent.bytes.length} bytes: ${place}`);
    offset += extent.length;
    if (offset > sizeBytes) throw new RangeError(`Past the source's end ${sizeBytes}: ${place}`);
    yield extent;
  }
  if (offset !== sizeBytes) throw new RangeError(`Extents end at offset ${offset}, the source at ${sizeBytes}`);
}
