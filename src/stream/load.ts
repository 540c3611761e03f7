import { LifeboatError } from '../error.js';
import { createBusyClock } from './busy-clock.js';
import type { Fetched, FrameDamage, FrameProvider } from './frame-provider.js';
import type { JobOutcome, JobResult } from './job.js';
import { createLimiter } from './limiter.js';
import type { PlainSink } from './plain-sink.js';
import { createRunSignal } from './run-signal.js';
import { createSequencer } from './sequencer.js';
import { createSlotPool, type Slot, type SlotLayout } from './slots.js';
import type { StageTimes } from './stages.js';
import { createTaskSet } from './task-set.js';
import type { JobPool } from './worker-pool.js';

export interface LoadOptions {
  provider: FrameProvider;
  sink: PlainSink;
  pool: JobPool;
  /** The slots that the pool's workers know. */
  memory: SharedArrayBuffer;
  layout: SlotLayout;
  progress: LoadProgress;
  /** Told of each frame that cannot be used; throws to end the run. */
  onDamage: (damage: FrameDamage) => void;
  /** Told of each frame that was decoded, in any order. */
  onFrame?: (number: number, facts: FrameFacts) => void;
  signal: AbortSignal;
}

/** Counts that grow while a run goes on; in bytes. */
export interface LoadProgress {
  storedBytes: number;
  plainBytes: number;
  zeroBytes: number;
}

export interface FrameFacts {
  plainOffset: number;
  plainLength: number;
  frameCrc: number;
  /** A graphics card decoded it. */
  isByGpu: boolean;
}

/** Frames may wait in order behind a slow one only in slots; their number bounds all. */
interface Decoded {
  fetched: Fetched;
  outcome: JobOutcome & { byGpu?: boolean };
  slot: Slot;
}

/**
 * Image to plaintext: frames are fetched in order, decoded by the workers in any order, and put where they belong at once,
 * or one after another where the sink or unknown lengths demand it.
 * @throws the first error, or the signal's reason; nothing is under way any more when it does
 */
