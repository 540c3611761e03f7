import type { CodecName } from '../codec/codec.js';
import type { Calibration } from './calibration.js';
import type { Gpu } from './cards.js';
import type { PastRun } from './past-run.js';

export const PRIORITIES = ['speed', 'balanced', 'ratio'] as const;
export type Priority = (typeof PRIORITIES)[number];

export const DATA_KINDS = ['general', 'database', 'logs'] as const;
export type DataKind = (typeof DATA_KINDS)[number];

/** All that a choice is made from. What is not known is undefined; speeds in bytes a second, shares from 0 to 1. */
export interface ChoiceFacts {
  priority: Priority;
  kind: DataKind;
  /** Codecs that may be chosen: a file called .zst should be one. */
  codecs: readonly CodecName[];
  cores: number;
  threads: number;
  /** Of all processors, how much others keep busy. */
  load: number | undefined;
  /** Share of the last 10 s in which some task waited: /proc/pressure. */
  cpuPressure: number | undefined;
  ioPressure: number | undefined;
  memoryPressure: number | undefined;
  /** Memory that can be had without taking it from anybody. */
  availableBytes: number | undefined;
  guests: number | undefined;
  isIncompressible: boolean | undefined;
  /** What is to be read and compressed. */
  sourceBytes: number | undefined;
  /** For finding its past runs. */
  source: string;
  bwlimitBytesPerSecond: number | undefined;
  /** Until the run should be over. */
  finishInMs: number | undefined;
  /** What graphics cards it may take; undefined: none that was measured can be there. */
  gpu: Gpu | undefined;
  calibration: Calibration | undefined;
  /** Most recent last. */
  pastRuns: readonly PastRun[];
}

/** Numbers from files of the kernel's and of others: what is no number is not known, and a host has at least one processor. */
export function saneFacts(facts: ChoiceFacts): ChoiceFacts {
  return {
    ...facts,
    cores: wholeFrom1(facts.cores),
    threads: wholeFrom1(facts.threads),
    load: share(facts.load),
    cpuPressure: share(facts.cpuPressure),
    ioPressure: share(facts.ioPressure),
    memoryPressure: share(facts.memoryPressure),
    availableBytes: natural(facts.availableBytes),
    guests: natural(facts.guests),
    sourceBytes: natural(facts.sourceBytes),
    bwlimitBytesPerSecond: positive(facts.bwlimitBytesPerSecond),
    finishInMs: natural(facts.finishInMs),
  };
}

function wholeFrom1(value: number): number {
  return Number.isFinite(value) ? Math.max(1, Math.floor(value)) : 1;
}

function share(value: number | undefined): number | undefined {
  return value === undefined || !Number.isFinite(value) ? undefined : Math.min(1, Math.max(0, value));
}

function natural(value: number | undefined): number | undefined {
  return value === undefined || !Number.isFinite(value) || value < 0 ? undefined : value;
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || !Number.isFinite(value) || value <= 0 ? undefined : value;
}
