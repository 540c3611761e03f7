import type { Codec, CodecName, EngineName } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import { countGuests, readKernelLoad } from '../device/host-load.js';
import type { Source } from '../device/source.js';
import { isSoftwareName } from '../gpu/adapter.js';
import { hasWebgpu } from '../gpu/survey.js';
import { hasVulkanDriver } from '../gpu/vulkan-driver.js';
import { knownShare } from '../policy/busy-share.js';
import type { Calibration } from '../policy/calibration.js';
import { type CardSpeed, cardsFor, devicesFor } from '../policy/cards.js';
import { type Choice, choose } from '../policy/choose.js';
import type { ChoiceFacts, DataKind, Priority } from '../policy/facts.js';
import { type LoadCounts, loadBetween } from '../policy/load.js';
import type { PastRun } from '../policy/past-run.js';
import { chooseEncoder } from './choose-engine.js';
import { countLoad } from './host-counts.js';
import type { GpuWish, ImageOptions } from './image-options.js';
import { sampleIncompressible } from './sample-source.js';

/** What the user wants of a run whose codec is chosen for them. */
export interface Wishes {
  priority: Priority;
  kind: DataKind;
  /** On the monotonic clock, performance.now(); undefined: it may take as long as it takes. */
  endAtMs: number | undefined;
}

/** What is known from before. */
export interface Knowledge {
  calibration: Calibration | undefined;
  /** Most recent last. */
  pastRuns: readonly PastRun[];
}

/** How a run goes about it. */
export interface RunPlan {
  codec: Codec;
  engine: EngineName;
  level: number;
  chunkBytes: number;
  threads: number;
  /** Graphics cards beside the processors, or instead of them. */
  gpu: GpuWish | undefined;
  /** Undefined where the user has named the codec or its level. */
  choice: Choice | undefined;
  calibration: Calibration | undefined;
  /** Resolves when nothing of the source is read for it any more. */
  settled: Promise<unknown>;
}

export const NO_WISHES: Wishes = { priority: 'balanced', kind: 'general', endAtMs: undefined };

/** Below it a run is over before looking would have paid: what it starts with is all that matters, and that is known. */
const LEAST_BYTES = 64 * 1024 ** 2;
/** Stock tools go by a file's name. */
const SUFFIXES: Readonly<Record<string, CodecName>> = {
  zst: 'zstd',
  lz4: 'lz4',
  xz: 'xz',
  gz: 'gzip',
  bz2: 'bzip2',
};

/**
 * The codec that was named, or the choice by load, data and speeds. It takes less than 20 ms of the run's time.
 * @throws LifeboatError USAGE for a level that does not exist, FAILED where an engine is missing
 */
export async function planRun(options: ImageOptions, source: Source | undefined): Promise<RunPlan> {
  const { codec, level } = options;
  if (codec !== 'auto') return { ...named(codec, level, options), gpu: await fedWish(options) };
  const codecs = codecsFor(options.out);
  const only = codecs.length === 1 ? codecs[0] : undefined;
  // A level without a codec is one of zstd's, as it always was.
  if (level !== undefined) return named(only ?? 'zstd', level, options);
  if (only !== undefined && only !== 'zstd') return named(only, undefined, options);
  const knowledge = (await options.knowledge?.()) ?? { calibration: undefined, pastRuns: [] };
  const { facts, settled } = await factsOf(options, source, codecs, knowledge);
  let choice = choose(facts);
  if (!canEncode(choice.codec)) choice = choose({ ...facts, codecs: ['zstd'] });
  const chosen = codecByName(choice.codec);
  return {
    codec: chosen,
    engine: chooseEncoder(chosen, options.engine, choice.level),
    level: choice.level,
    chunkBytes: options.chunkBytes ?? choice.chunkBytes ?? chosen.defaultChunkBytes,
    threads: choice.threads,
    gpu: wishOf(choice),
    choice,
    calibration: knowledge.calibration,
    settled,
  };
}

function wishOf({ gpu }: Choice): GpuWish | undefined {
  return gpu === undefined ? undefined : { wanted: gpu.devices, isHybrid: gpu.isHybrid, isRequired: false };
}

/** With as many threads for each card as a bench found best, where there was one. */
async function fedWish({ gpu, knowledge }: ImageOptions): Promise<GpuWish | undefined> {
  if (gpu === undefined) return undefined;
  const measured = (await knowledge?.())?.calibration;
  return { ...gpu, wanted: devicesFor(gpu.wanted, measuredCards(measured)) };
}

