/** The signal of one run: fires with the signal from outside, or by the run's own first failure. */
export interface RunSignal {
  readonly signal: AbortSignal;
  fail(reason: unknown): void;
  /** Lets go of the signal from outside. */
  end(): void;
}

/** AbortSignal.any would do, but Node 20 never frees what listens to such a signal: 10 GiB of address space a run. */
export function createRunSignal(outer: AbortSignal): RunSignal {
  const controller = new AbortController();
  const pass = () => controller.abort(outer.reason);
  if (outer.aborted) pass();
  outer.addEventListener('abort', pass, { once: true });
  return {
    signal: controller.signal,
    fail: (reason) => controller.abort(reason),
    end: () => outer.removeEventListener('abort', pass),
  };
}
