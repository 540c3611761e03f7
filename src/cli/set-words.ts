import { timeInWords } from '../image/summary.js';
import type { Prediction } from '../metrics/recovery-time.js';
import type { FoundSet } from '../sets/find-sets.js';
import { recoveryFactsOfSet } from '../sets/recovery-facts.js';
import type { Predictor } from './predicting.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** "12 min", "5 h", "3 days", "in the future" where a clock was wrong. */
export function ageInWords(time: Date, now: Date): string {
  const ms = now.getTime() - time.getTime();
  if (ms < -MINUTE_MS) return 'in the future';
  if (ms < HOUR_MS) return `${Math.max(0, Math.floor(ms / MINUTE_MS))} min`;
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  return `${Math.floor(ms / DAY_MS)} days`;
}

/** How long it takes to restore a set that can be restored. */
export function recoveryOf({ state, path, manifest }: FoundSet, predict: Predictor): Prediction | undefined {
  return state === 'good' && manifest !== undefined ? predict(recoveryFactsOfSet(path, manifest)) : undefined;
}

/** "~4 min 10 s" */
export function recoveryInWords(prediction: Prediction | undefined): string | undefined {
  return prediction === undefined ? undefined : `~${timeInWords(prediction.ms)}`;
}

/** A set in --json. */
export function setAnswer(set: FoundSet, now: Date, recovery: Prediction | undefined): Record<string, unknown> {
  const { manifest } = set;
  return {
    path: set.path,
    name: set.name,
    hostname: manifest?.hostname ?? null,
    createdAt: manifest?.createdAt ?? set.time.toISOString(),
    ageMs: now.getTime() - set.time.getTime(),
    state: set.state,
    broken: set.broken ?? null,
    protected: set.protected,
    sizeBytes: set.sizeBytes,
    verifiedAt: set.verifiedAt?.toISOString() ?? null,
    disk: manifest?.disk.path ?? null,
    ratio:
      manifest === undefined || manifest.imageSizeBytes === 0 ? null : manifest.plainBytes / manifest.imageSizeBytes,
    consistency: manifest?.consistency ?? null,
    guests: manifest?.guests ?? null,
    predictedRestoreMs: recovery === undefined ? null : Math.round(recovery.ms),
  };
}
