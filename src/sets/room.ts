import { type FileSystemFacts, fileSystemFacts, refuseTooLarge } from '../device/file-limits.js';
import { roundSize, sizeInWords } from '../device/sizes.js';
import { LifeboatError } from '../error.js';

/** How much room a set will take, judged before it is made. */
export interface RoomEstimate {
  /** Of the whole set. */
  setBytes: number;
  /** Of its largest file. */
  imageBytes: number;
  /** What that is judged from, in words. */
  basis: string;
}

/** A disk grows from one run to the next. */
const GROWTH = 1.2;
/** What zstd makes of an installed system, roughly; the first run has nothing better to go by. */
const FIRST_RATIO = 2;

/**
 * @param last the good sets of the same disk, in any order
 * @param usedBytes what will be read of the disk
 */
export function estimateRoom(
  last: readonly { time: Date; sizeBytes: number; imageSizeBytes: number }[],
  usedBytes: number,
): RoomEstimate {
  const newest = [...last].sort((a, b) => b.time.getTime() - a.time.getTime())[0];
  if (newest === undefined) {
    const bytes = Math.ceil(usedBytes / FIRST_RATIO);
    return { setBytes: bytes, imageBytes: bytes, basis: `half of the ${roundSize(usedBytes)} in use` };
  }
  return {
    setBytes: Math.ceil(newest.sizeBytes * GROWTH),
    imageBytes: Math.ceil(newest.imageSizeBytes * GROWTH),
    basis: `the last set of this disk, ${roundSize(newest.sizeBytes)}, and a fifth more`,
  };
}

/**
 * @param directory where sets are kept; it exists
 * @throws LifeboatError NO_SPACE
 */
export async function checkRoom(directory: string, estimate: RoomEstimate): Promise<void> {
  refuseLittleRoom(directory, estimate, await fileSystemFacts(directory));
}

/** The judgement alone. */
export function refuseLittleRoom(directory: string, estimate: RoomEstimate, facts: FileSystemFacts): void {
  // Its limit for one file first: more room would not help.
  refuseTooLarge(directory, estimate.imageBytes, { ...facts, availableBlocks: Number.MAX_SAFE_INTEGER });
  const availableBytes = facts.availableBlocks * facts.blockBytes;
  if (availableBytes >= estimate.setBytes) return;
  throw new LifeboatError(
    'NO_SPACE',
    `Cannot put a set in "${directory}": it will take some ${sizeInWords(estimate.setBytes)} (${estimate.basis}), ` +
      `and ${sizeInWords(availableBytes)} are free`,
    { hint: `remove old sets (lifeboat prune "${directory}" --keep-last 3 -n shows which), or choose another target` },
  );
}
