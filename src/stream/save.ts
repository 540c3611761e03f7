import type { CodecName, EngineName } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import type { Container } from '../format/container.js';
import { createFrameTable, type FrameTable } from '../format/frame-table.js';
import { gpuFrameBound } from '../gpu/frame.js';
import { createBusyClock } from './busy-clock.js';
import type { ByteSink } from './byte-sink.js';
import type { ChunkSource } from './chunk-source.js';
import { type Chunk, knownZeroBytes } from './chunks.js';
import { createGpuJobPool, type GpuPoolOptions } from './gpu-pool.js';
import { inlineHasher, threadHasher } from './hasher.js';
import type { JobResult } from './job.js';
import { createLimiter } from './limiter.js';
import { createRunSignal } from './run-signal.js';
import { createSequencer } from './sequencer.js';
import { allocateSlotMemory, createSlotPool, type Slot, slotLayout, slotsFor, slotsForGpus } from './slots.js';
import type { StageCounts, StageTimes } from './stages.js';
import { createTaskSet } from './task-set.js';
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
  /** Asked again and again what to change; undefined where all stays as it is. */
  pilot?: SavePilot | undefined;
  /** The nice value of the threads that compress. */
  niceness?: number | undefined;
  /** Graphics cards that compress to lz4; undefined: none is to be used. */
  gpu?: GpuPoolOptions | undefined;
  signal: AbortSignal;
}

/** Steers a run while it goes on. */
export interface SavePilot {
  periodMs: number;
  /** @param counts what the stages have done since the start */
  steer(counts: StageCounts): Steering | undefined;
}

/** From here on. */
export interface Steering {
  /** Of frames that are not yet begun. */
  level: number;
  /** How many threads may be at work; below 1 the share of a processor that the only one takes. */
  workers: number;
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
  /** How much plaintext was compressed at each level; zeros and what was not compressed do not count. */
  bytesAtLevel: ReadonlyMap<number, number>;
}

/** Zero chunks take no slot; so many may wait for a slow chunk before them. */
const MAX_AHEAD = 4096;
const CHUNKS_PER_TURN = 1024;
/** Frames that are ready are written together, up to so many. */
const FRAMES_PER_WRITE = 32;

interface ReadyFrame {
  frame: Buffer;
  indexedLength: number;
  plainLength: number;
  crc: number;
  isZeros: boolean;
  /** How much of its plaintext is known to be zeros, and was not read for its own sake. */
  skippedBytes: number;
  slot: Slot | undefined;
}

/**
 * Source to image: chunks are read several at once, compressed by the workers in any order, and written in the order of
 * the source. Memory is that of the slots, whatever the source's size.
 * @throws the first error of any stage, or the signal's reason; no read or write is under way any more when it does
 */
