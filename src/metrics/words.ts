const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** "812 MB/s": 10^6 bytes a second, as disks and networks are sold. */
export function speedInWords(bytesPerSecond: number): string {
  const speedMBps = bytesPerSecond / 1e6;
  return `${speedMBps.toFixed(speedMBps < 10 ? 1 : 0)} MB/s`;
}

/** "5 days", "7 h", "12 min", "40 s". */
export function spanInWords(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`;
  if (ms >= HOUR_MS) return `${(ms / HOUR_MS).toFixed(ms < 10 * HOUR_MS ? 1 : 0)} h`;
  if (ms >= MINUTE_MS) return `${(ms / MINUTE_MS).toFixed(ms < 10 * MINUTE_MS ? 1 : 0)} min`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** "2026-11-21 02:30", UTC. */
export function timeInShort(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

/** "2026-11-21" */
export function dayInShort(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
