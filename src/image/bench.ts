import type { CodecName, EngineName } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import { openSource, type Source } from '../device/source.js';
import { fromSystem, LifeboatError } from '../error.js';
import type { SurveyedGpu } from '../gpu/survey.js';
import type { Job, JobResult } from '../stream/job.js';
import { ReadError, readAt } from '../stream/read-at.js';
import { allocateSlotMemory, directMemory, type SlotLayout, slotLayout, viewSlot } from '../stream/slots.js';
import { createJobPool, type JobPool } from '../stream/worker-pool.js';
import { isAllZeros } from '../stream/zeros.js';
import { type CardTrial, cardsToTry, tryCard } from './bench-gpu.js';
import { chooseEncoder, type EngineChoice } from './choose-engine.js';

export interface BenchOptions {
  source: string;
  threads: number;
  engine: EngineChoice;
  /** Graphics cards to try too, as `--gpu` says; undefined: none. */
  gpus?: readonly string[] | undefined;
  /** Undefined: every codec. */
  codecs?: readonly BenchCodec[] | undefined;
  signal: AbortSignal;
}

export type BenchCodec = CodecName | 'gpu-lz4';

/** What a codec and level do with the data in a sample of the source. Speeds in bytes of plaintext a second. */
export interface BenchRow {
  codec: BenchCodec;
  level: number;
  engine: EngineName | 'gpu';
  /** With `gpu-lz4`. */
  card?: CardTrial['card'] & Pick<CardTrial, 'feeders'> & { trials: Omit<CardTrial, 'card'>[] };
  compressBytesPerSecond: number;
  decompressBytesPerSecond: number;
  ratio: number;
  /** How long the whole source would take, in seconds: reading it, and compressing what is not zeros, side by side. */
  saveSeconds: number;
  /** Decoding all that is not zeros; the target's own speed is not known. */
  restoreSeconds: number;
}

export interface BenchResult {
  source: string;
  sourceBytes: number;
  sampleBytes: number;
  /** Of the sample, pieces that are nothing but zeros: they cost next to nothing, and no row tells of them. */
  zeroBytes: number;
  readBytesPerSecond: number;
  threads: number;
  rows: BenchRow[];
  /** What could not be tried, and why. */
  skipped: string[];
}

const CANDIDATES: readonly [CodecName, number][] = [
  ['lz4', 1],
  ['lz4', 9],
  ['zstd', 1],
  ['zstd', 3],
  ['zstd', 9],
  ['zstd', 19],
  ['gzip', 1],
  ['gzip', 6],
  ['gzip', 9],
  ['xz', 6],
  ['bzip2', 9],
];

const SAMPLE_PIECE_BYTES = 4 * 1024 * 1024;
const MAX_PIECES = 32;
/** A candidate stops taking more of the sample after so long. */
const CANDIDATE_MS = 1500;

export interface BenchWatcher {
  /** Called once, before the first row. */
  onSample(facts: BenchResult): void;
  onRow(row: BenchRow): void;
}

/** Tries every codec on pieces of the source from its start to its end, in memory. */
export async function runBench(options: BenchOptions, { onSample, onRow }: BenchWatcher): Promise<BenchResult> {
  const source = await openSource(options.source, options.signal);
  try {
    if (source.sizeBytes === 0) throw new LifeboatError('FAILED', `"${source.path}" is empty: there is nothing to try`);
    const sample = await readSample(source, options.signal);
    const result: BenchResult = {
      source: source.path,
      sourceBytes: source.sizeBytes,
      sampleBytes: sample.bytes,
      zeroBytes: sample.zeroBytes,
      readBytesPerSecond: sample.bytesPerSecond,
      threads: options.threads,
      rows: [],
      skipped: [],
    };
    onSample(result);
    const isWanted = (codec: BenchCodec) => options.codecs?.includes(codec) ?? true;
    async function add(name: string, attempt: () => Promise<BenchRow>): Promise<void> {
      options.signal.throwIfAborted();
      try {
        const row = await attempt();
        result.rows.push(row);
        onRow(row);
      } catch (error) {
        if (!(error instanceof LifeboatError)) throw error;
        result.skipped.push(`${name}: ${error.message}`);
      }
    }
    for (const [codec, level] of CANDIDATES) {
      if (isWanted(codec))
        await add(`${codec} ${level}`, () => tryCodec(codec, level, sample, source.sizeBytes, options));
    }
    if (options.gpus !== undefined && isWanted('gpu-lz4')) {
      const { cards, skipped } = await cardsToTry(options.gpus, options.signal);
      result.skipped.push(...skipped);
      for (const card of cards) await add('gpu-lz4', () => tryOn(card, sample, source.sizeBytes, options.signal));
    }
    return result;
  } finally {
    source.close();
  }
}

