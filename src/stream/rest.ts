import { getPriority as niceness, setPriority as setNiceness } from 'node:os';

/** A thread that has other work is never kept from it for longer. */
const LONGEST_REST_MS = 10_000;

/**
 * How long a thread has to rest after a job, in ms, so that it has taken no more than its share of a processor. What it
 * waited for a processor while it was at work counts as rest, or a thread that others keep down would starve.
 * @param cpuMs processor time of the job
 * @param busyMs how long it took
 */
export function restAfter(cpuMs: number, busyMs: number, share: number): number {
  const restMs = cpuMs / share - busyMs;
  return Number.isFinite(restMs) ? Math.min(LONGEST_REST_MS, Math.max(0, restMs)) : 0;
}

export interface Rest {
  /** Resolves after so many ms, or when it is ended. */
  of(ms: number): Promise<void>;
  /** From now on there is none. */
  end(): void;
}

export function createRest(): Rest {
  let ended = false;
  let wake = () => {};
  return {
    of(ms) {
      if (ended || ms <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },
    end() {
      ended = true;
      wake();
    },
  };
}

/** Lets other threads of the host go first, on Linux this thread alone: never the other way, which only root may. */
export function beNice(value: number | undefined): void {
  if (value !== undefined && niceness() < value) setNiceness(value);
}
