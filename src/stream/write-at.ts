import { write, writev } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Pause before a pipe that is full is tried again. */
const PIPE_RETRY_MS = 2;

function writeSome(fd: number, buffer: Buffer, position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, buffer, 0, buffer.length, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

function writevSome(fd: number, buffers: Buffer[], position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

/**
 * Writes all of it; `position` null means in order, to a pipe, which may take only a part or nothing at the moment.
 * @param signal ends the waiting for a pipe that takes nothing
 */
export async function writeAll(
  fd: number,
  buffers: Buffer[],
  position: number | null,
  signal?: AbortSignal,
): Promise<void> {
  let left = buffers.filter((buffer) => buffer.length > 0);
  let at = position;
  while (left.length > 0) {
    let bytes = 0;
    try {
      bytes = left.length === 1 ? await writeSome(fd, left[0] as Buffer, at) : await writevSome(fd, left, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      signal?.throwIfAborted();
      await sleep(PIPE_RETRY_MS);
    }
    if (at !== null) at += bytes;
    left = withoutFirst(left, bytes);
  }
}

function withoutFirst(buffers: Buffer[], bytes: number): Buffer[] {
  let skip = bytes;
  const left: Buffer[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      left.push(skip === 0 ? buffer : buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}
