import { LifeboatError } from '../error.js';

/** "06:30", the hour with or without its zero. */
export const FINISH_BY = /^([01]?\d|2[0-3]):([0-5]\d)$/;

/**
 * How long it is until the next time that a clock shows this; in ms, up to a day. Asked once at the start of a run, which
 * then counts by the monotonic clock: a clock that is set changes nothing.
 * @param now as the host's own clock shows it
 * @throws LifeboatError USAGE
 */
export function msUntil(text: string, now: Date): number {
  const match = FINISH_BY.exec(text);
  if (match === null)
    throw new LifeboatError('USAGE', `--finish-by takes a time of day as "06:30", not "${text}"`, {
      hint: "it is the host's own time, today's or tomorrow's",
    });
  const end = new Date(now);
  end.setHours(Number(match[1]), Number(match[2]), 0, 0);
  if (end <= now) end.setDate(end.getDate() + 1);
  return end.getTime() - now.getTime();
}
