/** Lets so many actions go on at once. */
export interface Limiter {
  /** Waits for a place; rejects with the signal's reason. */
  enter(): Promise<void>;
  leave(): void;
  /** Resolves when nobody is inside. */
  quiet(): Promise<void>;
}

export function createLimiter(places: number, signal: AbortSignal): Limiter {
  let inside = 0;
  const waiting: (() => void)[] = [];
  const announce = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  signal.addEventListener('abort', announce);

  async function until(condition: () => boolean): Promise<void> {
    while (!signal.aborted && !condition()) await new Promise<void>((resolve) => waiting.push(resolve));
    signal.throwIfAborted();
  }

  return {
    async enter() {
      await until(() => inside < places);
      inside += 1;
    },
    leave() {
      inside -= 1;
      announce();
    },
    quiet: () => until(() => inside === 0),
  };
}
