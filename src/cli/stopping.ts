import { removeUnfinished } from '../image/partial-file.js';

/** The run was told to stop from outside. */
export class StoppedBySignal extends Error {
  readonly signalName: NodeJS.Signals;
  constructor(signalName: NodeJS.Signals) {
    super(`stopped by ${signalName}`);
    this.signalName = signalName;
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** vzdump kills 5 s after it has asked: what cannot be cleaned up in order within this is cleaned up at once. */
const GRACE_MS = 4500;

export interface Stopping {
  readonly signal: AbortSignal;
  /** Ends this process by the signal that stopped the run, as a shell expects it. Returns if there was none. */
  endBySignal(): void;
}

/** Turns the first signal into an abort. A second one, or the end of patience, ends the process at once. */
export function listenForSignals(): Stopping {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;

  function endBySignal(): void {
    if (received === undefined) return;
    // process.exit would wait for workers that are inside a native call.
    for (const name of SIGNALS) process.removeAllListeners(name);
    process.kill(process.pid, received);
  }

  for (const name of SIGNALS) {
    process.on(name, () => {
      if (received === undefined) {
        received = name;
        controller.abort(new StoppedBySignal(name));
        setTimeout(endNow, GRACE_MS);
      } else endNow();
    });
  }

  function endNow(): void {
    removeUnfinished();
    const overProgress = process.stderr.isTTY === true ? '\r\x1b[K' : '';
    process.stderr.write(`${overProgress}lifeboat: stopped by ${received}\n`);
    endBySignal();
  }

  return { signal: controller.signal, endBySignal };
}
