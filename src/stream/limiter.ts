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

  const change = () => new Promise<void>((resolve) => waiting.push(resolve));

  return {
    async enter() {
      // Looked at again after every wait, for another may have been quicker.
      while (!signal.aborted && inside >= places) await change();
      signal.throwIfAborted();
      inside += 1;
    },
    leave() {
      inside -= 1;
      announce();
    },
    async quiet() {
      while (!signal.aborted && inside > 0) await change();
      signal.throwIfAborted();
    },
  };
}
