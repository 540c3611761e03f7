import type { BootDisk } from '../device/boot-disk.js';
import { type ImageFigures, imageFigures } from '../image/image-figures.js';
import type { BootResult } from './boot.js';

export type BootOutcome = 'success' | 'warning' | 'failure';

/** What the history keeps of a run of boot. Bytes, milliseconds; what a failed run did not come to know is not there. */
export interface BootRow extends ImageFigures {
  kind: 'boot';
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  disk?: string;
  /** Of the disk, by which it is known under another path. */
  serial?: string;
  /** 0: no limit. */
  bwlimitKiBps: number;
  durationMs: number;
  /** Of all threads of this process, in user and kernel mode; not of LVM's tools and partclone. */
  processorMs: number;
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
  bwlimitKiBps: number;
  durationMs: number;
  processorMs: number;
  warnings: number;
}

export function rowOfSuccess(result: BootResult, outcome: BootOutcome, facts: RunFacts): BootRow {
  const { manifest, image, set } = result;
  return {
    ...common(facts),
    disk: manifest.disk.path,
    ...serialOf(manifest.disk),
    ...imageFigures(image),
    // A set is proven by itself, after the image is made.
    verified: manifest.verifiedAt !== undefined,
    outcome,
    exitStatus: 0,
    set,
  };
}

/** @param disk undefined where the run did not get as far */
export function rowOfFailure(error: string, exitStatus: number, disk: BootDisk | undefined, facts: RunFacts): BootRow {
  return {
    ...common(facts),
    ...(disk === undefined ? {} : { disk: disk.path, ...serialOf(disk) }),
    outcome: 'failure',
    exitStatus,
    error,
  };
}

function common({ startedAt, ...facts }: RunFacts) {
  return { kind: 'boot' as const, time: startedAt.toISOString(), ...facts };
}

function serialOf({ serial }: { serial: string | undefined }): { serial?: string } {
  return serial === undefined || serial === '' ? {} : { serial };
}
