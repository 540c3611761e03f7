import { readFileSync } from 'node:fs';
import { type KernelLoad, readKernelLoad } from '../device/host-load.js';
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
    ownMs: processorTimeMs() + childrenMs(),
  };
}

/** Programs that we ran and that are over: partclone alone is busy for as long as it reads. */
function childrenMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // proc(5): behind the name, which may hold anything, cutime and cstime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return TICK_MS * (Number(fields[13] ?? 0) + Number(fields[14] ?? 0));
}
