import type { Decision } from '../policy/controller.js';

/** A manifest stays a small file: at twelve changes a minute these are a quarter of an hour of the worst that can be. */
const MOST_ENTRIES = 200;

export interface DecisionLog {
  add(decision: Decision): void;
  /** In ms since the start; at most 200, the first ones. */
  entries(): readonly Decision[];
  lines(): string[];
}

/**
 * @param startMs on the decisions' clock
 * @param tell gets each, in ms since the start
 */
export function createDecisionLog(startMs: number, tell: (entry: Decision) => void): DecisionLog {
  const kept: Decision[] = [];
  let left = 0;
  return {
    add({ atMs, what, why }) {
      const entry = { atMs: Math.max(0, Math.round(atMs - startMs)), what, why };
      if (kept.length < MOST_ENTRIES) kept.push(entry);
      else left++;
      tell(entry);
    },
    entries: () => kept,
    lines: () => [...kept.map(decisionInWords), ...(left === 0 ? [] : [`and ${left} more decisions`])],
  };
}

/** "policy at 12.3 s: level 3 -> 5 (codec busy 40 %, ...)" */
export function decisionInWords({ atMs, what, why }: Decision): string {
  return `policy at ${(atMs / 1000).toFixed(1)} s: ${what} (${why})`;
}
