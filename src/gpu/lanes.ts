/** So many submits in flight: one is filled, one computed, one read back. */
export const LANES = 3;

/** What each submit has of its own, and waits for until it is free again. */
export interface LanePool<T> {
  /** Gives a lane to `work`, and takes it back when `work` and what it returned are over. */
  use<R>(work: (lane: T) => Promise<R>): Promise<R>;
}

/** First come, first served. */
export function createLanePool<T>(lanes: readonly T[]): LanePool<T> {
  const free = [...lanes];
  const waiting: ((lane: T) => void)[] = [];
  return {
    async use(work) {
      const lane = free.pop() ?? (await new Promise<T>((resolve) => waiting.push(resolve)));
      try {
        return await work(lane);
      } finally {
        const next = waiting.shift();
        if (next === undefined) free.push(lane);
        else next(lane);
      }
    },
  };
}