export async function saveImage(options: SaveOptions): Promise<Saved> {
  const { source, sink, container, engine, level, chunkBytes, threads, progress } = options;
  const codec = codecByName(options.codec);
  options.signal.throwIfAborted();
  const { signal, fail, end } = createRunSignal(options.signal);
  const { gpu } = options;
  const slotCount =
    gpu === undefined ? slotsFor(threads, chunkBytes) : slotsForGpus(gpu.wanted.length, threads, chunkBytes);
  const frameBound = Math.max(codec.frameBound(chunkBytes), gpu === undefined ? 0 : gpuFrameBound(chunkBytes));
  const layout = slotLayout(slotCount, chunkBytes, frameBound);
  const memory = allocateSlotMemory(layout);
  const slots = createSlotPool(memory, layout, signal);
  const { niceness } = options;
  const setup = { memory, layout, codec: codec.name, engine, level, chunkBytes, xzCheck: undefined, niceness };
  const pool = gpu === undefined ? createJobPool(setup, threads) : createGpuJobPool(setup, threads, gpu);
  const hasher = options.sha256 ? (threads === 1 ? inlineHasher() : threadHasher()) : undefined;
  const reading = createBusyClock();
  const writing = createBusyClock();
  const reads = createLimiter(source.readsInFlight, signal);
  const ahead = createLimiter(MAX_AHEAD, signal);
  const tasks = createTaskSet(fail);
  const inOrder = createSequencer<ReadyFrame>(FRAMES_PER_WRITE, tasks, writeFrames);
  const prologue = container.prologue(chunkBytes);
  const table = createFrameTable(prologue.length, { alignBytes: container.alignBytes });
  const zeroFrames = new Map<number, ReadyFrame>();
  const bytesAtLevel = new Map<number, number>();
  let steering: Steering = { level, workers: threads };
  let readWaitMs = 0;
  let readBytes = 0;
  let codecMs = 0;
  let encodeMs = 0;
  let encodedBytes = 0;
  let frameBytes = 0;
  const start = performance.now();
  // Nobody waits for what the workers still have in hand.
  signal.addEventListener('abort', () => pool.close(), { once: true });

  async function write(buffers: Buffer[]): Promise<void> {
    if (buffers.length === 0) return;
    signal.throwIfAborted();
    await sink.write(buffers);
    for (const buffer of buffers) progress.writtenBytes += buffer.length;
  }

  /** As one action: nothing is idle between two writes of it, and none begins once the run is over. */
  async function writeBatch(frames: ReadyFrame[]): Promise<void> {
    let buffers: Buffer[] = [];
    for (const { frame, isZeros } of frames) {
      if (isZeros && options.codec === 'none' && sink.skip !== undefined) {
        await write(buffers);
        buffers = [];
        signal.throwIfAborted();
        await sink.skip(frame.length);
        progress.writtenBytes += frame.length;
      } else buffers.push(frame);
    }
    await write(buffers);
  }

  async function writeFrames(frames: ReadyFrame[]): Promise<void> {
    signal.throwIfAborted();
    await writing.during(() => writeBatch(frames));
    tasks.add(hashAndRelease(frames));
    for (const { indexedLength, plainLength, crc, isZeros, skippedBytes } of frames) {
      table.add(indexedLength, plainLength, crc);
      progress.plainBytes += plainLength;
      progress.zeroBytes += isZeros ? plainLength : skippedBytes;
      progress.skippedBytes += skippedBytes;
    }
  }

  async function hashAndRelease(frames: ReadyFrame[]): Promise<void> {
    if (hasher !== undefined) await Promise.all(frames.map(({ frame }) => hasher.update(frame)));
    for (const { slot } of frames) {
      ahead.leave();
      if (slot !== undefined) slots.release(slot);
    }
  }

  async function encode(slot: Slot, plainLength: number, zerosToo: boolean): Promise<JobResult> {
    const { level: levelNow, workers } = steering;
    const share = workers < 1 ? workers : undefined;
    const result = await pool.run({ kind: 'encode', slot: slot.number, plainLength, zerosToo, level: levelNow, share });
    codecMs += result.busyMs;
    if (result.kind === 'encoded') {
      encodeMs += result.busyMs;
      encodedBytes += plainLength;
      frameBytes += result.frameLength;
      if (!zerosToo) bytesAtLevel.set(levelNow, (bytesAtLevel.get(levelNow) ?? 0) + plainLength);
    }
    return result;
  }

  function steer(pilot: SavePilot): void {
    const next = pilot.steer({
      wallMs: performance.now() - start,
      readBytes,
      readMs: reading.busyMs,
      encodeMs,
      encodedBytes,
      frameBytes,
      writtenBytes: progress.writtenBytes,
      writeMs: writing.busyMs,
    });
    if (next === undefined) return;
    if (next.workers !== steering.workers) pool.limit(next.workers);
    steering = next;
  }

  function frameOf(result: JobResult, slot: Slot, plainLength: number): ReadyFrame {
    if (result.kind !== 'encoded') throw new Error(`a worker answered "${result.kind}" when it was told to encode`);
    const frame = slot.frame.subarray(0, result.frameLength);
    const indexedLength = container.indexedLength(frame);
    return { frame, indexedLength, plainLength, crc: result.crc, isZeros: false, skippedBytes: 0, slot };
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
    readBytes += plainLength;
    if (plainLength === 0) return slots.release(slot);
    const result = await encode(slot, plainLength, false);
    const skippedBytes = knownZeroBytes(chunk);
    if (result.kind !== 'zeros')
      return inOrder.deliver(chunk.number, { ...frameOf(result, slot, plainLength), skippedBytes });
    const zeros = await zeroFrame(slot, plainLength);
    slots.release(slot);
    inOrder.deliver(chunk.number, { ...zeros, skippedBytes });
  }

  async function skipZeros(chunk: Chunk): Promise<void> {
    let zeros = zeroFrames.get(chunk.length);
    if (zeros === undefined) {
      const slot = await slots.acquire();
      slot.plain.fill(0, 0, chunk.length);
      zeros = await zeroFrame(slot, chunk.length);
      slots.release(slot);
    }
    inOrder.deliver(chunk.number, { ...zeros, skippedBytes: chunk.length });
  }

  async function readAll(): Promise<void> {
    const chunks = source.chunks(chunkBytes);
    for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
      const chunk = next.value;
      await ahead.enter();
      const zeroBytes = knownZeroBytes(chunk);
      if (chunk.length > 0 && zeroBytes === chunk.length) {
        await skipZeros(chunk);
        // A hole of terabytes is passed without any I/O: signals and progress must have their turn.
        if (chunk.number % CHUNKS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        continue;
      }
      await options.throttle(chunk.length - zeroBytes, signal);
      const waitedSince = performance.now();
      const slot = await slots.acquire();
      readWaitMs += performance.now() - waitedSince;
      await reads.enter();
      tasks.add(readAndEncode(chunk, slot));
      // A stream tells only by this read whether there is another chunk.
      if (source.readsInFlight === 1) await reads.quiet();
    }
  }

  function steerOrFail(pilot: SavePilot): void {
    try {
      steer(pilot);
    } catch (error) {
      fail(error);
    }
  }

  async function addFrameOfNothing(): Promise<void> {
    const slot = await slots.acquire();
    await ahead.enter();
    inOrder.deliver(0, frameOf(await encode(slot, 0, true), slot, 0));
    await tasks.settled();
  }

  const { pilot } = options;
  const steerTimer = pilot === undefined ? undefined : setInterval(() => steerOrFail(pilot), pilot.periodMs);
  try {
    await writing.during(() => write([prologue]));
    await hasher?.update(prologue);
    await readAll();
    await tasks.settled();
    signal.throwIfAborted();
    if (table.count === 0 && container.needsFrame) await addFrameOfNothing();
    signal.throwIfAborted();
    const epilogue = container.epilogue(chunkBytes, table);
    await writing.during(() => write([epilogue]));
    await hasher?.update(epilogue);
    const sha256 = await hasher?.digest();
    const wallMs = performance.now() - start;
    const times: StageTimes = {
      wallMs,
      readMs: reading.busyMs,
      readWaitMs,
      codecMs,
      threads: pool.threads,
      codecWaitMs: Math.max(0, wallMs * pool.threads - codecMs),
      writeMs: writing.busyMs,
      writeWaitMs: wallMs - writing.busyMs,
    };
    return { table, epilogue, writtenBytes: progress.writtenBytes, sha256, times, bytesAtLevel };
  } catch (error) {
    fail(error);
    throw signal.reason;
  } finally {
    clearInterval(steerTimer);
    // A read of a pipe may never come back, and nothing of ours is closed under it.
    await Promise.all([source.sizeBytes === undefined ? undefined : reading.idle(), writing.idle()]);
    pool.close();
    hasher?.close();
    end();
  }
}
