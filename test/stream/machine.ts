import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CodecName } from '../../src/codec/codec.js';
import { codecByName } from '../../src/codec/index.js';
import { openDirect } from '../../src/device/direct.js';
import type { Extent } from '../../src/device/extents.js';
import { containerOf } from '../../src/format/containers.js';
import { type FrameTable, largestFrame, locateFrames } from '../../src/format/frame-table.js';
import type { ByteSink } from '../../src/stream/byte-sink.js';
import { type ChunkSource, extentSource } from '../../src/stream/chunk-source.js';
import type { StreamRead } from '../../src/stream/cursors.js';
import {
  FRAME_SLACK_BYTES,
  type FrameDamage,
  type FrameProvider,
  locatedFrames,
} from '../../src/stream/frame-provider.js';
import { type LoadProgress, loadImage } from '../../src/stream/load.js';
import type { PlainPiece, PlainSink } from '../../src/stream/plain-sink.js';
import type { ReadableAt } from '../../src/stream/read-at.js';
import { type Saved, type SaveProgress, saveImage } from '../../src/stream/save.js';
import { allocateSlotMemory, slotLayout, slotsFor } from '../../src/stream/slots.js';
import { createJobPool } from '../../src/stream/worker-pool.js';

/** Whole runs of the stream in memory, for tests. */

export const KIB = 1024;

export const BLOCK = 4096;

/** A directory that goes with the test. */
export function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-stream-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens a path for reading, and closes it with the test. */
export function openReadable(t: TestContext, path: string): ReadableAt {
  const fd = openSync(path, constants.O_RDONLY);
  const directFd = openDirect(path, constants.O_RDONLY);
  t.after(() => {
    closeSync(fd);
    if (directFd !== undefined) closeSync(directFd);
  });
  return { fd, directFd };
}

/** Memory as slots are made of: `O_DIRECT` takes it. */
export function directBuffer(bytes: number): Buffer {
  return Buffer.from(allocateSlotMemory({ count: 1, plainBytes: bytes, frameBytes: 0 }), 0, bytes);
}

/** Bytes that compress somewhat and repeat nowhere in chunks: each block of 64 bytes tells its number. */
export function patterned(bytes: number, seed = 1): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 64) buffer.write(`${seed}:${at}:${(at * 2654435761) % 1000003} `, at, 'latin1');
  for (let at = 0; at < bytes; at++) if (buffer[at] === 0) buffer[at] = 1 + ((at * seed) % 251);
  return buffer;
}

/** A source of the bytes of a file and of what extents say. */
export function fileSource(file: ReadableAt, extents: Extent[]): ChunkSource {
  const sizeBytes = extents.reduce((sum, { length }) => sum + length, 0);
  return extentSource({ file, path: 'source', sizeBytes, extents, rescuer: undefined });
}

/** Chunks that are made by a function; faults and delays are its own business. */
export function madeSource(
  lengths: readonly number[],
  fill: (number: number, into: Buffer) => Promise<void> | void,
  readsInFlight = 4,
): ChunkSource {
  return {
    readsInFlight,
    sizeBytes: lengths.reduce((sum, length) => sum + length, 0),
    *chunks() {
      let offset = 0;
      for (const [number, length] of lengths.entries()) {
        yield { number, offset, length, pieces: [{ kind: 'data', offset, length }] };
        offset += length;
      }
    },
    async fill(chunk, into) {
      await fill(chunk.number, into.subarray(0, chunk.length));
      return chunk.length;
    },
  };
}

export interface MemorySink extends ByteSink {
  bytes(): Buffer;
  readonly skippedBytes: number;
  readonly writes: number;
}

