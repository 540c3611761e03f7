import type { FrameTable } from './frame-table.js';

export const RATIO_BUCKETS = 16;

/**
 * How well the pieces of a disk compress: the frames of an image, counted by what is left of each. Frames of zeros are in
 * the first of the 16 buckets (less than 1/16 is left), those that nothing compresses, as encrypted data, in the last.
 * The index holds both lengths of every frame, so that this stands for an entropy of each chunk and costs nothing.
 */
export function ratioHistogram(table: FrameTable): number[] {
  const counts = new Array<number>(RATIO_BUCKETS).fill(0);
  for (let frame = 0; frame < table.count; frame++) {
    const plainLength = table.plainLengthOf(frame);
    if (plainLength === 0) continue;
    const bucket = Math.min(RATIO_BUCKETS - 1, Math.floor((RATIO_BUCKETS * table.lengthOf(frame)) / plainLength));
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return counts;
}
