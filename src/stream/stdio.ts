import { enlargePipe, makeBlocking } from '../native/libc.js';

export const STDIN = 0;
export const STDOUT = 1;

/** The most that any process may ask for (/proc/sys/fs/pipe-max-size): 64 KiB would mean 16,000 turns a second at 1 GB/s. */
const PIPE_BYTES = 1024 * 1024;

/** Makes a descriptor fit to move an image through it, if it is a pipe. */
export function preparePipe(fd: number): number {
  makeBlocking(fd);
  enlargePipe(fd, PIPE_BYTES);
  return fd;
}
