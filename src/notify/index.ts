import { LifeboatError, messageOf } from '../error.js';
import { oneLine } from './message.js';
import type { RunEvent } from './run-event.js';
import { sendHttp } from './send-http.js';
import { SENDMAIL, sendMail } from './sendmail.js';
import type { NotifyTarget } from './target.js';
import { SYSTEM_CERTIFICATES } from './trusted-certificates.js';

export type { RunEvent } from './run-event.js';
export type { NotifyTarget, Outcome } from './target.js';

export interface NotifyOptions {
  /** For each target, and as all are told at once for all of them: 10 s, or less for a run that was stopped. */
  timeoutMs?: number;
  /** Ends it sooner. Not the run's own signal, or nobody hears of a run that was stopped. */
  signal?: AbortSignal;
  /** A UUID: pairs the start of a run with its end. */
  runId?: string;
  sendmailPath?: string;
  /** PEM file of those who are trusted. */
  certificatesPath?: string;
  credentialsDirectory?: string;
}

/** A target that was not told, in words without any secret. */
export interface NotifyFailure {
  type: NotifyTarget['type'];
  message: string;
  hint: string | undefined;
}

const TIMEOUT_MS = 10_000;
/** For a killed program to be gone and a socket to be closed; after that they are left to themselves. */
const AFTERWARDS_MS = 500;

/**
 * Tells all who want to hear of it, at once. Never throws, and leaves no process, socket or timer behind.
 * @returns who could not be told; the run's outcome does not depend on it
 */
export async function notify(
  targets: readonly NotifyTarget[],
  event: RunEvent,
  options: NotifyOptions = {},
): Promise<NotifyFailure[]> {
  const wanting = targets.filter((target) => wants(target, event));
  if (wanting.length === 0) return [];
  const { timeoutMs = TIMEOUT_MS } = options;
  const controller = new AbortController();
  const stop = () => controller.abort(options.signal?.reason);
  const late = new Error(`no answer within ${timeoutMs / 1000} s`);
  const timer = setTimeout(() => controller.abort(late), timeoutMs);
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener('abort', stop);
  const leftAlone = afterAbort(controller.signal, AFTERWARDS_MS);
  try {
    const failures = await Promise.all(
      wanting.map((target) =>
        Promise.race([
          attempt(target, event, options, controller.signal),
          leftAlone.promise.then(() => failureOf(target, controller.signal.reason)),
        ]),
      ),
    );
    return failures.filter((failure) => failure !== undefined);
  } finally {
    clearTimeout(timer);
    leftAlone.cancel();
    options.signal?.removeEventListener('abort', stop);
  }
}

function wants(target: NotifyTarget, { event }: RunEvent): boolean {
  if (target.type === 'healthchecks') return true;
  return event !== 'start' && target.on.includes(event);
}

async function attempt(
  target: NotifyTarget,
  event: RunEvent,
  options: NotifyOptions,
  signal: AbortSignal,
): Promise<NotifyFailure | undefined> {
  try {
    if (target.type === 'mail') {
      await sendMail(target, event, { program: options.sendmailPath ?? SENDMAIL, signal });
    } else {
      await sendHttp(target, event, {
        signal,
        runId: options.runId,
        certificatesPath: options.certificatesPath ?? SYSTEM_CERTIFICATES,
        credentialsDirectory: options.credentialsDirectory,
      });
    }
    return undefined;
  } catch (error) {
    // Whatever it is, a defect of ours too: a backup that is done must not fail for want of a message.
    return failureOf(target, error);
  }
}

function failureOf({ type }: NotifyTarget, error: unknown): NotifyFailure {
  if (error instanceof LifeboatError) return { type, message: oneLine(error.message), hint: error.hint };
  return { type, message: `Cannot notify by ${type}: ${oneLine(messageOf(error))}`, hint: undefined };
}

/** Resolves some time after an abort; never if it is cancelled before. */
function afterAbort(signal: AbortSignal, delayMs: number): { promise: Promise<void>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  let wait: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    wait = () => {
      timer = setTimeout(resolve, delayMs);
    };
    if (signal.aborted) wait();
    else signal.addEventListener('abort', wait);
  });
  const cancel = () => {
    signal.removeEventListener('abort', wait);
    clearTimeout(timer);
  };
  return { promise, cancel };
}
