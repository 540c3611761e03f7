import type { Manifest } from '../format/manifest.js';
import { type ImageFigures, imageFigures } from './image-figures.js';

/** What the history keeps of a run of `image`. Bytes, milliseconds; what a failed run did not come to know is not there. */
export interface ImageRow extends ImageFigures {
  kind: 'image';
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  /** Path behind symbolic links, or "-". */
  source: string;
  out: string;
  bwlimitKiBps: number;
  durationMs: number;
  processorMs: number;
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
  return {
    kind: 'image',
    ...facts,
    source: result.source.path,
    ...imageFigures(result),
    outcome: result.warnings.length === 0 ? 'success' : 'warning',
  };
}
