import type { Extent } from '../device/extents.js';

/** A piece of the source that becomes one frame, and the extents inside it, cut to it; in bytes of the source. */
export interface Chunk {
  number: number;
  offset: number;
  length: number;
  pieces: Extent[];
}

/** Cuts extents, which must be in order and without gaps, into chunks. Only the last chunk may be short. */
export function* cutChunks(extents: Iterable<Extent>, chunkBytes: number): Generator<Chunk> {
  let chunk: Chunk = { number: 0, offset: 0, length: 0, pieces: [] };
  for (const extent of extents) {
    for (let done = 0; done < extent.length; ) {
      const length = Math.min(extent.length - done, chunkBytes - chunk.length);
      chunk.pieces.push(cutExtent(extent, done, length));
      chunk.length += length;
      done += length;
      if (chunk.length === chunkBytes) {
        yield chunk;
        chunk = { number: chunk.number + 1, offset: chunk.offset + chunkBytes, length: 0, pieces: [] };
      }
    }
  }
  if (chunk.length > 0) yield chunk;
}

function cutExtent(extent: Extent, start: number, length: number): Extent {
  const offset = extent.offset + start;
  if (extent.kind === 'memory')
    return { kind: 'memory', offset, length, bytes: extent.bytes.subarray(start, start + length) };
  return { kind: extent.kind, offset, length };
}

/** Nothing of it has to be read. */
export function isKnownZero(chunk: Chunk): boolean {
  return chunk.pieces.length > 0 && chunk.pieces.every((piece) => piece.kind === 'zero');
}
