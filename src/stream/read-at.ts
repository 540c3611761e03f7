import { read } from 'node:fs';
import { dropCache } from '../native/libc.js';
import { DIRECT_ALIGNMENT } from './slots.js';

/** A file or device that is read at given offsets, past the cache where it can be. */
export interface ReadableAt {
  fd: number;
  /** The same, opened with O_DIRECT; undefined where that is refused. */
  directFd: number | undefined;
  /** What offsets, lengths and addresses of direct reads must be multiples of; 4096 suits every disk. */
  alignmentBytes?: number;
}

/** `fs.read` as a promise: bytes read, 0 at the end. Unlike a FileHandle a plain descriptor can be shared with C. */
export function readSome(fd: number, buffer: Buffer, length: number, position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, length, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

/** Where reads go through the page cache: lets go of what was read, for guests need that memory. */
export function leaveCache(file: ReadableAt, offset: number, length: number): void {
  if (file.directFd === undefined) dropCache(file.fd, offset, length);
}

/** A read that failed, and how far it had come. */
export class ReadError extends Error {
  readonly offset: number;
  readonly doneBytes: number;
  constructor(cause: Error, offset: number, doneBytes: number) {
    super(cause.message, { cause });
    this.offset = offset;
    this.doneBytes = doneBytes;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number';
}

/**
 * Reads until `length` bytes are there or the file ends.
 * @param into for `O_DIRECT` aligned to 4096 and with room for `length` rounded up to 4096
 * @returns bytes read; fewer than `length` only at the end
 * @throws ReadError with the offset that could not be read
 */
export async function readAt(file: ReadableAt, into: Buffer, offset: number, length: number): Promise<number> {
  const alignment = file.alignmentBytes ?? DIRECT_ALIGNMENT;
  let done = 0;
  while (done < length) {
    const at = offset + done;
    const wanted = Math.ceil((length - done) / alignment) * alignment;
    const direct =
      file.directFd !== undefined &&
      at % alignment === 0 &&
      (into.byteOffset + done) % alignment === 0 &&
      done + wanted <= into.length;
    try {
      const bytes = direct
        ? await readSome(file.directFd as number, into.subarray(done), wanted, at)
        : await readSome(file.fd, into.subarray(done), length - done, at);
      if (bytes === 0) break;
      done += bytes;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // A disk of larger sectors below, or a file system with rules of its own: no bad sector.
      if (direct && error.code === 'EINVAL') return readAt({ fd: file.fd, directFd: undefined }, into, offset, length);
      throw new ReadError(error, at, done);
    }
  }
  return Math.min(done, length);
}
