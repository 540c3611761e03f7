import type { AlertFacts } from '../../src/metrics/alert.js';
import type { ReadRow } from '../../src/metrics/history.js';

export const DAY_MS = 24 * 3_600_000;
export const START_MS = Date.UTC(2026, 0, 1, 2, 30);
export const GIB = 1024 ** 3;

/** A nightly run of boot as its row has it; `noise` is the relative standard deviation of speed, ratio varies a fifth of it. */
export interface Nights {
  seed: number;
  noise: number;
  count: number;
  /** Changes the row of a night, from 0. */
  plant?: (night: number, row: BootLike) => object;
}

export interface BootLike {
  readBytes: number;
  imageBytes: number;
  durationMs: number;
  stages: { wallMs: number };
  ratioHistogram: number[];
  target: { path: string; freeBytes: number; sizeBytes: number };
}

/** 0 to 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function bootNights({ seed, noise, count, plant = () => ({}) }: Nights): ReadRow[] {
  const uniform = random(seed);
  // Box and Muller 1958.
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: count }, (_, night) => {
    const readBytes = 12 * GIB * Math.exp(0.01 * normal());
    const ratio = 2.6 * Math.exp((noise / 5) * normal());
    const wallMs = (readBytes / 400e6) * 1000 * Math.exp(noise * normal());
    const row: BootLike = {
      readBytes,
      imageBytes: readBytes / ratio,
      durationMs: wallMs * 2 + 20_000 * (1 + uniform()),
      stages: { wallMs },
      ratioHistogram: histogram(normal),
      target: { path: '/mnt/nas', freeBytes: 900 * GIB + 5 * GIB * normal(), sizeBytes: 2000 * GIB },
    };
    const whole = {
      kind: 'boot',
      // As from a timer with RandomizedDelaySec.
      time: new Date(START_MS + night * DAY_MS + 20 * 60_000 * uniform()).toISOString(),
      host: 'pve1',
      disk: '/dev/sda',
      serial: 'S1',
      codec: 'zstd',
      outcome: 'success',
      verified: true,
      set: `/mnt/nas/pve1/${night}`,
      ...row,
      ...plant(night, row),
    };
    // As it comes from the file.
    return JSON.parse(JSON.stringify(whole)) as ReadRow;
  });
}

/** 1536 chunks of 8 MiB: zeros, well and badly compressible ones; some change from day to day. */
function histogram(normal: () => number): number[] {
  const usual = [300, 120, 60, 60, 90, 150, 210, 180, 120, 60, 30, 15, 15, 15, 30, 81];
  return usual.map((count) => Math.max(0, Math.round(count + 0.5 * Math.sqrt(count) * normal())));
}

export function factsAt(nowMs: number, changes: Partial<AlertFacts> = {}): AlertFacts {
  return {
    nowMs,
    expectsBoot: true,
    verifiesGuests: false,
    windowMs: undefined,
    maxAgeMs: undefined,
    verifyEveryMs: 28 * DAY_MS,
    // Of a year: no rehearsal is due.
    rehearseEveryMs: 10_000 * DAY_MS,
    leastDaysLeft: 14,
    ...changes,
  };
}
