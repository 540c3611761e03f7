import { createGpuMember, type GpuMember } from './gpu-member.js';
import type { JobResult, WorkerSetup } from './job.js';
import { receiveError } from './sent-error.js';
import type { WaitingJob } from './waiting-job.js';
import { createJobPool, type JobPool } from './worker-pool.js';

/** Who goes on when a device cannot be used: another thread with the same one, another device, or the processors. */
export type GoesOn = 'same' | 'others' | 'processors';

export interface GpuPoolOptions {
  /**
   * Which devices share the work, each as `auto`, an index, or a part of its name; one at least. One that is named twice is fed by two
   * threads.
   */
  wanted: readonly string[];
  /**
   * Whether the processors take chunks from the same queue. Which frame comes from whom depends on their speed then: every run
   * makes a valid image, but no two the same bytes.
   */
  isHybrid: boolean;
  /**
   * Told once for each thread whose device can be used, and once for each whose cannot be (any more), with the reason; what the latter
   * throws ends all jobs.
   */
  onReady: (device: { name: string; isSoftware: boolean }) => void;
  onUnusable: (reason: string, goesOn: GoesOn) => void;
}

/** The processors' pool takes two jobs a thread. */
const JOBS_A_THREAD = 2;

/**
 * A pool with devices in front of the processors. What a device cannot do, or had in hand when it was lost, others do from the same
 * plaintext or frame, which is still in its slot; the run goes on where it was. Without any device the processors do it all.
 * @param createMember another way to come by devices, for tests
 */
export function createGpuJobPool(
  setup: WorkerSetup,
  threads: number,
  options: GpuPoolOptions,
  createMember = createGpuMember,
): JobPool {
  const queue: WaitingJob[] = [];
  let atProcessors = 0;
  let mostThreads = threads;
  let closed: { reason: unknown } | undefined;
  let processors: JobPool | undefined;
  const members = options.wanted.map(
    (wanted): GpuMember =>
      createMember(
        { setup, wanted },
        {
          onReady(device) {
            options.onReady(device);
            dispatch();
          },
          onUnusable(reason, inHand) {
            queue.unshift(...inHand);
            try {
              options.onUnusable(reason, goesOnWithout(wanted));
            } catch (error) {
              end(error);
            }
            dispatch();
          },
          onAnswer({ resolve, reject, ...waiting }, reply) {
            dispatch();
            if (reply.kind === 'done') resolve(reply.result);
            else if (reply.kind === 'failed') reject(receiveError(reply.error));
            else giveToProcessors({ resolve, reject, ...waiting });
          },
        },
      ),
  );

  function goesOnWithout(wanted: string): GoesOn {
    if (members.some((member, at) => options.wanted[at] === wanted && !member.isUnusable)) return 'same';
    return members.some(({ isUnusable }) => !isUnusable) ? 'others' : 'processors';
  }

  function dispatch(): void {
    while (closed === undefined && queue.length > 0) {
      // The idlest first, so that equal devices get equal shares.
      const [member] = members.filter(({ room }) => room > 0).sort((a, b) => b.room - a.room);
      const mayCompute = options.isHybrid && atProcessors < JOBS_A_THREAD * mostThreads;
      if (member !== undefined) member.take(queue.shift() as WaitingJob);
      else if (mayCompute || members.every(({ isUnusable }) => isUnusable))
        giveToProcessors(queue.shift() as WaitingJob);
      else return;
    }
  }

  function giveToProcessors({ job, resolve, reject }: WaitingJob): void {
    if (processors === undefined) {
      processors = createJobPool(setup, threads);
      processors.limit(mostThreads);
    }
    atProcessors += 1;
    processors
      .run(job)
      .finally(() => {
        atProcessors -= 1;
        dispatch();
      })
      .then(resolve, reject);
  }

  function end(reason: unknown): void {
    if (closed !== undefined) return;
    closed = { reason };
    const left = [...queue.splice(0), ...members.flatMap((member) => member.close())];
    for (const { reject } of left) reject(reason);
    processors?.close();
  }

  return {
    get threads() {
      const devices = members.filter(({ isUnusable }) => !isUnusable).length;
      return devices + (options.isHybrid || devices === 0 ? threads : 0);
    },
    run(job) {
      if (closed !== undefined) return Promise.reject(closed.reason);
      return new Promise<JobResult>((resolve, reject) => {
        queue.push({ job, resolve, reject });
        dispatch();
      });
    },
    limit(workers) {
      mostThreads = Math.max(1, Math.min(threads, Math.floor(workers)));
      processors?.limit(mostThreads);
      dispatch();
    },
    close: () => end(new Error('the worker pool was closed')),
  };
}
