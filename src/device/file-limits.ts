import { statfs } from 'node:fs/promises';
import { fromSystem, LifeboatError } from '../error.js';
import { sizeInWords } from './sizes.js';

/** MSDOS_SUPER_MAGIC of linux/magic.h: FAT12, FAT16 and FAT32. exFAT has another, and no such limit. */
const FAT_MAGIC = 0x4d44;
/** A file's length is 32 bits there. */
const FAT_LARGEST_FILE_BYTES = 2 ** 32 - 1;

export interface FileSystemFacts {
  type: number;
  blockBytes: number;
  availableBlocks: number;
}

/** @throws LifeboatError NO_SPACE if a new file of that many bytes cannot be in the directory */
export async function checkFileFits(directory: string, bytes: number): Promise<void> {
  refuseTooLarge(directory, bytes, await fileSystemFacts(directory));
}

/** Of the file system that holds the directory. @throws LifeboatError FAILED */
export async function fileSystemFacts(directory: string): Promise<FileSystemFacts> {
  try {
    const { type, bsize, bavail } = await statfs(directory);
    return { type, blockBytes: bsize, availableBlocks: bavail };
  } catch (error) {
    throw fromSystem(error, 'look at the file system of', directory);
  }
}

/** The judgement alone, for facts from anywhere. */
export function refuseTooLarge(directory: string, bytes: number, facts: FileSystemFacts): void {
  if (facts.type === FAT_MAGIC && bytes > FAT_LARGEST_FILE_BYTES)
    throw new LifeboatError(
      'NO_SPACE',
      `Cannot put a file of ${sizeInWords(bytes)} in "${directory}": FAT holds files below 4 GiB`,
      { hint: 'format it as exFAT or ext4, or choose another target' },
    );
  const availableBytes = facts.availableBlocks * facts.blockBytes;
  if (availableBytes < bytes)
    throw new LifeboatError(
      'NO_SPACE',
      `Cannot put a file of ${sizeInWords(bytes)} in "${directory}": ${sizeInWords(availableBytes)} are free`,
      { hint: `free some room (df -h "${directory}") or choose another target` },
    );
}
