import { Worker } from 'node:worker_threads';
import type { Job, JobResult, WorkerSetup } from './job.js';
import { createPerformer } from './perform.js';
import { beNice, createRest } from './rest.js';
import { receiveError } from './sent-error.js';
import type { WorkerReply, WorkerRequest, WorkerStart } from './worker.js';

export interface JobPool {
  readonly threads: number;
  /** Rejects if the job cannot be done, the worker dies or the pool is closed. */
  run(job: Job): Promise<JobResult>;
  /** From now on no more than so many threads get jobs; those that have some do them. At least one goes on. */
  limit(workers: number): void;
  /** Has all threads end by themselves, without waiting for native calls that are under way. */
  close(): void;
}

/** Two jobs at each worker: it finds the next one waiting when it is done, and never waits for the main thread. */
const JOBS_AT_WORKER = 2;

interface Waiting {
  job: Job;
  resolve: (result: JobResult) => void;
  reject: (reason: unknown) => void;
}

/** xz -9 takes 4 s for this much, and nothing stops a native call in the main thread. */
const MAX_INLINE_SLOW_CHUNK_BYTES = 4 * 1024 * 1024;

/** With one thread the main thread does it all itself, so that the simple path stays simple. */
export function createJobPool(setup: WorkerSetup, threads: number): JobPool {
  const isSlow = setup.codec === 'xz' || setup.codec === 'bzip2';
  const inline = threads === 1 && !(isSlow && setup.chunkBytes > MAX_INLINE_SLOW_CHUNK_BYTES);
  return inline ? createInlinePool(setup) : createWorkerPool(setup, threads);
}

function createInlinePool(setup: WorkerSetup): JobPool {
  beNice(setup.niceness);
  const performer = createPerformer(setup);
  const rest = createRest();
  let previous: Promise<unknown> = Promise.resolve();
  let closed = false;
  return {
    threads: 1,
    run(job) {
      const result = previous.then(async () => {
        // Reads, writes and signals get their turn between two chunks.
        await new Promise((resolve) => setImmediate(resolve));
        if (closed) throw closedError();
        return performer.perform(job);
      });
      previous = result.then(
        ({ restMs }) => (restMs === undefined ? undefined : rest.of(restMs)),
        () => undefined,
      );
      return result;
    },
    limit: () => undefined,
    close() {
      if (closed) return;
      closed = true;
      rest.end();
      performer.close();
    },
  };
}

function closedError(): Error {
  return new Error('the worker pool was closed');
}

function createWorkerPool(setup: WorkerSetup, threads: number): JobPool {
  const queue: Waiting[] = [];
  const closed = new Int32Array(new SharedArrayBuffer(4));
  let failure: unknown;
  let nextId = 0;
  let most = threads;

  const members = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: { setup, closed } satisfies WorkerStart,
    });
    const running = new Map<number, Waiting>();
    worker.on('message', (reply: WorkerReply) => {
      const waiting = running.get(reply.id);
      running.delete(reply.id);
      dispatch();
      if ('error' in reply) waiting?.reject(receiveError(reply.error));
      else waiting?.resolve(reply.result);
    });
    worker.on('error', (error) => fail(error));
    worker.on('exit', (code) => fail(new Error(`a worker thread ended by itself with status ${code}`)));
    return { worker, running };
  });

  function dispatch(): void {
    for (let depth = 0; depth < JOBS_AT_WORKER; depth++) {
      for (const { worker, running } of members.slice(0, most)) {
        if (running.size !== depth) continue;
        const waiting = queue.shift();
        if (waiting === undefined) return;
        running.set(nextId, waiting);
        worker.postMessage({ id: nextId, job: waiting.job } satisfies WorkerRequest);
        nextId += 1;
      }
    }
  }

  function fail(reason: unknown): void {
    if (failure !== undefined) return;
    failure = reason;
    Atomics.store(closed, 0, 1);
    for (const waiting of queue.splice(0)) waiting.reject(reason);
    for (const { worker, running } of members) {
      for (const waiting of running.values()) waiting.reject(reason);
      running.clear();
      worker.removeAllListeners();
      // One inside a long native call ends only after it; nobody waits for that.
      worker.on('error', () => undefined);
      worker.postMessage('close' satisfies WorkerRequest);
    }
  }

  return {
    threads,
    run(job) {
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        queue.push({ job, resolve, reject });
        dispatch();
      });
    },
    limit(workers) {
      most = Math.max(1, Math.min(threads, Math.floor(workers)));
      dispatch();
    },
    close: () => fail(closedError()),
  };
}
