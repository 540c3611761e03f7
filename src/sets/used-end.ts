import { DIRECT_ALIGNMENT_BYTES } from '../device/direct.js';
import type { Extent } from '../device/extents.js';
import type { PartitionTable } from '../device/partition-table.js';

/** Extents are widened to these, the backup GPT too, which begins 33 sectors before the end. */
const BORDER_BYTES = DIRECT_ALIGNMENT_BYTES;

/** Where the last byte ends that is not known to be zero, in bytes, the backup GPT at the disk's end aside. */
export function usedEndOf(extents: readonly Extent[], { metadata, scheme }: PartitionTable, diskBytes: number): number {
  const atEnd = metadata.find(({ offset, length }) => offset > 0 && offset + length >= diskBytes);
  const limit = scheme === 'gpt' && atEnd !== undefined ? atEnd.offset : diskBytes;
  return extents.reduce((end, extent) => {
    if (extent.kind === 'zero' || extent.offset >= limit - (limit % BORDER_BYTES)) return end;
    return Math.max(end, Math.min(extent.offset + extent.length, limit));
  }, 0);
}