/** Keeps copies of what is written, for slots are used again. */
export function memorySink(before: () => Promise<void> | void = () => undefined, withHoles = true): MemorySink {
  const pieces: Buffer[] = [];
  let skippedBytes = 0;
  let writes = 0;
  return {
    async write(buffers) {
      await before();
      writes += 1;
      for (const buffer of buffers) pieces.push(Buffer.from(buffer));
    },
    skip: withHoles
      ? async (bytes) => {
          skippedBytes += bytes;
          pieces.push(Buffer.alloc(bytes));
        }
      : undefined,
    bytes: () => Buffer.concat(pieces),
    get skippedBytes() {
      return skippedBytes;
    },
    get writes() {
      return writes;
    },
  };
}

/** Reads of a stream, in pieces of so many bytes at most. */
export function reading(bytes: Buffer, pieceBytes: number): StreamRead {
  let at = 0;
  return async (into, length) => {
    const got = bytes.copy(into, 0, at, at + Math.min(length, pieceBytes));
    at += got;
    return got;
  };
}

export const noSaveProgress = (): SaveProgress => ({ plainBytes: 0, writtenBytes: 0, zeroBytes: 0, skippedBytes: 0 });
export const noLoadProgress = (): LoadProgress => ({ storedBytes: 0, plainBytes: 0, zeroBytes: 0 });

export interface SaveSetup {
  source: ChunkSource;
  sink: ByteSink;
  codec?: CodecName;
  chunkBytes?: number;
  threads?: number;
  sha256?: boolean;
  level?: number;
  progress?: SaveProgress;
  throttle?: (bytes: number) => Promise<void>;
  signal?: AbortSignal;
}

export function save(setup: SaveSetup): Promise<Saved> {
  const { source, sink, codec = 'gzip', chunkBytes = 16 * KIB, threads = 1, sha256 = false, level } = setup;
  return saveImage({
    source,
    sink,
    container: containerOf(codec),
    codec,
    engine: 'native',
    level: level ?? { gzip: 1, zstd: 1, lz4: 1, xz: 0, bzip2: 1, none: 0 }[codec],
    chunkBytes,
    threads,
    sha256,
    throttle: setup.throttle ?? (() => Promise.resolve()),
    progress: setup.progress ?? noSaveProgress(),
    signal: setup.signal ?? new AbortController().signal,
  });
}

/** An image that lies in a file, with a table of its frames. */
export interface ImageFile {
  path: string;
  image: Buffer;
  plain: Buffer;
  table: FrameTable;
  codec: CodecName;
}

export async function imageFile(
  t: TestContext,
  plain: Buffer,
  codec: CodecName = 'gzip',
  chunkBytes = 16 * KIB,
): Promise<ImageFile> {
  const path = join(scratch(t), 'image');
  const lengths: number[] = [];
  for (let left = plain.length; left > 0; left -= chunkBytes) lengths.push(Math.min(left, chunkBytes));
  const source = madeSource(lengths, (number, into) => void plain.copy(into, 0, number * chunkBytes));
  const sink = memorySink();
  const { table } = await save({ source, sink, codec, chunkBytes });
  writeFileSync(path, sink.bytes());
  return { path, image: readFileSync(path), plain, table, codec };
}

export interface LoadSetup {
  codec: CodecName;
  sink: PlainSink;
  provider: FrameProvider;
  plainBytes: number;
  frameBytes: number;
  threads?: number;
  slotCount?: number;
  progress?: LoadProgress;
  onDamage?: (damage: FrameDamage) => void;
  signal?: AbortSignal;
}

/** As decodeImage does it: the pool is closed as soon as the run is over. */
export async function load(setup: LoadSetup) {
  const { codec, sink, provider, threads = 1, signal = new AbortController().signal } = setup;
  const layout = slotLayout(setup.slotCount ?? slotsFor(threads, setup.plainBytes), setup.plainBytes, setup.frameBytes);
  const memory = allocateSlotMemory(layout);
  const chunkBytes = setup.plainBytes;
  const pool = createJobPool(
    { memory, layout, codec, engine: 'native', level: 0, chunkBytes, xzCheck: undefined },
    threads,
  );
  const stopped = new AbortController();
  const damage: FrameDamage[] = [];
  try {
    const times = await loadImage({
      provider,
      sink,
      pool,
      memory,
      layout,
      progress: setup.progress ?? noLoadProgress(),
      onDamage: setup.onDamage ?? ((found) => void damage.push(found)),
      signal,
    });
    return { times, damage };
  } finally {
    stopped.abort();
    pool.close();
  }
}

