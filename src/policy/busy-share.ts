import type { HostLoad } from './load.js';

/**
 * How much of a host's processors others keep busy, 0 to 1, before a run begins. Measured where there was time to, else the
 * lesser of two signs, for each alone can mislead: the load average remembers for a minute what is over, a job of vzdump's
 * or our own last run, and counts who waits for a disk; what is runnable is a moment's chance.
 * @param kernel of tasks, ours among them
 */
export function knownShare(
  { cores, loadAverage, runnable }: { cores: number; loadAverage: number; runnable: number },
  measured: HostLoad | undefined,
): number | undefined {
  if (measured !== undefined) return measured.othersBusy / measured.cores;
  if (!(cores >= 1) || !Number.isFinite(loadAverage) || !Number.isFinite(runnable)) return undefined;
  return Math.min(1, loadAverage / cores, Math.max(0, runnable - 1) / cores);
}
