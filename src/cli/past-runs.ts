import { LifeboatError } from '../error.js';
import type { Knowledge } from '../image/plan-run.js';
import type { ReadRow } from '../metrics/history-row.js';
import type { PastRun } from '../policy/past-run.js';

/**
 * What earlier runs came to know, for a choice of codec. Without a history, or with one that cannot be read, nothing is known:
 * no backup fails for that.
 */
export async function readKnowledge(directory: string, warn: (text: string) => void): Promise<Knowledge> {
  try {
    const { readHistory } = await import('../metrics/history.js');
    const { rows } = await readHistory(directory);
    const { readCalibration } = await import('../metrics/calibration-file.js');
    return { calibration: readCalibration(directory), pastRuns: rows.flatMap(pastRunOf) };
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    warn(`what past runs reached is not known: ${error.message}`);
    return { calibration: undefined, pastRuns: [] };
  }
}

/** Nothing of a row that failed, or that lacks what a later or an earlier version writes. */
export function pastRunOf(row: ReadRow): PastRun[] {
  const { disk, source, codec, level, ratio, plainBytes, imageBytes, outcome } = row;
  const path = typeof disk === 'string' ? disk : source;
  const stages = (typeof row.stages === 'object' && row.stages !== null ? row.stages : {}) as Record<string, unknown>;
  const { wallMs, writeMs, readMs, bottleneck } = stages;
  if (outcome === 'failure' || typeof path !== 'string' || typeof codec !== 'string' || typeof level !== 'number')
    return [];
  if (!isPositive(ratio) || !isPositive(plainBytes) || !isPositive(wallMs)) return [];
  const readBytes = isPositive(row.readBytes) ? row.readBytes : plainBytes;
  return [
    {
      time: row.time,
      source: path,
      codec,
      level,
      ratio,
      bytesPerSecond: (1000 * plainBytes) / wallMs,
      ...(isPositive(imageBytes) && isPositive(writeMs) ? { writeBytesPerSecond: (1000 * imageBytes) / writeMs } : {}),
      ...(isPositive(readMs) ? { readBytesPerSecond: (1000 * readBytes) / readMs } : {}),
      ...(typeof bottleneck === 'string' ? { bottleneck } : {}),
    },
  ];
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
