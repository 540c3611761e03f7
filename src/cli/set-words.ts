import type { FoundSet } from '../sets/find-sets.js';

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

/** A set in --json. */
export function setAnswer(set: FoundSet, now: Date): Record<string, unknown> {
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
  };
}
