import { fromSystem } from '../error.js';
import { allocate, punchHole, zeroOut } from '../native/libc.js';
import type { DataRun } from './job.js';
import type { PlainPiece, PlainSink } from './plain-sink.js';
import { readAt } from './read-at.js';
import { DIRECT_ALIGNMENT } from './slots.js';
import { writeAll } from './write-at.js';

/** What is written to at given offsets. */
export interface WritableAt {
  path: string;
  fd: number;
  /** The same, opened with O_DIRECT; undefined where that is refused. */
  directFd: number | undefined;
}

/** Writes at an offset, past the cache as far as offset, address and length are aligned. */
async function writeAt({ path, fd, directFd }: WritableAt, bytes: Buffer, offset: number): Promise<void> {
  const aligned = offset % DIRECT_ALIGNMENT === 0 && bytes.byteOffset % DIRECT_ALIGNMENT === 0;
  const directBytes = directFd === undefined || !aligned ? 0 : bytes.length - (bytes.length % DIRECT_ALIGNMENT);
  try {
    if (directFd !== undefined && directBytes > 0) await writeAll(directFd, [bytes.subarray(0, directBytes)], offset);
    if (directBytes < bytes.length) await writeAll(fd, [bytes.subarray(directBytes)], offset + directBytes);
  } catch (error) {
    throw fromSystem(error, 'write', path, offset);
  }
}

/** A new, empty file: what is not written stays a hole. */
export function sparseFileSink(target: WritableAt): PlainSink {
  return {
    ordered: false,
    zerosForLost: false,
    async put({ plain, plainOffset, dataRuns }) {
      for (const run of dataRuns) {
        // ext4 writes into a hole one at a time, and into room that is allocated side by side.
        if (target.directFd !== undefined) allocate(target.fd, plainOffset + run.start, run.end - run.start);
        await writeAt(target, plain.subarray(run.start, run.end), plainOffset + run.start);
      }
    },
  };
}

/** Zeros of at least this length are zeroed by the device itself; shorter ones are cheaper to write. */
const ZERO_OUT_BYTES = 1024 * 1024;
/** Partition table and boot code: written last, so that a device restored by half does not boot. */
export const WRITTEN_LAST_BYTES = 1024 * 1024;

export interface DeviceSink extends PlainSink {
  /**
   * Makes the device unbootable for the time being: neither the old system nor half of the new one is to start. What the
   * image turns out not to cover is put back by `writeLast`.
   * @param sizeBytes what will be written, if that is known
   */
  eraseFirst(sizeBytes: number | undefined): Promise<void>;
  /** Writes what was kept for last. */
  writeLast(): Promise<void>;
}

/** A block device, whose old contents must go everywhere. */
export function deviceSink(target: WritableAt): DeviceSink {
  const first = Buffer.alloc(WRITTEN_LAST_BYTES);
  let firstBytes = 0;

  async function zero(offset: number, length: number): Promise<void> {
    try {
      if (!(await punchHole(target.fd, offset, length))) await zeroOut(target.fd, offset, length);
    } catch (error) {
      throw fromSystem(error, 'zero', target.path, offset);
    }
  }

  return {
    ordered: false,
    zerosForLost: true,
    async eraseFirst(sizeBytes) {
      const erased = Math.min(WRITTEN_LAST_BYTES, sizeBytes ?? WRITTEN_LAST_BYTES);
      firstBytes = await readAt({ fd: target.fd, directFd: undefined }, first, 0, erased);
      await writeAt({ ...target, directFd: undefined }, Buffer.alloc(firstBytes), 0);
    },
    async put(piece) {
      const { plain, plainOffset, dataRuns } = keepFirst(piece);
      for (const stretch of stretches(dataRuns, plain.length)) {
        const bytes = plain.subarray(stretch.start, stretch.end);
        const offset = plainOffset + stretch.start;
        if (stretch.zeros && offset % DIRECT_ALIGNMENT === 0 && bytes.length % DIRECT_ALIGNMENT === 0) {
          await zero(offset, bytes.length);
        } else await writeAt(target, bytes, offset);
      }
    },
    async writeLast() {
      await writeAt({ ...target, directFd: undefined }, first.subarray(0, firstBytes), 0);
    },
  };

  function keepFirst(piece: PlainPiece): PlainPiece {
    const { plain, plainOffset, dataRuns, spare } = piece;
    const kept = Math.min(WRITTEN_LAST_BYTES - plainOffset, plain.length);
    if (kept <= 0) return piece;
    plain.copy(first, plainOffset, 0, kept);
    firstBytes = Math.max(firstBytes, plainOffset + kept);
    const rest = dataRuns
      .map((run) => ({ start: Math.max(run.start - kept, 0), end: run.end - kept }))
      .filter((run) => run.end > 0);
    return { plain: plain.subarray(kept), plainOffset: plainOffset + kept, dataRuns: rest, spare };
  }
}

/** Divides a piece into stretches to write and long stretches of zeros. */
function stretches(dataRuns: DataRun[], length: number): (DataRun & { zeros: boolean })[] {
  const found: (DataRun & { zeros: boolean })[] = [];
  const add = (start: number, end: number, zeros: boolean) => {
    const last = found.at(-1);
    if (start === end) return;
    if (last !== undefined && !last.zeros && !zeros) last.end = end;
    else found.push({ start, end, zeros });
  };
  let done = 0;
  for (const run of [...dataRuns, { start: length, end: length }]) {
    add(done, run.start, run.start - done >= ZERO_OUT_BYTES);
    add(run.start, run.end, false);
    done = run.end;
  }
  return found;
}

/** A pipe: everything in order, zeros too. */
export function pipeSink(fd: number, path: string, signal?: AbortSignal): PlainSink {
  return {
    ordered: true,
    zerosForLost: true,
    async put({ plain }) {
      try {
        await writeAll(fd, [plain], null, signal);
      } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'EPIPE' ? error : fromSystem(error, 'write', path);
      }
    },
  };
}
