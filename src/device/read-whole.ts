import { read, write } from 'node:fs';
import { promisify } from 'node:util';
import { fromSystem, LifeboatError } from '../error.js';

const readAt = promisify(read);
const writeAt = promisify(write);

/**
 * Fills a buffer from a place in a file or device.
 * @param path for messages
 * @throws LifeboatError FAILED, also if it ends before
 */
export async function readWhole(fd: number, buffer: Buffer, offset: number, path: string): Promise<void> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await readAt(fd, buffer, done, buffer.length - done, offset + done).catch((error) => {
      throw fromSystem(error, 'read', path, offset + done);
    });
    if (bytesRead === 0)
      throw new LifeboatError('FAILED', `Cannot read "${path}" at offset ${offset + done}: it ends there`, {
        hint: 'was it changed meanwhile? Run this again',
      });
    done += bytesRead;
  }
}

/** @throws LifeboatError FAILED or NO_SPACE */
export async function writeWhole(fd: number, buffer: Buffer, offset: number, path: string): Promise<void> {
  try {
    for (let done = 0; done < buffer.length; )
      done += (await writeAt(fd, buffer, done, buffer.length - done, offset + done)).bytesWritten;
  } catch (error) {
    throw fromSystem(error, 'write', path, offset);
  }
}
