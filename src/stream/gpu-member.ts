import { Worker } from 'node:worker_threads';
import type { GpuWorkerReply, GpuWorkerRequest, GpuWorkerStart } from './gpu-worker.js';
import type { WaitingJob } from './waiting-job.js';

/** One device of a pool, in a thread of its own: waiting for it takes a whole processor while it works. */
export interface GpuMember {
  /** How many more jobs it takes now: none before it is ready, none after it was lost. */
  readonly room: number;
  readonly isUnusable: boolean;
  take(waiting: WaitingJob): void;
  /** @returns the jobs that it had in hand; nothing more is heard of it */
  close(): WaitingJob[];
}

export type GpuAnswer = Exclude<GpuWorkerReply, { kind: 'ready' | 'unusable' }>;

export interface GpuMemberEvents {
  onReady(device: { name: string; isSoftware: boolean }): void;
  /** Once. It writes to no slot any more. @param inHand the jobs that it had, in order */
  onUnusable(reason: string, inHand: WaitingJob[]): void;
  onAnswer(waiting: WaitingJob, reply: GpuAnswer): void;
}

export function createGpuMember(start: GpuWorkerStart, events: GpuMemberEvents): GpuMember {
  const inHand = new Map<number, WaitingJob>();
  let nextId = 0;
  let jobsAtOnce = 0;
  let isUnusable = false;
  const worker = new Worker(new URL('./gpu-worker.js', import.meta.url), { workerData: start });
  worker.on('message', receive);
  worker.on('error', (error) => giveUp(`its thread failed: ${error instanceof Error ? error.message : error}`));
  worker.on('exit', (code) => giveUp(`its thread ended by itself with status ${code}`));

  function receive(reply: GpuWorkerReply): void {
    if (reply.kind === 'unusable') giveUp(reply.reason);
    else if (reply.kind === 'ready') {
      jobsAtOnce = reply.jobsAtOnce;
      events.onReady({ name: reply.name, isSoftware: reply.isSoftware });
    } else {
      const waiting = inHand.get(reply.id);
      inHand.delete(reply.id);
      if (waiting !== undefined) events.onAnswer(waiting, reply);
    }
  }

  function giveUp(reason: string): void {
    if (!isUnusable) events.onUnusable(reason, end());
  }

  /** By itself: a thread that is terminated inside a driver takes the process with it. */
  function end(): WaitingJob[] {
    isUnusable = true;
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    worker.postMessage('close' satisfies GpuWorkerRequest);
    worker.unref();
    const left = [...inHand.values()];
    inHand.clear();
    return left;
  }

  return {
    get room() {
      return isUnusable ? 0 : jobsAtOnce - inHand.size;
    },
    get isUnusable() {
      return isUnusable;
    },
    take(waiting) {
      inHand.set(nextId, waiting);
      worker.postMessage({ id: nextId, job: waiting.job } satisfies GpuWorkerRequest);
      nextId += 1;
    },
    close: () => (isUnusable ? [] : end()),
  };
}
