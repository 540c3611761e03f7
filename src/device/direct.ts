import { closeSync, constants, openSync, readSync } from 'node:fs';
import { alignedBuffer } from '../native/libc.js';

/** Suits every disk: 4Kn ones want it, and 512-byte ones take it. */
export const DIRECT_ALIGNMENT_BYTES = 4096;

/** What a file system answers that does not do O_DIRECT: some at open, some only at the first read. */
const REFUSALS = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOTSUP']);

/**
 * Opens with O_DIRECT, and reads the first block to see whether it works.
 * A first block that the disk cannot read is no refusal: whoever reads it next deals with that.
 * @param flags as of `fs.open`, without O_DIRECT
 * @returns undefined where direct I/O is refused
 */
export function openDirect(path: string, flags: number): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, flags | constants.O_DIRECT);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
  try {
    readSync(fd, alignedBuffer(DIRECT_ALIGNMENT_BYTES, DIRECT_ALIGNMENT_BYTES), 0, DIRECT_ALIGNMENT_BYTES, 0);
  } catch (error) {
    if (!isRefusal(error)) return fd;
    closeSync(fd);
    return undefined;
  }
  return fd;
}

function isRefusal(error: unknown): boolean {
  return REFUSALS.has((error as NodeJS.ErrnoException).code ?? '');
}
