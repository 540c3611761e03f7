import { type Extent, sliceExtent } from '../device/extents.js';

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
      const start = extent.offset + done;
      chunk.pieces.push(sliceExtent(extent, start, start + length));
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

/** How much of it is known to be zeros, and has not to be read. */
export function knownZeroBytes({ pieces }: Chunk): number {
  return pieces.reduce((bytes, { kind, length }) => (kind === 'zero' ? bytes + length : bytes), 0);
}
