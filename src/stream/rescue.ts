import { type ReadableAt, ReadError, readAt } from './read-at.js';

/** A range of the source that could not be read and was saved as zeros; in bytes. */
export interface BadRange {
  offset: number;
  length: number;
}

const RETRY_BYTES = 64 * 1024;
/** After so many failures in a row it is a stretch of the disk that is gone, not a sector: every try may take seconds. */
const FAILURES_BEFORE_SKIPPING = 8;

export interface Rescuer {
  /** Reads what can be read of the range and leaves zeros for the rest. Calls are done one after another. */
  rescue(file: ReadableAt, into: Buffer, offset: number, length: number): Promise<void>;
  /** In the order of the source, neighbours joined. */
  badRanges(): BadRange[];
}

export type ReadFunction = typeof readAt;

/**
 * Reads a failing disk like ddrescue's first pass: in pieces of 64 KiB, the failing ones by sectors, and after 8 failures
 * in a row it skips ahead, twice as far each time, until something can be read again.
 */
export function createRescuer(sectorBytes: number, read: ReadFunction = readAt, signal?: AbortSignal): Rescuer {
  const bad: BadRange[] = [];
  let failuresInRow = 0;
  /** Where the last failure ended: failures in a row are neighbours, for chunks may come in any order. */
  let lastFailureEnd = -1;
  /** What lies in here is skipped without a try. */
  let skip = { from: 0, until: 0 };
  const isSkipped = (offset: number) => offset >= skip.from && offset < skip.until;
  let previous: Promise<void> = Promise.resolve();

  async function tryRead(file: ReadableAt, into: Buffer, offset: number, length: number): Promise<boolean> {
    // A dying disk may take seconds for each of 128 sectors of a piece.
    signal?.throwIfAborted();
    try {
      const bytes = await read({ ...file, alignmentBytes: sectorBytes }, into, offset, length);
      return bytes === length;
    } catch (error) {
      if (error instanceof ReadError) return false;
      throw error;
    }
  }

  function lose(into: Buffer, offset: number, length: number): void {
    into.fill(0, 0, length);
    bad.push({ offset, length });
  }

  async function rescueSectors(file: ReadableAt, into: Buffer, offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const piece = Math.min(sectorBytes, length - done);
      const view = into.subarray(done);
      if (isSkipped(at)) {
        const skipped = Math.min(skip.until - at, length - done);
        lose(view, at, skipped);
        lastFailureEnd = at + skipped;
        done += skipped;
        continue;
      }
      if (await tryRead(file, view, at, piece)) failuresInRow = 0;
      else {
        lose(view, at, piece);
        failuresInRow = at === lastFailureEnd ? failuresInRow + 1 : 1;
        lastFailureEnd = at + piece;
        const beyond = failuresInRow - FAILURES_BEFORE_SKIPPING;
        if (beyond >= 0)
          skip = { from: lastFailureEnd, until: lastFailureEnd + sectorBytes * 2 ** Math.min(beyond, 20) };
      }
      done += piece;
    }
  }

  async function rescueRange(file: ReadableAt, into: Buffer, offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const piece = Math.min(RETRY_BYTES, length - done);
      const at = offset + done;
      const view = into.subarray(done);
      const readable = !isSkipped(at) && (await tryRead(file, view, at, piece));
      if (readable) failuresInRow = 0;
      else await rescueSectors(file, view, at, piece);
      done += piece;
    }
  }

  return {
    rescue(file, into, offset, length) {
      const turn = previous.then(() => rescueRange(file, into, offset, length));
      previous = turn.catch(() => undefined);
      return turn;
    },
    badRanges: () => joinRanges(bad),
  };
}

function joinRanges(ranges: BadRange[]): BadRange[] {
  const joined: BadRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.offset - b.offset)) {
    const last = joined.at(-1);
    if (last !== undefined && last.offset + last.length >= range.offset) {
      last.length = Math.max(last.length, range.offset + range.length - last.offset);
    } else joined.push({ ...range });
  }
  return joined;
}
