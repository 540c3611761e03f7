import { parentPort, workerData } from 'node:worker_threads';
import type { Job, JobResult, WorkerSetup } from './job.js';
import { createPerformer } from './perform.js';
import { type SentError, sendError } from './sent-error.js';

/** A message to a worker: one job under a number. And back: its result, or why there is none. */
export interface WorkerRequest {
  id: number;
  job: Job;
}
export type WorkerReply = { id: number; result: JobResult } | { id: number; error: SentError };

if (parentPort !== null) serve(parentPort);

function serve(port: NonNullable<typeof parentPort>): void {
  const performer = createPerformer(workerData as WorkerSetup);
  let previous = Promise.resolve();
  port.on('message', ({ id, job }: WorkerRequest) => {
    // Portable engines answer later: jobs of one context still go one after another.
    previous = previous.then(async () => {
      try {
        port.postMessage({ id, result: await performer.perform(job) } satisfies WorkerReply);
      } catch (error) {
        port.postMessage({ id, error: sendError(error) } satisfies WorkerReply);
      }
    });
  });
}
