import { LifeboatError } from '../error.js';

/** A program is killed 2 s after it was asked to stop. One that waits for a dead disk does not even die of that. */
const GIVEN_UP_AFTER_MS = 3000;

/**
 * Lets work take a limited time, and waits 3 s at most once it was told to stop.
 * @throws LifeboatError FAILED when the time is over; the outer signal's reason when that was aborted
 */
export async function withTimeLimit<T>(
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const inner = new AbortController();
  const stop = (): void => inner.abort(signal.reason);
  const overdue = (): void =>
    inner.abort(new LifeboatError('FAILED', `it took longer than ${Math.ceil(limitMs / 1000)} s`));
  signal.addEventListener('abort', stop, { once: true });
  const limit = setTimeout(overdue, limitMs);
  let patience: NodeJS.Timeout | undefined;
  const givenUp = new Promise<never>((_, reject) => {
    inner.signal.addEventListener('abort', () => {
      patience = setTimeout(() => reject(inner.signal.reason), GIVEN_UP_AFTER_MS);
    });
  });
  try {
    return await Promise.race([work(inner.signal), givenUp]);
  } catch (error) {
    // Node wraps the reason in an error of its own.
    throw inner.signal.aborted ? inner.signal.reason : error;
  } finally {
    clearTimeout(limit);
    clearTimeout(patience);
    signal.removeEventListener('abort', stop);
  }
}
