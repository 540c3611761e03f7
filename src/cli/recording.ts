import { hostname } from 'node:os';
import { LifeboatError, messageOf } from '../error.js';
import { processorTimeMs } from '../image/processor-time.js';
import type { HistoryRow } from '../metrics/history.js';
import type { Face } from './face.js';

/** How a run ended, whatever it was. Times in milliseconds. */
export interface Ending {
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  durationMs: number;
  /** Of all threads, in user and kernel mode. */
  processorMs: number;
  exitStatus: number;
}

/** Nothing was begun, or nobody with the right to has begun it. */
const UNTOLD = new Set(['USAGE', 'CONFIG', 'NEEDS_ROOT', 'BUSY']);

/**
 * Runs something, and keeps in the history how it ended: as root, on a host that has a configuration, and nowhere else. A
 * history that cannot be written changes nothing. A run that a signal ends leaves no row.
 * @param rowOf undefined where there is nothing to keep, of a dry run
 */
export async function recorded<T>(
  act: () => Promise<T>,
  rowOf: (ending: Ending, result: T | string) => HistoryRow | undefined | Promise<HistoryRow | undefined>,
  { face, signal }: { face: Pick<Face, 'detail'>; signal: AbortSignal },
): Promise<T> {
  const startedAt = new Date();
  const since = performance.now();
  const processorSinceMs = processorTimeMs();
  const endingOf = (exitStatus: number): Ending => ({
    time: startedAt.toISOString(),
    host: hostname(),
    durationMs: Math.round(performance.now() - since),
    processorMs: Math.round(processorTimeMs() - processorSinceMs),
    exitStatus,
  });
  let result: T;
  try {
    result = await act();
  } catch (error) {
    if (!signal.aborted && error instanceof LifeboatError && !UNTOLD.has(error.code))
      await keep(await rowOf(endingOf(error.exitStatus), error.message), face);
    throw error;
  }
  await keep(await rowOf(endingOf(0), result), face);
  return result;
}

async function keep(row: HistoryRow | undefined, face: Pick<Face, 'detail'>): Promise<void> {
  if (row === undefined || process.geteuid?.() !== 0) return;
  try {
    const { readConfig } = await import('../config/read-config.js');
    const { config, exists } = readConfig();
    if (!exists) return;
    const { appendHistory } = await import('../metrics/history.js');
    await appendHistory(config.history.directory, row);
  } catch (error) {
    face.detail(`the history has no row of this run: ${messageOf(error)}`);
  }
}
