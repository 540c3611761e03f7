import { parentPort, workerData } from 'node:worker_threads';
import type { Job, JobResult, WorkerSetup } from './job.js';
import { createPerformer } from './perform.js';
import { beNice, createRest } from './rest.js';
import { type SentError, sendError } from './sent-error.js';

/** A message to a worker: one job under a number, or to end. And back: a job's result, or why there is none. */
export type WorkerRequest = { id: number; job: Job } | 'close';
/** What a worker is given at its start: `closed[0]` is set when its pool wants no more jobs done. */
export interface WorkerStart {
  setup: WorkerSetup;
  closed: Int32Array;
}
export type WorkerReply = { id: number; result: JobResult } | { id: number; error: SentError };

if (parentPort !== null) serve(parentPort);

function serve(port: NonNullable<typeof parentPort>): void {
  const { setup, closed } = workerData as WorkerStart;
  beNice(setup.niceness);
  const performer = createPerformer(setup);
  const rest = createRest();
  let previous = Promise.resolve();
  port.on('message', (request: WorkerRequest) => {
    if (request === 'close') {
      rest.end();
      // By itself, for a worker that is terminated frees no codec's memory, and aborts the process if it is loading koffi.
      void previous.finally(() => {
        performer.close();
        port.close();
      });
      return;
    }
    const { id, job } = request;
    // Portable engines answer later: jobs of one context still go one after another.
    previous = previous.then(async () => {
      if (Atomics.load(closed, 0) !== 0) return;
      try {
        const result = await performer.perform(job);
        port.postMessage({ id, result } satisfies WorkerReply);
        if (result.restMs !== undefined) await rest.of(result.restMs);
      } catch (error) {
        port.postMessage({ id, error: sendError(error) } satisfies WorkerReply);
      }
    });
  });
}
