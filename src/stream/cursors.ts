import { LifeboatError } from '../error.js';
import type { Cursor, RandomReader } from '../format/cursor.js';

/** Reads the next bytes of a stream into a buffer; 0 at its end. */
export type StreamRead = (into: Buffer, length: number) => Promise<number>;

const PEEK_BYTES = 64 * 1024;
const BUFFER_BYTES = 1024 * 1024;

/** Where data end before what they began: `position` is their end. */
export function endedEarly(position: number): LifeboatError {
  return new LifeboatError('DAMAGE', `it ends early, at offset ${position}`, { offset: position });
}

/** Over a pipe: what is taken into a buffer is read straight into it. */
export function streamCursor(read: StreamRead): Cursor & {
  /** Takes what comes next, for a decoder that finds its own way; 0 at the end. */
  readAny: StreamRead;
} {
  const buffer = Buffer.alloc(BUFFER_BYTES);
  let start = 0;
  let end = 0;
  let position = 0;

  async function peek(bytes: number): Promise<Buffer> {
    if (bytes > PEEK_BYTES) throw new RangeError(`peek of ${bytes} bytes`);
    if (end - start < bytes && start + bytes > buffer.length) {
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
    }
    while (end - start < bytes) {
      const got = await read(buffer.subarray(end), buffer.length - end);
      if (got === 0) break;
      end += got;
    }
    return buffer.subarray(start, Math.min(end, start + bytes));
  }

  async function readAny(into: Buffer, length: number): Promise<number> {
    const buffered = Math.min(length, end - start);
    let got = buffered;
    if (buffered > 0) {
      buffer.copy(into, 0, start, start + buffered);
      start += buffered;
    } else got = await read(into, length);
    position += got;
    return got;
  }

  return {
    get position() {
      return position;
    },
    peek,
    readAny,
    async advance(bytes, into) {
      const target = into ?? Buffer.alloc(Math.min(bytes, BUFFER_BYTES));
      for (let done = 0; done < bytes; ) {
        const room = into === undefined ? target : target.subarray(done);
        const got = await readAny(room, Math.min(bytes - done, room.length));
        if (got === 0) throw endedEarly(position);
        done += got;
      }
    },
  };
}

/** Over a file: what is not taken into a buffer is not read. */
export function fileCursor(file: RandomReader, startAt = 0): Cursor {
  let position = startAt;
  let window: Buffer = Buffer.alloc(0);
  let windowAt = 0;
  return {
    get position() {
      return position;
    },
    async peek(bytes) {
      const wanted = Math.min(bytes, file.sizeBytes - position);
      if (position < windowAt || position + wanted > windowAt + window.length) {
        windowAt = position;
        window = await file.read(position, Math.min(PEEK_BYTES, file.sizeBytes - position));
      }
      return window.subarray(position - windowAt, position - windowAt + wanted);
    },
    async advance(bytes, into) {
      if (position + bytes > file.sizeBytes) throw endedEarly(file.sizeBytes);
      if (into !== undefined) (await file.read(position, bytes)).copy(into);
      position += bytes;
    },
  };
}
