import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { BenchError, STATUS } from './options.mjs';
import { shell } from './shell.mjs';

/**
 * What there is to know of a disk before it is measured. It is only ever read.
 * @throws BenchError if it cannot be read, or is mounted
 */
export async function lookAtDisk(file) {
  await readByte(file).catch((error) => {
    throw new BenchError(STATUS.failed, `Cannot read "${file}": ${error.message}`);
  });
  const isDevice = (await stat(file)).isBlockDevice();
  if (isDevice) {
    const mounted = await shell('lsblk -no MOUNTPOINTS -- "$DISK" | grep -q .', { DISK: file });
    if (mounted.ok) {
      throw new BenchError(
        STATUS.failed,
        `"${file}" is in use: it would change between two rounds, and nothing could be compared. Take a snapshot of it, or unmount it`,
      );
    }
  }
  return { name: path.basename(file), fileSystem: await fileSystemOf(file), how: isDevice ? 'block device' : 'file' };
}

async function readByte(file) {
  const handle = await open(file, 'r');
  await handle.read(Buffer.alloc(1), 0, 1, 0).finally(() => handle.close());
}

async function fileSystemOf(file) {
  const { stdout } = await shell('blkid -p -o value -s TYPE -- "$DISK"', { DISK: file });
  return stdout.trim() || undefined;
}

export async function sizeOf(file) {
  const { stdout } = await shell('blockdev --getsize64 "$DISK" 2>/dev/null || stat -Lc %s -- "$DISK"', { DISK: file });
  return Number(stdout.trim());
}
