import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_RETRY_MS = 100;

/**
 * Removes what was made, last made first and one after the other. What is busy is tried again and keeps none of the others:
 * udev and monitors look at new devices for a moment. No signal stops it; after `withinMs` it gives up.
 * @param refusalOf removes one, and says why it could not; undefined if it is gone
 * @returns what is still there, each with the reason; without one where its removal has not ended
 */
export async function removePatiently<Thing>(
  things: readonly Thing[],
  refusalOf: (thing: Thing) => Promise<string | undefined>,
  withinMs: number,
): Promise<{ thing: Thing; refusal: string | undefined }[]> {
  const left = [...things].reverse();
  const refusals = new Map<Thing, string>();
  const patience = new AbortController();
  let isOver = false;

  async function removeAll(): Promise<void> {
    for (let retryMs = FIRST_RETRY_MS; ; retryMs *= 2) {
      for (const thing of [...left]) {
        if (isOver) return;
        const refusal = await refusalOf(thing);
        if (refusal === undefined) left.splice(left.indexOf(thing), 1);
        else refusals.set(thing, refusal);
      }
      if (left.length === 0) return;
      await sleep(retryMs, undefined, { signal: patience.signal }).catch(() => undefined);
    }
  }

  const isPast = sleep(withinMs, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([removeAll(), isPast]);
  isOver = true;
  patience.abort();
  return left.map((thing) => ({ thing, refusal: refusals.get(thing) }));
}
