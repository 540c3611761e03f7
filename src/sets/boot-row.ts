import type { BootDisk } from '../device/boot-disk.js';
import type { BootResult } from './boot.js';

export type BootOutcome = 'success' | 'warning' | 'failure';

/** What the history keeps of a run of boot. Bytes, milliseconds; what a failed run did not come to know is not there. */
export interface BootRow {
  kind: 'boot';
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  disk?: string;
  codec: string;
  level?: number;
  engine?: string;
  plainBytes?: number;
  readBytes?: number;
  imageBytes?: number;
  ratio?: number;
  durationMs: number;
  /** Of the image; its own manifest says what each is. */
  stages?: BootResult['image']['timing'];
  verified?: boolean;
  consistency?: string;
  outcome: BootOutcome;
  exitStatus: number;
  /** The set's directory. */
  set?: string;
  /** How many. */
  warnings: number;
  error?: string;
}

export interface RunFacts {
  startedAt: Date;
  host: string;
  codec: string;
  durationMs: number;
  warnings: number;
}

export function rowOfSuccess(result: BootResult, outcome: BootOutcome, facts: RunFacts): BootRow {
  const { manifest, image, set } = result;
  return {
    ...common(facts),
    disk: manifest.disk.path,
    codec: image.image.codec,
    level: image.image.level,
    engine: image.image.engine,
    plainBytes: manifest.plainBytes,
    readBytes: manifest.readBytes,
    imageBytes: manifest.imageSizeBytes,
    ratio: image.image.ratio,
    stages: image.timing,
    verified: manifest.verifiedAt !== undefined,
    consistency: manifest.consistency,
    outcome,
    exitStatus: 0,
    set,
  };
}

/** @param disk undefined where the run did not get as far */
export function rowOfFailure(error: string, exitStatus: number, disk: BootDisk | undefined, facts: RunFacts): BootRow {
  return {
    ...common(facts),
    ...(disk === undefined ? {} : { disk: disk.path }),
    outcome: 'failure',
    exitStatus,
    error,
  };
}

function common({ startedAt, host, codec, durationMs, warnings }: RunFacts) {
  return { kind: 'boot' as const, time: startedAt.toISOString(), host, codec, durationMs, warnings };
}
