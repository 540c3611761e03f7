import type { RestoreResult } from './restore.js';

/** What the history keeps of a restore: how long it took, and how long it was predicted to take. Milliseconds. */
export interface RestoreRow {
  kind: 'restore';
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  /** The image, or the set's directory. */
  image: string;
  target: string;
  codec?: string;
  threads?: number;
  plainBytes?: number;
  zeroBytes?: number;
  /** Of a part of the disk only. */
  range?: { offset: number; length: number };
  checked?: boolean;
  /** Without the reading back of --check. */
  actualMs?: number;
  predictedMs?: number;
  /** Before anything was learnt from earlier restores. */
  modelMs?: number;
  processorMs: number;
  durationMs: number;
  /** `warning`: salvaged, not all of it. */
  outcome: 'success' | 'warning' | 'failure';
  exitStatus: number;
  error?: string;
}

export interface RestoreFacts
  extends Pick<RestoreRow, 'time' | 'host' | 'image' | 'target' | 'durationMs' | 'processorMs' | 'exitStatus'> {
  range: RestoreRow['range'] | undefined;
  predicted: { ms: number; modelMs: number } | undefined;
}

/** @param result the run's, or why it failed */
export function restoreRow({ range, predicted, ...facts }: RestoreFacts, result: RestoreResult | string): RestoreRow {
  const common = { kind: 'restore' as const, ...facts, ...(range === undefined ? {} : { range }) };
  if (typeof result === 'string') return { ...common, outcome: 'failure', error: result };
  const { codec, threads, plainBytes, zeroBytes, checked, damage, times } = result;
  const actualMs = checked && times !== undefined ? Math.round(times.wallMs) : facts.durationMs;
  // A part of a disk tells nothing of the whole.
  const comparable = predicted === undefined || range !== undefined ? undefined : predicted;
  return {
    ...common,
    codec,
    threads,
    plainBytes,
    zeroBytes,
    checked,
    actualMs,
    ...(comparable === undefined
      ? {}
      : { predictedMs: Math.round(comparable.ms), modelMs: Math.round(comparable.modelMs) }),
    outcome: damage.length === 0 ? 'success' : 'warning',
  };
}