interface Sample {
  /** In an order that jumps over the source, so that any first part of it stands for the whole. */
  pieces: Buffer[];
  bytes: number;
  /** Of pieces that were left out. */
  zeroBytes: number;
  bytesPerSecond: number;
}

async function readSample(source: Source, signal: AbortSignal): Promise<Sample> {
  const count = Math.min(MAX_PIECES, Math.ceil(source.sizeBytes / SAMPLE_PIECE_BYTES));
  const step = Math.floor(source.sizeBytes / count / SAMPLE_PIECE_BYTES) * SAMPLE_PIECE_BYTES;
  const pieces: Buffer[] = [];
  const start = performance.now();
  for (let piece = 0; piece < count; piece++) {
    signal.throwIfAborted();
    const offset = piece * Math.max(step, SAMPLE_PIECE_BYTES);
    const buffer = directMemory(SAMPLE_PIECE_BYTES);
    try {
      const bytes = await readAt(source, buffer, offset, Math.min(SAMPLE_PIECE_BYTES, source.sizeBytes - offset));
      pieces.push(buffer.subarray(0, bytes));
    } catch (error) {
      throw error instanceof ReadError ? fromSystem(error.cause, 'read', source.path, error.offset) : error;
    }
  }
  const bytesPerSecond = (1000 * bytesOf(pieces)) / (performance.now() - start);
  const data = pieces.filter((piece) => !isAllZeros(piece));
  const kept = data.length === 0 ? pieces : data;
  const zeroBytes = bytesOf(pieces) - bytesOf(kept);
  return { pieces: spread(kept), bytes: bytesOf(pieces), zeroBytes, bytesPerSecond };
}

function bytesOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** Every fifth, then those between: any prefix reaches over the whole list. */
function spread<T>(items: T[]): T[] {
  const stride = 5;
  return Array.from({ length: stride }, (_, first) => items.filter((_item, at) => at % stride === first)).flat();
}

async function tryCodec(
  name: CodecName,
  level: number,
  sample: Sample,
  sourceBytes: number,
  { threads, engine: choice }: BenchOptions,
): Promise<BenchRow> {
  const codec = codecByName(name);
  const engine = chooseEncoder(codec, choice, level);
  const chunkBytes = codec.defaultChunkBytes;
  const layout = slotLayout(Math.max(8, 2 * threads), chunkBytes, codec.frameBound(chunkBytes));
  const memory = allocateSlotMemory(layout);
  const pool = createJobPool({ memory, layout, codec: name, engine, level, chunkBytes, xzCheck: undefined }, threads);
  try {
    const totals = await tryPieces(cutPieces(sample.pieces, chunkBytes), pool, memory, layout);
    const compressBytesPerSecond = (1000 * totals.plainBytes) / totals.encodeMs;
    const decompressBytesPerSecond = (1000 * totals.plainBytes) / totals.decodeMs;
    return {
      codec: name,
      level,
      engine,
      compressBytesPerSecond,
      decompressBytesPerSecond,
      ratio: totals.plainBytes / totals.frameBytes,
      ...secondsOf({ compressBytesPerSecond, decompressBytesPerSecond }, sample, sourceBytes),
    };
  } finally {
    pool.close();
  }
}

