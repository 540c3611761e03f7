import type { Extent } from '../device/extents.js';
import type { Source } from '../device/source.js';
import { isIncompressible, kindOfPiece, type PieceKind } from '../policy/entropy.js';
import { leaveCache, ReadError, readAt } from '../stream/read-at.js';
import { directMemory } from '../stream/slots.js';

/** 64 KiB tell a byte's entropy to 0.003 bits. */
const PIECE_BYTES = 64 * 1024;
const PIECES = 16;
/** A disk that is slower than this is what the run waits for, whatever the codec. */
const LIMIT_MS = 12;

/**
 * Looks at pieces all over a source. Takes no longer than 12 ms, and reads 1 MiB.
 * @param extents what of it is data; undefined: all of it
 * @returns undefined where that is too little to tell
 */
export async function sampleIncompressible(
  source: Source,
  extents: readonly Extent[] | undefined,
): Promise<{ isIncompressible: boolean | undefined; settled: Promise<unknown> }> {
  const memory = directMemory(PIECES * PIECE_BYTES);
  const kinds: PieceKind[] = [];
  let isOver = false;
  const readPiece = async (offset: number, index: number): Promise<void> => {
    const into = memory.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
    try {
      const bytes = await readAt(source, into, offset, PIECE_BYTES);
      leaveCache(source, offset, PIECE_BYTES);
      if (!isOver && bytes === PIECE_BYTES) kinds.push(kindOfPiece(into));
    } catch (error) {
      // What cannot be read is told of by the run itself.
      if (!(error instanceof ReadError)) throw error;
    }
  };
  const settled = Promise.all(sampleOffsets(source.sizeBytes, extents).map(readPiece));
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LIMIT_MS);
  });
  try {
    await Promise.race([settled, limit]);
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
  return { isIncompressible: isIncompressible(kinds), settled };
}

/** Spread evenly over what is data of the source itself, on multiples of 4096. Pure. */
export function sampleOffsets(sizeBytes: number, extents: readonly Extent[] | undefined): number[] {
  const data = (extents ?? [{ kind: 'data', offset: 0, length: sizeBytes } as const]).filter(
    (extent) => extent.kind === 'data' && extent.length >= 2 * PIECE_BYTES,
  );
  const total = data.reduce((sum, { length }) => sum + length, 0);
  const offsets: number[] = [];
  let before = 0;
  for (const { offset, length } of data) {
    for (let piece = offsets.length; piece < PIECES; piece++) {
      const at = ((piece + 0.5) * total) / PIECES - before;
      if (at >= length) break;
      const within = Math.min(at, length - PIECE_BYTES - 4096);
      offsets.push(Math.ceil((offset + Math.max(0, within)) / 4096) * 4096);
    }
    before += length;
  }
  return offsets;
}