function measuredCards(calibration: Calibration | undefined): CardSpeed[] {
  return (calibration?.gpus ?? []).map((card) => ({ ...card, isSoftware: isSoftwareName(card.name) }));
}

/** Starts no driver: whether the card is still there shows when the run begins. */
function gpuFor({ engine, autoGpus }: ImageOptions, calibration: Calibration | undefined): ChoiceFacts['gpu'] {
  const gpu = engine === 'auto' ? cardsFor(autoGpus ?? ['auto'], measuredCards(calibration)) : undefined;
  return gpu !== undefined && hasVulkanDriver() && hasWebgpu() ? gpu : undefined;
}

/** What a policy that is free chooses among; zstd is what it always may. */
const FREE: readonly CodecName[] = ['zstd', 'lz4', 'xz'];

/** A file's name says what is in it; whoever reads from a pipe was not asked. */
export function codecsFor(out: ImageOptions['out']): readonly CodecName[] {
  if (typeof out !== 'string') return FREE;
  if (out === '-') return ['zstd'];
  const suffix = /\.([a-z0-9]+)$/.exec(out)?.[1] ?? '';
  const named = Object.hasOwn(SUFFIXES, suffix) ? SUFFIXES[suffix] : undefined;
  return named === undefined ? FREE : [named];
}

function named(name: CodecName, level: number | undefined, options: ImageOptions): RunPlan {
  const codec = codecByName(name);
  const levelNow = level ?? codec.defaultLevel;
  return {
    codec,
    engine: chooseEncoder(codec, options.engine, levelNow),
    level: levelNow,
    chunkBytes: options.chunkBytes ?? codec.defaultChunkBytes,
    threads: options.threads,
    gpu: undefined,
    choice: undefined,
    calibration: undefined,
    settled: Promise.resolve(),
  };
}

function canEncode(name: CodecName): boolean {
  const codec = codecByName(name);
  return codec.missing('native') === undefined || codec.missing('portable') === undefined;
}

async function factsOf(
  options: ImageOptions,
  source: Source | undefined,
  codecs: readonly CodecName[],
  { calibration, pastRuns }: Knowledge,
): Promise<{ facts: ChoiceFacts; settled: Promise<unknown> }> {
  const { wishes = NO_WISHES, threads, bwlimitKiBps, known, loadSince } = options;
  const sourceBytes = dataBytesOf(source, known);
  const looks = sourceBytes === undefined || sourceBytes >= LEAST_BYTES;
  const kernel = looks ? readKernelLoad() : undefined;
  const samples =
    looks && source !== undefined
      ? await sampleIncompressible(source, known?.extents)
      : { isIncompressible: undefined, settled: Promise.resolve() };
  const facts: ChoiceFacts = {
    priority: wishes.priority,
    kind: wishes.kind,
    codecs,
    cores: kernel?.cores ?? threads,
    threads,
    load: kernel === undefined ? undefined : knownShare(kernel, windowOf(loadSince, countLoad(kernel))),
    cpuPressure: kernel?.cpu?.recentShare,
    ioPressure: kernel?.io?.recentShare,
    memoryPressure: kernel?.memory?.recentShare,
    availableBytes: kernel?.availableBytes,
    guests: looks ? countGuests() : undefined,
    isIncompressible: samples.isIncompressible,
    sourceBytes,
    source: source?.realPath ?? '-',
    bwlimitBytesPerSecond: bwlimitKiBps === 0 ? undefined : bwlimitKiBps * 1024,
    finishInMs: wishes.endAtMs === undefined ? undefined : Math.max(0, wishes.endAtMs - performance.now()),
    gpu: gpuFor(options, calibration),
    calibration,
    pastRuns,
  };
  return { facts, settled: samples.settled };
}

/** What is to be read, as far as that is known before; undefined of a pipe. */
export function dataBytesOf(source: Source | undefined, known: ImageOptions['known']): number | undefined {
  return (
    known?.extents.reduce((sum, { kind, length }) => (kind === 'zero' ? sum : sum + length), 0) ?? source?.sizeBytes
  );
}

function windowOf(before: LoadCounts | undefined, after: LoadCounts | undefined) {
  return before === undefined || after === undefined ? undefined : loadBetween(before, after);
}
