import { fromSystem } from '../error.js';
import { dropCache, finishWriteback, startWriteback } from '../native/libc.js';
import { writeAll } from './write-at.js';

/** Where the bytes of an image go, in order. */
export interface ByteSink {
  write(buffers: Buffer[]): Promise<void>;
  /** Leaves a hole; undefined where there are none. */
  skip: ((bytes: number) => Promise<void>) | undefined;
}

/** Written data goes to the disk in steps of this, and leaves the cache one step later. */
const WRITEBACK_BYTES = 32 * 1024 * 1024;

export interface FileSink extends ByteSink {
  /** Bytes so far, holes among them: what the file's length must be in the end. */
  readonly lengthBytes: number;
}

/** A regular file, written from its start without filling the page cache: guests need that memory. */
export function fileSink(fd: number, path: string): FileSink {
  let position = 0;
  let startedTo = 0;
  let droppedTo = 0;

  async function writeBehind(): Promise<void> {
    if (position - startedTo < WRITEBACK_BYTES) return;
    const previous = { from: droppedTo, to: startedTo };
    startWriteback(fd, startedTo, position - startedTo);
    startedTo = position;
    if (previous.to === previous.from) return;
    await finishWriteback(fd, previous.from, previous.to - previous.from);
    dropCache(fd, previous.from, previous.to - previous.from);
    droppedTo = previous.to;
  }

  return {
    get lengthBytes() {
      return position;
    },
    async write(buffers) {
      try {
        await writeAll(fd, buffers, position);
        for (const buffer of buffers) position += buffer.length;
        await writeBehind();
      } catch (error) {
        throw fromSystem(error, 'write', path, position);
      }
    },
    async skip(bytes) {
      position += bytes;
    },
  };
}

/** A pipe, a terminal or a character device. */
export function streamSink(fd: number, path: string, signal?: AbortSignal): ByteSink {
  return {
    async write(buffers) {
      try {
        await writeAll(fd, buffers, null, signal);
      } catch (error) {
        // Whoever reads from us has had enough; the command line knows EPIPE by its code.
        throw (error as NodeJS.ErrnoException).code === 'EPIPE' ? error : fromSystem(error, 'write', path);
      }
    },
    skip: undefined,
  };
}
