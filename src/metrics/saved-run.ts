import type { ReadRow } from './history-row.js';

export type RunKind = 'boot' | 'image' | 'guest';

/** One run that saved something, or failed to, as the report needs it. Undefined: its row does not tell. */
export interface Run {
  kind: RunKind;
  /** What was saved: the same in all runs of the same source. */
  source: string;
  /** For people: "pve1 /dev/sda", "guest 100 (web)". */
  name: string;
  host: string | undefined;
  codec: string | undefined;
  level: number | undefined;
  engine: string | undefined;
  threads: number | undefined;
  timeMs: number;
  ok: boolean;
  error: string | undefined;
  verified: boolean;
  plainBytes: number | undefined;
  /** Of the plaintext, what is neither a hole nor left out. */
  readBytes: number | undefined;
  imageBytes: number | undefined;
  /** readBytes / imageBytes: that of all the plaintext would tell how full the disk is. */
  ratio: number | undefined;
  durationMs: number | undefined;
  /** readBytes over the time in which they were read. */
  bytesPerSecond: number | undefined;
  bwlimitBytesPerSecond: number | undefined;
  processorMs: number | undefined;
  ratioHistogram: number[] | undefined;
  /** The set's directory, the image's or archive's path. */
  place: string | undefined;
  /** Where it was written: the directory that keeps sets, and the room in its file system afterwards. */
  target: { path: string; freeBytes: number; sizeBytes: number } | undefined;
}

const KIB = 1024;
const MB = 1e6;

/** @returns undefined for a row of another kind, or one that does not tell what was saved */
export function runOf(row: ReadRow): Run | undefined {
  switch (row.kind) {
    case 'boot':
      return savedRun(row, 'boot', textOf(row.disk));
    case 'image':
      return savedRun(row, 'image', textOf(row.source));
    case 'guest':
      return guestRun(row);
    default:
      return undefined;
  }
}

/** A disk is known by its serial number, for its path may change at each start of the host; without one, by its path. */
function savedRun(row: ReadRow, kind: 'boot' | 'image', path: string | undefined): Run | undefined {
  const host = textOf(row.host);
  if (host === undefined || (kind === 'image' && path === undefined)) return undefined;
  const stages = recordOf(row.stages);
  const plainBytes = numberOf(row.plainBytes);
  const readBytes = numberOf(row.readBytes) ?? plainBytes;
  const imageBytes = numberOf(row.imageBytes);
  const durationMs = numberOf(row.durationMs);
  const bwlimitKiBps = numberOf(row.bwlimitKiBps) ?? 0;
  return {
    kind,
    source: `${kind} ${host} ${textOf(row.serial) ?? path ?? ''}`,
    name: `${host} ${path ?? 'boot disk'}`,
    host,
    codec: textOf(row.codec),
    level: numberOf(row.level),
    engine: textOf(row.engine),
    threads: numberOf(row.threads),
    timeMs: Date.parse(row.time),
    ok: row.outcome === 'success' || row.outcome === 'warning',
    error: textOf(row.error),
    verified: row.verified === true,
    plainBytes,
    readBytes,
    imageBytes,
    ratio: quotient(readBytes, imageBytes),
    durationMs,
    bytesPerSecond: perSecond(readBytes, numberOf(stages.wallMs) ?? durationMs),
    bwlimitBytesPerSecond: bwlimitKiBps === 0 ? undefined : bwlimitKiBps * KIB,
    processorMs: numberOf(row.processorMs),
    ratioHistogram: countsOf(row.ratioHistogram),
    place: textOf(row.set) ?? textOf(row.out),
    target: targetOf(row),
  };
}

/** A guest keeps its number when it is renamed. */
function guestRun(row: ReadRow): Run | undefined {
  const vmid = numberOf(row.vmid);
  if (vmid === undefined) return undefined;
  const hostname = textOf(row.hostname);
  const plainBytes = numberOf(row.bytes);
  const sparseBytes = numberOf(row.sparseBytes) ?? 0;
  const readBytes = plainBytes === undefined ? undefined : Math.max(0, plainBytes - sparseBytes);
  const imageBytes = numberOf(row.archiveBytes);
  const durationMs = numberOf(row.durationMs);
  const speedMBps = numberOf(row.MBps);
  return {
    kind: 'guest',
    source: `guest ${vmid}`,
    name: `guest ${vmid}${hostname === undefined ? '' : ` (${hostname})`}`,
    host: undefined,
    codec: textOf(row.compression),
    level: undefined,
    engine: undefined,
    threads: undefined,
    timeMs: Date.parse(row.time),
    ok: row.outcome === 'ok',
    error: textOf(row.reason),
    verified: false,
    plainBytes,
    readBytes,
    imageBytes,
    ratio: quotient(readBytes, imageBytes),
    durationMs,
    bytesPerSecond: speedMBps === undefined ? perSecond(readBytes, durationMs) : speedMBps * MB,
    bwlimitBytesPerSecond: undefined,
    processorMs: undefined,
    ratioHistogram: undefined,
    place: textOf(row.target),
    target: undefined,
  };
}

function targetOf(row: ReadRow): Run['target'] {
  const target = recordOf(row.target);
  const path = textOf(target.path);
  const freeBytes = numberOf(target.freeBytes);
  const sizeBytes = numberOf(target.sizeBytes);
  if (path === undefined || freeBytes === undefined || sizeBytes === undefined) return undefined;
  return { path, freeBytes, sizeBytes };
}

function quotient(above: number | undefined, below: number | undefined): number | undefined {
  if (above === undefined || below === undefined || above === 0) return undefined;
  const value = above / below;
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

function perSecond(bytes: number | undefined, ms: number | undefined): number | undefined {
  const perMs = quotient(bytes, ms);
  return perMs === undefined ? undefined : perMs * 1000;
}

/**
 * What is no size, duration or speed is as if it were not there: negative, text, 1e999, which JSON reads as infinite, and
 * what is over 2^53, 9 PB or 285,000 years.
 */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const HISTOGRAM_BUCKETS = 16;

function countsOf(value: unknown): number[] | undefined {
  if (!Array.isArray(value) || value.length !== HISTOGRAM_BUCKETS) return undefined;
  const counts = value.map(numberOf);
  return counts.every((count) => count !== undefined) && counts.some((count) => count > 0) ? counts : undefined;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