export async function loadImage(options: LoadOptions): Promise<StageTimes> {
  const { provider, sink, pool, memory, layout, progress } = options;
  const { signal, fail, end } = createRunSignal(options.signal);
  const slots = createSlotPool(memory, layout, signal);
  const reading = createBusyClock();
  const writing = createBusyClock();
  const reads = createLimiter(provider.readsInFlight, signal);
  const tasks = createTaskSet(fail);
  const inOrder = createSequencer<Decoded>(1, tasks, putNext);
  let orderedOffset = 0;
  let ended = false;
  let fetches = 0;
  let readWaitMs = 0;
  let codecMs = 0;
  const start = performance.now();
  // Nobody waits for what the workers still have in hand.
  signal.addEventListener('abort', () => pool.close(), { once: true });

  async function put({ fetched, outcome, slot }: Decoded, plainOffset: number): Promise<void> {
    signal.throwIfAborted();
    if (outcome.kind === 'plain') {
      const { plainLength, dataRuns, frameCrc } = outcome;
      const plain = slot.plain.subarray(0, plainLength);
      await writing.during(() => sink.put({ plain, plainOffset, dataRuns, spare: slot.frame }));
      progress.plainBytes += plainLength;
      progress.zeroBytes += plainLength - dataRuns.reduce((sum, run) => sum + run.end - run.start, 0);
      options.onFrame?.(fetched.number, { plainOffset, plainLength, frameCrc, isByGpu: outcome.byGpu === true });
    } else if (outcome.kind === 'damaged') {
      const { number, offset } = fetched;
      const plainLength = lengthOf({ fetched, outcome });
      options.onDamage({ number, offset, plainOffset, plainLength, reason: outcome.reason });
      if (plainLength !== undefined && sink.zerosForLost) {
        const plain = slot.plain.fill(0).subarray(0, plainLength);
        await writing.during(() => sink.put({ plain, plainOffset, dataRuns: [], spare: slot.frame }));
      }
    }
    slots.release(slot);
  }

  async function putNext([next]: Decoded[]): Promise<void> {
    signal.throwIfAborted();
    if (next === undefined) return;
    const length = lengthOf(next);
    const at = orderedOffset;
    orderedOffset += length ?? 0;
    const { fetched, outcome, slot } = next;
    const plain = outcome.kind === 'plain' ? slot.plain.subarray(0, outcome.plainLength) : undefined;
    const found = provider.follow?.(fetched.number, plain, at);
    if (sink.ordered) await put(next, at);
    else tasks.add(put(next, at));
    if (found !== undefined) options.onDamage(found);
    if (length !== undefined) return;
    throw new LifeboatError('DAMAGE', 'what lies behind the damaged frame cannot be placed', {
      offset: fetched.offset,
    });
  }

  /** @param turn the fetch's number: frames outside of a range make no gap in it */
  async function place(decoded: Decoded, turn: number): Promise<void> {
    const { plainOffset } = decoded.fetched;
    if (!sink.ordered && plainOffset !== undefined) return put(decoded, plainOffset);
    if (turn === 0 && plainOffset !== undefined) orderedOffset = plainOffset;
    inOrder.deliver(turn, decoded);
  }

  async function decode(fetched: Fetched, slot: Slot): Promise<Decoded['outcome']> {
    if (fetched.kind === 'unreadable') return { kind: 'damaged', reason: fetched.reason, frameCrc: 0 };
    const { plainLength } = fetched;
    const result: JobResult =
      fetched.kind === 'plain'
        ? await pool.run({ kind: 'scan', slot: slot.number, plainLength: fetched.plainLength })
        : await pool.run({
            kind: 'decode',
            slot: slot.number,
            shift: fetched.shift,
            frameLength: fetched.length,
            plainLength,
            crc: fetched.crc,
            isPlainUnread: sink.ignoresPlain === true && provider.follow === undefined,
            isProvenLater: fetched.isProvenLater ?? false,
          });
    codecMs += result.busyMs;
    return result;
  }

  async function fetchAndPlace(slot: Slot, turn: number): Promise<void> {
    let fetched: Fetched | undefined;
    try {
      fetched = await reading.during(() => provider.fetch(slot));
    } finally {
      reads.leave();
    }
    if (fetched === undefined) {
      ended = true;
      return slots.release(slot);
    }
    const outcome = await decode(fetched, slot);
    progress.storedBytes = Math.max(progress.storedBytes, fetched.offset);
    await place({ fetched, outcome, slot }, turn);
  }

  try {
    while (!ended) {
      const waitedSince = performance.now();
      const slot = await slots.acquire();
      readWaitMs += performance.now() - waitedSince;
      await reads.enter();
      if (ended) break;
      tasks.add(fetchAndPlace(slot, fetches++));
      if (provider.readsInFlight === 1) await reads.quiet();
    }
    await tasks.settled();
    signal.throwIfAborted();
  } catch (error) {
    fail(error);
    throw signal.reason;
  } finally {
    // A read of a pipe may never come back, and nothing of ours is closed under it.
    await Promise.all([provider.readsInFlight === 1 ? undefined : reading.idle(), writing.idle()]);
    end();
  }
  const wallMs = performance.now() - start;
  return {
    wallMs,
    readMs: reading.busyMs,
    readWaitMs,
    codecMs,
    threads: pool.threads,
    codecWaitMs: Math.max(0, wallMs * pool.threads - codecMs),
    writeMs: writing.busyMs,
    writeWaitMs: wallMs - writing.busyMs,
  };
}

/** @returns undefined where it is not known how much of the plaintext a damaged frame has */
function lengthOf({ fetched, outcome }: Pick<Decoded, 'fetched' | 'outcome'>): number | undefined {
  if (outcome.kind === 'plain') return outcome.plainLength;
  return fetched.plainLength ?? (fetched.kind === 'frame' ? fetched.presumedLength : undefined);
}
