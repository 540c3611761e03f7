import type { Manifest } from '../format/manifest.js';

/** What the history keeps of a run of `image`. Bytes, milliseconds; what a failed run did not come to know is not there. */
export interface ImageRow {
  kind: 'image';
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  /** Path behind symbolic links, or "-". */
  source: string;
  out: string;
  codec: string;
  level?: number;
  engine?: string;
  threads?: number;
  bwlimitKiBps: number;
  plainBytes?: number;
  readBytes?: number;
  imageBytes?: number;
  ratio?: number;
  /** Of the image's frames; `ratioHistogram` says what it counts. */
  ratioHistogram?: number[];
  durationMs: number;
  processorMs: number;
  MBps?: number;
  stages?: Manifest['timing'];
  verified?: boolean;
  consistency?: string;
  /** `warning`: not all could be read, or there was something else to say. */
  outcome: 'success' | 'warning' | 'failure';
  exitStatus: number;
  error?: string;
}

/** What is known of every run. */
export type ImageFacts = Pick<
  ImageRow,
  'time' | 'host' | 'source' | 'out' | 'codec' | 'bwlimitKiBps' | 'durationMs' | 'processorMs' | 'exitStatus'
>;

/** @param result the run's, or why it failed */
export function imageRow(facts: ImageFacts, result: Manifest | string): ImageRow {
  if (typeof result === 'string') return { kind: 'image', ...facts, outcome: 'failure', error: result };
  const { source, image, timing, warnings } = result;
  const readBytes = source.sizeBytes - source.skippedBytes;
  return {
    kind: 'image',
    ...facts,
    source: source.path,
    codec: image.codec,
    level: image.level,
    engine: image.engine,
    threads: image.threads,
    plainBytes: source.sizeBytes,
    readBytes,
    imageBytes: image.sizeBytes,
    ratio: image.ratio,
    ...(image.ratioHistogram === undefined ? {} : { ratioHistogram: image.ratioHistogram }),
    MBps: Math.round(readBytes / Math.max(1, timing.wallMs) / 100) / 10,
    stages: timing,
    verified: image.verified,
    consistency: source.consistency,
    outcome: warnings.length === 0 ? 'success' : 'warning',
  };
}