function secondsOf(
  speed: Pick<BenchRow, 'compressBytesPerSecond' | 'decompressBytesPerSecond'>,
  sample: Sample,
  sourceBytes: number,
): Pick<BenchRow, 'saveSeconds' | 'restoreSeconds'> {
  const dataBytes = sourceBytes * (1 - sample.zeroBytes / sample.bytes);
  return {
    saveSeconds: Math.max(sourceBytes / sample.bytesPerSecond, dataBytes / speed.compressBytesPerSecond),
    restoreSeconds: dataBytes / speed.decompressBytesPerSecond,
  };
}

async function tryOn(gpu: SurveyedGpu, sample: Sample, sourceBytes: number, signal: AbortSignal): Promise<BenchRow> {
  const { best, trials } = await tryCard(gpu, sample.pieces, signal);
  const { card, feeders, ...speed } = best;
  const shown = { ...card, feeders, trials: trials.map(({ card: _, ...trial }) => trial) };
  const row = { codec: 'gpu-lz4', level: 1, engine: 'gpu', card: shown, ...speed } as const;
  return { ...row, ...secondsOf(speed, sample, sourceBytes) };
}

function cutPieces(pieces: Buffer[], chunkBytes: number): Buffer[] {
  return pieces.flatMap((piece) =>
    Array.from({ length: Math.ceil(piece.length / chunkBytes) }, (_, chunk) =>
      piece.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes),
    ),
  );
}

interface Totals {
  plainBytes: number;
  frameBytes: number;
  encodeMs: number;
  decodeMs: number;
}

/** In rounds of one chunk a slot: all are compressed, then all are decoded. */
async function tryPieces(
  pieces: Buffer[],
  pool: JobPool,
  memory: SharedArrayBuffer,
  layout: SlotLayout,
): Promise<Totals> {
  const slots = Array.from({ length: layout.count }, (_, number) => viewSlot(memory, layout, number));
  const totals: Totals = { plainBytes: 0, frameBytes: 0, encodeMs: 0, decodeMs: 0 };
  // The workers start and load their libraries before anything is measured.
  await Promise.all(
    slots.map(({ number }) => pool.run({ kind: 'encode', slot: number, plainLength: 1, zerosToo: true })),
  );
  const start = performance.now();
  for (let done = 0; done < pieces.length && performance.now() - start < CANDIDATE_MS; done += slots.length) {
    const round = pieces.slice(done, done + slots.length);
    round.forEach((piece, at) => {
      piece.copy(slots[at]?.plain as Buffer);
      totals.plainBytes += piece.length;
    });
    const encoded = await timed(
      pool,
      round.map((piece, slot) => ({ kind: 'encode', slot, plainLength: piece.length, zerosToo: true })),
    );
    const frames = encoded.results.map((result) => (result.kind === 'encoded' ? result.frameLength : 0));
    const decoded = await timed(
      pool,
      round.map((piece, slot) => ({
        kind: 'decode',
        slot,
        shift: 0,
        frameLength: frames[slot] as number,
        plainLength: piece.length,
        crc: undefined,
      })),
    );
    const damaged = decoded.results.find((result) => result.kind === 'damaged');
    if (damaged !== undefined) throw new Error(`what was compressed does not decode: ${JSON.stringify(damaged)}`);
    totals.frameBytes += frames.reduce((sum, bytes) => sum + bytes, 0);
    totals.encodeMs += encoded.ms;
    totals.decodeMs += decoded.ms;
  }
  return totals;
}

async function timed(pool: JobPool, jobs: Job[]): Promise<{ results: JobResult[]; ms: number }> {
  const start = performance.now();
  const results = await Promise.all(jobs.map((job) => pool.run(job)));
  return { results, ms: performance.now() - start };
}
