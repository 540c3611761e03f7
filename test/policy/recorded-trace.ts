import { readFileSync } from 'node:fs';
import type { Stretch } from './simulator.js';

/** What a host was seen to do, second after second. Recorded by `record-trace.ts`. */
export interface Trace {
  what: string;
  cores: number;
  periodMs: number;
  /** Processors that were busy, tasks that ran or could have, and what 16 MiB past the cache took to be read and written, as MB/s. */
  samples: [busy: number, runnable: number, readMBps: number, writeMBps: number][];
}

const DIRECTORY = new URL('../../../test/policy/traces/', import.meta.url);
const MB = 1e6;

/** @param slower what the disks are divided by: a share on a network, a disk that turns */
export function recordedStretches(name: string, slower = 1): { cores: number; stretches: Stretch[] } {
  const trace = JSON.parse(readFileSync(new URL(`${name}.json`, DIRECTORY), 'utf8')) as Trace;
  const stretches = trace.samples.map(([busy, runnable, readMBps, writeMBps]) => ({
    forMs: trace.periodMs,
    // Who could have run would have had more than it got.
    demand: Math.max(busy, runnable),
    readBytesPerSecond: (readMBps * MB) / slower,
    writeBytesPerSecond: (writeMBps * MB) / slower,
    ratioFactor: 1,
    speedFactor: 1,
  }));
  return { cores: trace.cores, stretches };
}
