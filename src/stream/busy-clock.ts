/** Measures for how long at least one of several overlapping actions was under way. */
export interface BusyClock {
  /** Counts an action while its promise is pending. */
  during<T>(action: () => Promise<T>): Promise<T>;
  readonly busyMs: number;
  /**
   * Resolves when nothing is under way. Descriptors may be closed only then: a write that still waits in libuv's queue
   * would go to whatever file gets the same number next.
   */
  idle(): Promise<void>;
}

export function createBusyClock(): BusyClock {
  let active = 0;
  let since = 0;
  let total = 0;
  const waiting: (() => void)[] = [];
  return {
    async during(action) {
      if (active++ === 0) since = performance.now();
      try {
        return await action();
      } finally {
        if (--active === 0) {
          total += performance.now() - since;
          for (const resolve of waiting.splice(0)) resolve();
        }
      }
    },
    get busyMs() {
      return active === 0 ? total : total + performance.now() - since;
    },
    idle: () => (active === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
