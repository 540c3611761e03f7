import type { Extent } from '../device/extents.js';
import type { PartitionTable } from '../device/partition-table.js';

/** Where the last byte ends that is not known to be zero, in bytes, the backup GPT at the disk's end aside. */
export function usedEndOf(extents: readonly Extent[], { metadata, scheme }: PartitionTable, diskBytes: number): number {
  const atEnd = metadata.find(({ offset, length }) => offset > 0 && offset + length >= diskBytes);
  const limit = scheme === 'gpt' && atEnd !== undefined ? atEnd.offset : diskBytes;
  return extents.reduce((end, extent) => {
    if (extent.kind === 'zero' || extent.offset >= limit) return end;
    return Math.max(end, Math.min(extent.offset + extent.length, limit));
  }, 0);
}
