/** Plaintext of one LZ4 block, in bytes: each is compressed by a workgroup of its own, knowing nothing of the others. */
export const BLOCK_BYTES = 64 * 1024;

/** Plaintext positions that look into the hash table at once; what they hold is entered only after all have looked. */
export const ROUND_POSITIONS = 64;
/** 4096 slots of 4 bytes are the 16 KiB of workgroup memory that every WebGPU device has. */
export const HASH_BITS = 12;
/** Candidates are compared up to this length in bytes; the match that is taken is then as long as it goes. */
export const COMPARED_BYTES = 32;
/** Distances tried at every position: runs that repeat within a round are not in the table yet. */
export const SHORT_DISTANCES = [1, 2, 3, 4, 8] as const;
/** So many positions behind are asked whether their match begins here already: it gains 2 to 5 % of the size. */
export const POSITIONS_AHEAD = 8;

/** What the LZ4 block format demands: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md#end-of-block-conditions */
export const LAST_MATCH_BYTES = 12;
export const LAST_LITERALS_BYTES = 5;
export const LEAST_MATCH_BYTES = 4;

/** Room for the sequences of a block: every match is 4 bytes at least. */
export const MAX_SEQUENCES = BLOCK_BYTES / LEAST_MATCH_BYTES;
/** A thread parses so many positions by itself before the pieces are joined. */
export const SEGMENT_BYTES = 1024;
/** Ahead of each block in a frame stands its length, with the high bit set if it is stored. */
export const BLOCK_HEADER_BYTES = 4;
