/** What the kernel had counted at one moment; times in ms, summed over processors where they are theirs. */
export interface LoadCounts {
  /** Monotonic. */
  atMs: number;
  cores: number;
  busyMs: number;
  idleMs: number;
  /** Taken by the hypervisor under us. */
  stealMs: number;
  /** For how long some task waited for a processor: /proc/pressure/cpu. Undefined on kernels without it. */
  cpuWaitMs: number | undefined;
  /** The same of the guests' own cgroup. */
  guestWaitMs: number | undefined;
  /** Processor time of our own process. */
  ownMs: number;
}

/** How busy a host was between two moments. Processors as numbers: 1.5 of them; shares from 0 to 1. */
export interface HostLoad {
  cores: number;
  othersBusy: number;
  idle: number;
  stolenShare: number;
  waitShare: number | undefined;
  guestWaitShare: number | undefined;
}

/** Ticks of /proc/stat are 10 ms: below this nothing can be said. */
const LEAST_MS = 200;

/**
 * @returns undefined where the two moments tell nothing: too near to each other, the wrong way round, a counter that was reset,
 *   or numbers that are none
 */
export function loadBetween(before: LoadCounts, after: LoadCounts): HostLoad | undefined {
  const tookMs = after.atMs - before.atMs;
  const busyMs = after.busyMs - before.busyMs;
  const idleMs = after.idleMs - before.idleMs;
  const ownMs = after.ownMs - before.ownMs;
  const stealMs = after.stealMs - before.stealMs;
  const all = [tookMs, busyMs, idleMs, ownMs, stealMs];
  if (!all.every((ms) => Number.isFinite(ms) && ms >= 0) || tookMs < LEAST_MS) return undefined;
  const cores = Number.isFinite(after.cores) ? Math.max(1, after.cores) : 1;
  const share = (from: number | undefined, to: number | undefined) => {
    if (from === undefined || to === undefined || !(to >= from)) return undefined;
    return Math.min(1, (to - from) / tookMs);
  };
  return {
    cores,
    othersBusy: Math.min(cores, Math.max(0, (busyMs - ownMs) / tookMs)),
    idle: Math.min(cores, idleMs / tookMs),
    stolenShare: Math.min(1, stealMs / tookMs / cores),
    waitShare: share(before.cpuWaitMs, after.cpuWaitMs),
    guestWaitShare: share(before.guestWaitMs, after.guestWaitMs),
  };
}
