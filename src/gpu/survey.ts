import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { type AdapterFacts, chooseAdapter } from './adapter.js';
import type { GpuSpeed } from './speed.js';
import { WEBGPU_PACKAGE } from './webgpu.js';

export interface SurveyedGpu extends AdapterFacts {
  speed: GpuSpeed | undefined;
  /** Why there is no speed although it was asked for. */
  problem: string | undefined;
}

export interface GpuSurvey {
  gpus: SurveyedGpu[];
  /** Why there are none, as a sentence with what to do. */
  reason: string | undefined;
}

export interface SurveyOptions {
  /** Whether each device has to show its speed: that takes seconds. */
  measure: boolean;
  signal: AbortSignal;
}

/** Looks at the graphics cards in a thread of its own: waiting for a device takes a whole processor. */
export async function surveyGpus({ measure, signal }: SurveyOptions): Promise<GpuSurvey> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./survey-worker.js', import.meta.url), { workerData: { measure } });
  const done = new AbortController();
  try {
    return await new Promise<GpuSurvey>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { signal: done.signal });
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the survey's thread ended by itself with status ${code}`)));
    });
  } finally {
    done.abort();
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    worker.unref();
  }
}

/** @returns why none can be used for what `--gpu` was given; undefined if one can. Takes 0.3 s with a hardware driver */
export async function whyNoGpu(wanted: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  const { gpus, reason } = await surveyGpus({ measure: false, signal });
  if (reason !== undefined) return reason;
  const reasons = wanted.map((each) => {
    const choice = chooseAdapter(gpus, each);
    return choice.adapter === undefined ? choice.reason : undefined;
  });
  return reasons.includes(undefined) ? undefined : reasons[0];
}

/** Whether the optional package is on this host at all; loads nothing. */
export function hasWebgpu(): boolean {
  try {
    createRequire(import.meta.url).resolve(WEBGPU_PACKAGE);
    return true;
  } catch {
    return false;
  }
}
