import type { ChoiceFacts } from './facts.js';

/** Level 12 takes 12 times as long as level 3; 15 takes 5 times as long again and saves 1 % more. */
export const MOST_BALANCED_LEVEL = 12;
/** What a context of zstd takes for frames of 8 MiB, measured, by the lowest level that takes so much. */
const CONTEXT_BYTES: readonly [fromLevel: number, bytes: number][] = [
  [13, 93e6],
  [10, 62e6],
  [8, 25e6],
  [Number.NEGATIVE_INFINITY, 16e6],
];
/** Of the free memory, what all contexts together may take. */
const MEMORY_SHARE = 0.25;

/** Whether the contexts of all threads fit into what memory is free. */
export function fitsMemory(
  level: number,
  { availableBytes, threads }: Pick<ChoiceFacts, 'availableBytes' | 'threads'>,
): boolean {
  if (availableBytes === undefined) return level <= MOST_BALANCED_LEVEL;
  const bytes = CONTEXT_BYTES.find(([fromLevel]) => level >= fromLevel)?.[1] ?? 0;
  return threads * bytes <= availableBytes * MEMORY_SHARE;
}
