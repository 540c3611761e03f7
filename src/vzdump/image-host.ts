import { durationMs } from '../config/duration.js';
import type { ReadConfig } from '../config/read-config.js';
import { EXIT_STATUS, LifeboatError } from '../error.js';
import { timeInWords } from '../image/summary.js';
import { findDiskAndSets, isDue } from './last-set.js';
import { targetOf } from './ready-target.js';
import type { HookReport } from './report.js';

export interface ImageHostOptions {
  report: HookReport;
  signal: AbortSignal;
  /** Saves the boot disk as the configuration says, tells what went wrong, and gives the exit status. */
  runDuty(): Promise<number>;
}

/**
 * Saves the boot disk at the end of a job, if its last good set is old enough.
 * @throws LifeboatError FAILED where that did not come to a set, CONFIG where there is no target
 */
export async function imageHost(read: ReadConfig, { report, signal, runDuty }: ImageHostOptions): Promise<void> {
  const { boot, hook } = read.config;
  if (hook['image-at'] !== 'job-end') return;
  const to = targetOf(read);
  const newest = await newestIfNotDue(to, boot.disk, durationMs(hook['image-every']), signal);
  if (newest !== undefined) {
    const age = timeInWords(Date.now() - newest.getTime());
    report.say(`the boot disk was saved ${age} ago, the next time is after ${hook['image-every']}`);
    return;
  }
  const status = await runDuty();
  signal.throwIfAborted();
  if (status === 0) return;
  if (status === EXIT_STATUS.PARTIAL) return report.warn('the boot disk was saved, but not all of it');
  throw new LifeboatError('FAILED', `Cannot save the boot disk: lifeboat boot ended with status ${status}`, {
    hint: 'its own words stand above; run it by hand to see more: lifeboat boot --verbose',
  });
}

/** What cannot be told here, the run will tell: in doubt a set is made. */
async function newestIfNotDue(
  to: string,
  disk: string | undefined,
  everyMs: number,
  signal: AbortSignal,
): Promise<Date | undefined> {
  try {
    const { sets } = await findDiskAndSets(to, disk, signal);
    const now = Date.now();
    return isDue(sets, everyMs, now) ? undefined : sets.find(({ time }) => time.getTime() <= now)?.time;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof LifeboatError) return undefined;
    throw error;
  }
}
