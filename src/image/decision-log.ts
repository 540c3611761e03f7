import type { Manifest } from '../format/manifest.js';
import type { Decision } from '../policy/controller.js';

/** A manifest stays a small file: at six changes a minute these are half an hour of the worst that can be. */
const MOST_ENTRIES = 200;

export interface DecisionLog {
  add(decision: Decision): void;
  entries(): NonNullable<Manifest['policy']>['decisions'];
  /** "12.3 s: level 3 -> 5 (codec busy 40 %, ...)" */
  lines(): string[];
}

/** @param startMs on the decisions' clock */
export function createDecisionLog(startMs: number): DecisionLog {
  const kept: Decision[] = [];
  let left = 0;
  return {
    add({ atMs, what, why }) {
      const entry = { atMs: Math.max(0, Math.round(atMs - startMs)), what, why };
      if (kept.length < MOST_ENTRIES) kept.push(entry);
      else left++;
    },
    entries: () => kept,
    lines: () => [...kept.map(decisionInWords), ...(left === 0 ? [] : [`and ${left} more decisions`])],
  };
}

export function decisionInWords({ atMs, what, why }: Decision): string {
  return `policy at ${(atMs / 1000).toFixed(1)} s: ${what} (${why})`;
}