/** The frames of an image in a file, at the places that its table tells. */
export function loadFile(
  t: TestContext,
  image: ImageFile,
  setup: Omit<LoadSetup, 'codec' | 'provider' | 'plainBytes' | 'frameBytes'>,
) {
  const largest = largestFrame(image.table);
  return load({
    codec: image.codec,
    provider: locatedFrames(openReadable(t, image.path), image.path, locateFrames(image.table)),
    plainBytes: largest.plainBytes,
    frameBytes: Math.max(largest.storedBytes, largest.plainBytes) + FRAME_SLACK_BYTES,
    ...setup,
  });
}

export interface CollectingSink extends PlainSink {
  bytes: Buffer;
  offsets: number[];
}

/** Keeps copies of what is put, at its place. */
export function collectingSink(
  sizeBytes: number,
  options: { ordered?: boolean; zerosForLost?: boolean; before?: (piece: PlainPiece) => Promise<void> | void } = {},
): CollectingSink {
  const bytes = Buffer.alloc(sizeBytes, 0xee);
  const offsets: number[] = [];
  return {
    ordered: options.ordered ?? false,
    zerosForLost: options.zerosForLost ?? false,
    bytes,
    offsets,
    async put(piece) {
      offsets.push(piece.plainOffset);
      await options.before?.(piece);
      piece.plain.copy(bytes, piece.plainOffset);
    },
  };
}

/** What the stock tool of a codec is called with, to read stdin and write stdout. */
export const STOCK: Readonly<Record<Exclude<CodecName, 'none'>, string>> = {
  gzip: 'gzip',
  zstd: 'zstd',
  lz4: 'lz4',
  xz: 'xz',
  bzip2: 'bzip2',
};

export const frameBound = (codec: CodecName, bytes: number): number => codecByName(codec).frameBound(bytes);

/** What is open, but for modules: a thread that is ended while it loads them leaves some, see test/fault/threads.test.ts. */
export function openDescriptors(): number {
  return descriptors().filter((path) => !path.endsWith('.js')).length;
}

export function openModules(): number {
  return descriptors().filter((path) => path.endsWith('.js')).length;
}

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The one that reads the directory is gone by now.
      return '';
    }
  });
}

/** Waits until something holds; threads and descriptors go only a while after they were told to. */
export async function eventually(condition: () => boolean, withinMs = 5000): Promise<boolean> {
  for (const end = performance.now() + withinMs; performance.now() < end; await sleep(10)) if (condition()) return true;
  return condition();
}

/** What a promise came to within a time: a run that hangs must fail its test, not stop it. */
export async function settled<T>(
  promise: Promise<T>,
  withinMs: number,
): Promise<{ state: 'fulfilled'; value: T } | { state: 'rejected'; reason: unknown } | { state: 'pending' }> {
  const timer = new AbortController();
  const outcome = promise.then(
    (value) => ({ state: 'fulfilled' as const, value }),
    (reason: unknown) => ({ state: 'rejected' as const, reason }),
  );
  const late = sleep(withinMs, { state: 'pending' as const }, { signal: timer.signal });
  late.catch(() => undefined);
  const first = await Promise.race([outcome, late]);
  timer.abort();
  return first;
}

/** The same for a run that can be stopped: one that hangs is let go, so that its threads do not keep the tests from ending. */
export async function within<T>(withinMs: number, start: (signal: AbortSignal) => Promise<T>) {
  const stop = new AbortController();
  const running = start(stop.signal);
  const outcome = await settled(running, withinMs);
  stop.abort();
  await settled(running, 1000);
  return outcome;
}
