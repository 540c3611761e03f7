import type { CodecName, EngineName } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import type { Container } from '../format/container.js';
import { createFrameTable, type FrameTable } from '../format/frame-table.js';
import { createBusyClock } from './busy-clock.js';
import type { ByteSink } from './byte-sink.js';
import type { ChunkSource } from './chunk-source.js';
import { type Chunk, isKnownZero } from './chunks.js';
import { type Hasher, inlineHasher, threadHasher } from './hasher.js';
import type { JobResult } from './job.js';
import { createLimiter } from './limiter.js';
import { allocateSlotMemory, createSlotPool, type Slot, slotLayout } from './slots.js';
import type { StageTimes } from './stages.js';
import type { Throttle } from './throttle.js';
import { createJobPool } from './worker-pool.js';

export interface SaveOptions {
  source: ChunkSource;
  sink: ByteSink;
  container: Container;
  codec: CodecName;
  engine: EngineName;
  level: number;
  chunkBytes: number;
  threads: number;
  /** Whether to compute the SHA-256 of what is written. */
  sha256: boolean;
  throttle: Throttle;
  progress: SaveProgress;
  signal: AbortSignal;
}

/** Counts that grow while a run goes on; in bytes. */
export interface SaveProgress {
  /** Plaintext that is in the image by now. */
  plainBytes: number;
  writtenBytes: number;
  /** Of the plaintext: zeros, read or known. */
  zeroBytes: number;
  /** Of the plaintext: not read, because it was known to be zeros. */
  skippedBytes: number;
}

export interface Saved {
  table: FrameTable;
  epilogue: Buffer;
  writtenBytes: number;
  sha256: string | undefined;
  times: StageTimes;
}

/** Per worker one slot that it works on, one that waits for it, and some that are read and written meanwhile. */
export const slotsFor = (threads: number): number => 2 * threads + 4;
/** Zero chunks take no slot; so many may wait for a slow chunk before them. */
const MAX_AHEAD = 4096;
/** Frames that are ready are written together, up to so many. */
const FRAMES_PER_WRITE = 32;

interface ReadyFrame {
  frame: Buffer;
  indexedLength: number;
  plainLength: number;
  crc: number;
  isZeros: boolean;
  isSkipped: boolean;
  slot: Slot | undefined;
}

/**
 * Source to image: chunks are read several at once, compressed by the workers in any order, and written in the order of
 * the source. Memory is that of the slots, whatever the source's size.
 * @throws the first error of any stage, or the signal's reason; nothing is under way any more when it does
 */
