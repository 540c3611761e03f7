import { BLOCK_BYTES } from './block.js';
import type { BatchShape } from './kernels/common.js';

/** A big card needs about so many blocks at once to be busy: 64 MiB. */
const BUSY_BLOCKS = 1024;
/** What a block takes of the largest buffer: four bytes a position. */
export const FOUND_BYTES = 4 * BLOCK_BYTES;

/**
 * How many chunks go into one submit.
 * @returns undefined if not even one fits into a binding of the device
 */
export function batchShape(
  chunkBytes: number,
  { maxBindingBytes, isSoftware }: { maxBindingBytes: number; isSoftware: boolean },
): BatchShape | undefined {
  const blocksPerChunk = Math.max(1, Math.ceil(chunkBytes / BLOCK_BYTES));
  const fitting = Math.floor(maxBindingBytes / FOUND_BYTES / blocksPerChunk);
  if (fitting === 0) return undefined;
  const busy = isSoftware ? 1 : Math.ceil(BUSY_BLOCKS / blocksPerChunk);
  return { blocksPerChunk, chunks: Math.min(fitting, busy) };
}
