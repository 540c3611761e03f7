import { type KernelLoad, readKernelLoad } from '../device/host-load.js';
import { readProcessStat } from '../device/process-stat.js';
import type { LoadCounts } from '../policy/load.js';
import { processorTimeMs } from './processor-time.js';

const TICK_MS = 10;

/** The kernel's counts and our own at this moment; undefined where the kernel tells none. */
export function countLoad(kernel: KernelLoad | undefined = readKernelLoad()): LoadCounts | undefined {
  if (kernel === undefined) return undefined;
  return {
    atMs: performance.now(),
    cores: kernel.cores,
    busyMs: kernel.busyMs,
    idleMs: kernel.idleMs,
    stealMs: kernel.stealMs,
    cpuWaitMs: kernel.cpu?.totalMs,
    guestWaitMs: kernel.guestWaitMs,
    // Programs that we ran and that are over: partclone alone is busy for as long as it reads.
    ownMs: processorTimeMs() + TICK_MS * readProcessStat('self').childrenTicks,
  };
}
