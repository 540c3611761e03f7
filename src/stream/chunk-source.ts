import { setTimeout as sleep } from 'node:timers/promises';
import type { Extent, ReadFrom } from '../device/extents.js';
import { fromSystem, LifeboatError } from '../error.js';
import { type Chunk, cutChunks } from './chunks.js';
import { leaveCache, type ReadableAt, ReadError, readAt, readSome } from './read-at.js';
import type { Rescuer } from './rescue.js';
import { alignUp, DIRECT_ALIGNMENT } from './slots.js';

/** Where the plaintext of an image comes from, chunk by chunk. */
export interface ChunkSource {
  /** How many fills may be under way at once; 1 where only the order tells what belongs where. */
  readonly readsInFlight: number;
  /** Undefined where only the end will tell. */
  readonly sizeBytes: number | undefined;
  chunks(chunkBytes: number): Iterator<Chunk>;
  /**
   * Puts a chunk's plaintext into `into`.
   * @returns its length in bytes, less than the chunk's only at the end of a stream
   */
  fill(chunk: Chunk, into: Buffer): Promise<number>;
}

/** Enough for NVMe to work on several requests, with reads of 1 to 4 MiB each. */
const READS_IN_FLIGHT = 4;
/** Holes smaller than this are read along: one request more costs as much as their bytes. */
const READ_ALONG_BYTES = 256 * 1024;
/** Pause before a stream that has nothing yet is asked again. */
const STREAM_RETRY_MS = 5;

export interface ExtentSourceOptions {
  file: ReadableAt;
  /** For messages. */
  path: string;
  sizeBytes: number;
  extents: Iterable<Extent>;
  /** Undefined: the first read error ends the run. */
  rescuer: Rescuer | undefined;
}

export function extentSource({ file, path, sizeBytes, extents, rescuer }: ExtentSourceOptions): ChunkSource {
  async function readRange(into: Buffer, offset: number, length: number): Promise<void> {
    let done: number;
    try {
      done = await readAt(file, into, offset, length);
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      if (rescuer !== undefined) {
        const start = error.doneBytes - (error.doneBytes % DIRECT_ALIGNMENT);
        return rescuer.rescue(file, into.subarray(start), offset + start, length - start);
      }
      const { message, code } = fromSystem(error.cause, 'read', path, error.offset);
      throw new LifeboatError(code, message, {
        cause: error,
        offset: error.offset,
        hint: 'see dmesg for the disk; --on-read-error zero saves all that can be read',
      });
    }
    if (done < length) {
      throw new LifeboatError(
        'FAILED',
        `Cannot read "${path}" at offset ${offset + done}: it has become shorter than the ${sizeBytes} bytes that it had at the start`,
        { offset: offset + done },
      );
    }
  }

  /** What lies between pieces is read along, but need not be readable: false where it must be done piece by piece. */
  async function tryJoined(into: Buffer, offset: number, length: number, pieces: ChunkRange[]): Promise<boolean> {
    if (pieces.length === 1) return false;
    try {
      return (await readAt(file, into, offset, length)) === length;
    } catch (error) {
      if (error instanceof ReadError) return false;
      throw error;
    }
  }

  return {
    readsInFlight: READS_IN_FLIGHT,
    sizeBytes,
    chunks: (chunkBytes) => cutChunks(extents, chunkBytes),
    async fill(chunk, into) {
      for (const { start, end, pieces } of rangesToRead(chunk)) {
        const joined = await tryJoined(into.subarray(start), chunk.offset + start, end - start, pieces);
        if (joined) continue;
        for (const piece of pieces) {
          await readRange(into.subarray(piece.start), chunk.offset + piece.start, piece.end - piece.start);
        }
      }
      leaveCache(file, chunk.offset, chunk.length);
      // After the disk's own ranges, which were read with something around them.
      for (const piece of chunk.pieces) {
        const room = into.subarray(piece.offset - chunk.offset, piece.offset - chunk.offset + piece.length);
        if (piece.kind === 'zero') room.fill(0);
        else if (piece.kind === 'memory') piece.bytes.copy(room);
        else if (piece.from !== undefined) await readFrom(piece.from, room);
      }
      return chunk.length;
    },
  };
}

async function readFrom(device: ReadFrom, into: Buffer): Promise<void> {
  try {
    const done = await readAt(device, into, device.offset, into.length);
    leaveCache(device, device.offset, into.length);
    if (done === into.length) return;
    throw new LifeboatError('FAILED', `Cannot read "${device.path}" at offset ${device.offset + done}: it ends there`);
  } catch (error) {
    if (!(error instanceof ReadError)) throw error;
    // A snapshot that overflowed answers every read with an I/O error.
    const { message, code } = fromSystem(error.cause, 'read', device.path, error.offset);
    throw new LifeboatError(code, message, {
      cause: error,
      offset: error.offset,
      hint: 'see dmesg: the disk has failed, or the snapshot has overflowed',
    });
  }
}

/** From `start` up to `end` within a chunk, in bytes. */
export interface ChunkRange {
  start: number;
  end: number;
}

/** What to read of the source itself for a chunk, aligned for O_DIRECT; near neighbours joined into one request. */
export function rangesToRead(chunk: Chunk): (ChunkRange & { pieces: ChunkRange[] })[] {
  const ranges: (ChunkRange & { pieces: ChunkRange[] })[] = [];
  for (const piece of chunk.pieces) {
    if (piece.kind !== 'data' || piece.from !== undefined) continue;
    const at = piece.offset - chunk.offset;
    const start = at - (at % DIRECT_ALIGNMENT);
    const end = Math.min(alignUp(at + piece.length), chunk.length);
    const last = ranges.at(-1);
    if (last !== undefined && start - last.end < READ_ALONG_BYTES) {
      last.end = end;
      last.pieces.push({ start, end });
    } else ranges.push({ start, end, pieces: [{ start, end }] });
  }
  return ranges;
}

/** A pipe or terminal: read in order until it ends. */
export function streamSource(fd: number, path: string, signal: AbortSignal): ChunkSource {
  let ended = false;
  return {
    readsInFlight: 1,
    sizeBytes: undefined,
    *chunks(chunkBytes) {
      for (let number = 0; !ended; number++) {
        yield { number, offset: number * chunkBytes, length: chunkBytes, pieces: [] };
      }
    },
    async fill(chunk, into) {
      let done = 0;
      while (done < chunk.length) {
        const bytes = await readStream(fd, into.subarray(done), chunk.length - done, path, signal);
        if (bytes === 0) {
          ended = true;
          break;
        }
        done += bytes;
      }
      return done;
    },
  };
}

/** Reads from a descriptor in order; waits where it is non-blocking and has nothing. Returns 0 at the end. */
export async function readStream(
  fd: number,
  into: Buffer,
  length: number,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await readSome(fd, into, length, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EOF') return 0;
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw fromSystem(error, 'read', path);
      await sleep(STREAM_RETRY_MS, undefined, { signal });
    }
  }
}
