import { setTimeout as sleep } from 'node:timers/promises';

/** Holds reading down to a rate: waits until `bytes` more may be read. */
export type Throttle = (bytes: number, signal: AbortSignal) => Promise<void>;

/** @param bwlimitKiBps as vzdump's: KiB a second, 0 for no limit */
export function createThrottle(bwlimitKiBps: number): Throttle {
  if (bwlimitKiBps === 0) return () => Promise.resolve();
  const bytesPerMs = (bwlimitKiBps * 1024) / 1000;
  let freeAt = 0;
  return async (bytes, signal) => {
    const now = performance.now();
    const start = Math.max(now, freeAt);
    freeAt = start + bytes / bytesPerMs;
    if (start > now) await sleep(start - now, undefined, { signal });
  };
}
