import type { Job, JobResult } from './job.js';

/** A job and whoever waits for it. */
export interface WaitingJob {
  job: Job;
  resolve: (result: JobResult) => void;
  reject: (reason: unknown) => void;
}