export async function saveImage(options: SaveOptions): Promise<Saved> {
  const { source, sink, container, chunkBytes, threads, progress } = options;
  const codec = codecByName(options.codec);
  const failing = new AbortController();
  const signal = AbortSignal.any([options.signal, failing.signal]);
  const layout = slotLayout(slotsFor(threads), chunkBytes, codec.frameBound(chunkBytes));
  const memory = allocateSlotMemory(layout);
  const slots = createSlotPool(memory, layout, signal);
  const { engine, level } = options;
  const pool = createJobPool(
    { memory, layout, codec: codec.name, engine, level, chunkBytes, xzCheck: undefined },
    threads,
  );
  const hasher = options.sha256 ? (threads === 1 ? inlineHasher() : threadHasher()) : undefined;
  const reading = createBusyClock();
  const writing = createBusyClock();
  const reads = createLimiter(source.readsInFlight, signal);
  const ahead = createLimiter(MAX_AHEAD, signal);
  const prologue = container.prologue(chunkBytes);
  const table = createFrameTable(prologue.length, { alignBytes: container.alignBytes });
  const zeroFrames = new Map<number, ReadyFrame>();
  const ready = new Map<number, ReadyFrame>();
  let drained: Promise<void> | undefined;
  let writtenBytes = 0;
  let readWaitMs = 0;
  let codecMs = 0;
  const start = performance.now();

  /** Runs beside the loop; its failure ends the run. */
  const unwatched = new Set<Promise<void>>();
  function watch(task: Promise<void>): void {
    const watched = task
      .catch((error: unknown) => failing.abort(error))
      .finally(() => {
        unwatched.delete(watched);
      });
    unwatched.add(watched);
  }

  async function emit(buffers: Buffer[]): Promise<void> {
    if (buffers.length === 0) return;
    await writing.during(() => sink.write(buffers));
    for (const buffer of buffers) writtenBytes += buffer.length;
    progress.writtenBytes = writtenBytes;
  }

  async function hashThenRelease(frames: ReadyFrame[], hash: Hasher | undefined): Promise<void> {
    if (hash !== undefined) await Promise.all(frames.map(({ frame }) => hash.update(frame)));
    for (const { slot } of frames) if (slot !== undefined) slots.release(slot);
  }

  /** Writes what is next in order, for as long as there is such. */
  async function drain(): Promise<void> {
    for (let next = ready.get(table.count); next !== undefined; next = ready.get(table.count)) {
      signal.throwIfAborted();
      const batch: ReadyFrame[] = [];
      for (; next !== undefined && batch.length < FRAMES_PER_WRITE; next = ready.get(table.count)) {
        ready.delete(table.count);
        table.add(next.indexedLength, next.plainLength, next.crc);
        ahead.leave();
        batch.push(next);
      }
      await writeBatch(batch);
      watch(hashThenRelease(batch, hasher));
      for (const { plainLength, isZeros, isSkipped } of batch) {
        progress.plainBytes += plainLength;
        if (isZeros) progress.zeroBytes += plainLength;
        if (isSkipped) progress.skippedBytes += plainLength;
      }
    }
  }

  async function writeBatch(batch: ReadyFrame[]): Promise<void> {
    let buffers: Buffer[] = [];
    for (const { frame, isZeros } of batch) {
      if (isZeros && options.codec === 'none' && sink.skip !== undefined) {
        await emit(buffers);
        buffers = [];
        await sink.skip(frame.length);
        writtenBytes += frame.length;
      } else buffers.push(frame);
    }
    await emit(buffers);
  }

  function deliver(number: number, frame: ReadyFrame): void {
    ready.set(number, frame);
    drained ??= drain()
      .catch((error: unknown) => failing.abort(error))
      .finally(() => {
        drained = undefined;
      });
  }

  async function encode(slot: Slot, plainLength: number, zerosToo: boolean): Promise<JobResult> {
    const result = await pool.run({ kind: 'encode', slot: slot.number, plainLength, zerosToo });
    codecMs += result.busyMs;
    return result;
  }

  function frameOf(result: JobResult, slot: Slot, plainLength: number): ReadyFrame {
    if (result.kind !== 'encoded') throw new Error(`a worker answered "${result.kind}" when it was told to encode`);
    const frame = slot.frame.subarray(0, result.frameLength);
    const indexedLength = container.indexedLength(frame);
    return { frame, indexedLength, plainLength, crc: result.crc, isZeros: false, isSkipped: false, slot };
  }

  /** The frame of that many zeros, made once. The slot's plaintext must be zeros. */
  async function zeroFrame(slot: Slot, plainLength: number): Promise<ReadyFrame> {
    const known = zeroFrames.get(plainLength);
    if (known !== undefined) return known;
    const made = frameOf(await encode(slot, plainLength, true), slot, plainLength);
    const frame = Buffer.from(new SharedArrayBuffer(made.frame.length));
    made.frame.copy(frame);
    const kept = { ...made, frame, isZeros: true, slot: undefined };
    zeroFrames.set(plainLength, kept);
    return kept;
  }

  async function readAndEncode(chunk: Chunk, slot: Slot): Promise<void> {
    let plainLength: number;
    try {
      plainLength = await reading.during(() => source.fill(chunk, slot.plain));
    } finally {
      reads.leave();
    }
    if (plainLength === 0) return slots.release(slot);
    const result = await encode(slot, plainLength, false);
    if (result.kind !== 'zeros') return deliver(chunk.number, frameOf(result, slot, plainLength));
    const zeros = await zeroFrame(slot, plainLength);
    slots.release(slot);
    deliver(chunk.number, zeros);
  }

  async function skipZeros(chunk: Chunk): Promise<void> {
    let zeros = zeroFrames.get(chunk.length);
    if (zeros === undefined) {
      const slot = await slots.acquire();
      slot.plain.fill(0, 0, chunk.length);
      zeros = await zeroFrame(slot, chunk.length);
      slots.release(slot);
    }
    deliver(chunk.number, { ...zeros, isSkipped: true });
  }

  async function frameOfNothing(): Promise<ReadyFrame> {
    const slot = await slots.acquire();
    return frameOf(await encode(slot, 0, true), slot, 0);
  }

  async function readAll(): Promise<void> {
    const chunks = source.chunks(chunkBytes);
    for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
      const chunk = next.value;
      await ahead.enter();
      if (isKnownZero(chunk)) {
        await skipZeros(chunk);
        continue;
      }
      await options.throttle(chunk.length, signal);
      const waitedSince = performance.now();
      const slot = await slots.acquire();
      readWaitMs += performance.now() - waitedSince;
      await reads.enter();
      watch(readAndEncode(chunk, slot));
      // A stream tells only by this read whether there is another chunk.
      if (source.readsInFlight === 1) await reads.quiet();
    }
  }

  try {
    await emit([prologue]);
    await hasher?.update(prologue);
    await readAll();
    while (unwatched.size > 0 || drained !== undefined) {
      await Promise.all([...unwatched, drained]);
      signal.throwIfAborted();
    }
    if (table.count === 0 && container.needsFrame) {
      deliver(0, await frameOfNothing());
      await drained;
      signal.throwIfAborted();
    }
    const epilogue = container.epilogue(chunkBytes, table);
    await emit([epilogue]);
    await hasher?.update(epilogue);
    const sha256 = await hasher?.digest();
    const wallMs = performance.now() - start;
    const times: StageTimes = {
      wallMs,
      readMs: reading.busyMs,
      readWaitMs,
      codecMs,
      threads,
      codecWaitMs: Math.max(0, wallMs * threads - codecMs),
      writeMs: writing.busyMs,
      writeWaitMs: wallMs - writing.busyMs,
    };
    return { table, epilogue, writtenBytes, sha256, times };
  } catch (error) {
    failing.abort(error);
    await Promise.all([reading.idle(), writing.idle()]);
    throw signal.reason ?? error;
  } finally {
    pool.close();
    hasher?.close();
  }
}
