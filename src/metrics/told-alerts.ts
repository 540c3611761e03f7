import { join } from 'node:path';
import type { Alert } from './alert.js';
import { readPrivateFile, replaceFile } from './private-file.js';

/** The alerts that were told, by `alertId`, and how bad they were then. */
export type Told = ReadonlyMap<string, { grade: number; since: string }>;

export interface AlertNews {
  /** Those to tell: new, or worse than when they were told. */
  tell: Alert[];
  /** Told before, and over. */
  over: string[];
  told: Told;
}

export function alertId({ kind, about }: Pick<Alert, 'kind' | 'about'>): string {
  return `${kind} ${about}`;
}

/**
 * What of the alerts is news. Pure. One that gets better is not told, and not told again when it only gets as bad as it was;
 * one that ends is forgotten, so that it is news when it comes back.
 */
export function newsOf(alerts: readonly Alert[], told: Told, now: Date): AlertNews {
  const next = new Map<string, { grade: number; since: string }>();
  const tell: Alert[] = [];
  for (const alert of alerts) {
    const id = alertId(alert);
    const before = told.get(id);
    if (before === undefined || alert.grade > before.grade) tell.push(alert);
    next.set(id, {
      grade: Math.max(alert.grade, before?.grade ?? 0),
      since: before?.since ?? now.toISOString(),
    });
  }
  return { tell, over: [...told.keys()].filter((id) => !next.has(id)), told: next };
}

/** @throws LifeboatError where others may write to it. What is no such file, a newer version's say, is as none. */
export function readTold(directory: string): Told {
  const text = readPrivateFile(toldPath(directory));
  return new Map(text === undefined ? [] : entriesOf(text));
}

/** @throws LifeboatError */
export function writeTold(directory: string, told: Told): void {
  replaceFile(toldPath(directory), `${JSON.stringify({ told: Object.fromEntries(told) }, null, 2)}\n`);
}

function toldPath(directory: string): string {
  return join(directory, 'alerts.json');
}

function entriesOf(text: string): [string, { grade: number; since: string }][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
  const told = (value as { told?: unknown } | null)?.told;
  if (typeof told !== 'object' || told === null) return [];
  return Object.entries(told as Record<string, { grade?: unknown; since?: unknown } | null>).flatMap(([id, one]) =>
    typeof one?.grade === 'number' && typeof one.since === 'string'
      ? [[id, { grade: one.grade, since: one.since }] as [string, { grade: number; since: string }]]
      : [],
  );
}
