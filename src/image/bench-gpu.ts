import { availableParallelism } from 'node:os';
import { codecByName } from '../codec/index.js';
import { LifeboatError } from '../error.js';
import { chooseAdapter } from '../gpu/adapter.js';
import { gpuFrameBound } from '../gpu/frame.js';
import { hasWebgpu, type SurveyedGpu, surveyGpus } from '../gpu/survey.js';
import { hasVulkanDriver } from '../gpu/vulkan-driver.js';
import { createGpuJobPool } from '../stream/gpu-pool.js';
import type { JobResult, WorkerSetup } from '../stream/job.js';
import { allocateSlotMemory, type Slot, slotLayout, slotsForGpus, viewSlot } from '../stream/slots.js';
import type { JobPool } from '../stream/worker-pool.js';

/** What a graphics card does with a sample, as a run would have it: from slot to slot, with all checksums. */
export interface CardTrial {
  card: Pick<SurveyedGpu, 'index' | 'name' | 'isSoftware'>;
  /** How many threads handed it chunks. */
  feeders: number;
  /** Of plaintext a second. */
  compressBytesPerSecond: number;
  decompressBytesPerSecond: number;
  ratio: number;
}

/** Each way, as long as a codec of the processors is tried. */
const TRIAL_MS = 1500;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Software does a megabyte a second or less. */
const SOFTWARE_CHUNK_BYTES = 64 * 1024;
const SOFTWARE_CHUNKS = 6;
/** Another thread takes a processor from guests: it has to bring so much. */
const WORTH_A_FEEDER = 1.2;
const MOST_FEEDERS = 4;

/**
 * The cards that are to be tried.
 * @param wanted as `--gpu` says: `all` or `auto` is every one that is hardware; software is tried where it is named
 * @returns nothing where nothing was named and nothing is there; what was named and cannot be tried is told in `skipped`
 */
export async function cardsToTry(
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<{ cards: SurveyedGpu[]; skipped: string[] }> {
  const isNamed = wanted.some((each) => !isEvery(each));
  if (!isNamed && !(hasVulkanDriver() && hasWebgpu())) return { cards: [], skipped: [] };
  const { gpus, reason } = await surveyGpus({ measure: false, signal });
  const hardware = gpus.filter(({ isSoftware, isReachable }) => !isSoftware && isReachable);
  const cards = new Set<SurveyedGpu>();
  const skipped: string[] = [];
  for (const each of wanted) {
    if (isEvery(each)) for (const card of hardware) cards.add(card);
    else {
      const choice = chooseAdapter(gpus, each);
      const card = gpus.find(({ index }) => index === choice.adapter?.index);
      if (card !== undefined) cards.add(card);
      else skipped.push(`gpu-lz4: ${reason ?? ('reason' in choice ? choice.reason : each)}`);
    }
  }
  return { cards: [...cards], skipped };
}

function isEvery(wanted: string): boolean {
  return wanted === 'all' || wanted === 'auto';
}

/**
 * Tries a card with one thread that feeds it, and with more as long as each is worth its processor.
 * @param pieces of at most 4 MiB
 * @returns all trials, and the one that was best
 * @throws LifeboatError FAILED if the card cannot be used
 */
export async function tryCard(
  card: SurveyedGpu,
  pieces: readonly Buffer[],
  signal: AbortSignal,
): Promise<{ best: CardTrial; trials: CardTrial[] }> {
  const most = card.isSoftware ? 1 : Math.max(1, Math.min(MOST_FEEDERS, Math.floor(availableParallelism() / 2)));
  let best = await tryFeeders(card, 1, pieces, signal);
  const trials = [best];
  while (trials.length < most) {
    const next = await tryFeeders(card, best.feeders + 1, pieces, signal);
    trials.push(next);
    if (next.compressBytesPerSecond < WORTH_A_FEEDER * best.compressBytesPerSecond) break;
    best = next;
  }
  return { best, trials };
}

async function tryFeeders(
  card: CardTrial['card'],
  feeders: number,
  pieces: readonly Buffer[],
  signal: AbortSignal,
): Promise<CardTrial> {
  signal.throwIfAborted();
  const { isSoftware, name, index } = card;
  const chunkBytes = isSoftware ? SOFTWARE_CHUNK_BYTES : CHUNK_BYTES;
  const count = isSoftware ? SOFTWARE_CHUNKS : slotsForGpus(feeders, 1, chunkBytes);
  const frameBytes = Math.max(gpuFrameBound(chunkBytes), codecByName('lz4').frameBound(chunkBytes));
  const layout = slotLayout(count, chunkBytes, frameBytes);
  const memory = allocateSlotMemory(layout);
  const slots = Array.from({ length: layout.count }, (_, number) => viewSlot(memory, layout, number));
  const plains = slots.map(({ plain, number }) => {
    const piece = pieces[number % pieces.length] as Buffer;
    return plain.subarray(0, piece.copy(plain, 0, 0, Math.min(piece.length, chunkBytes)));
  });
  const setup = { memory, layout, codec: 'lz4', engine: 'native', level: 1, chunkBytes, xzCheck: undefined } as const;
  const fed = openFedPool(setup, String(index), feeders);
  const stop = () => fed.close();
  signal.addEventListener('abort', stop);
  try {
    const refuse = (problem: string | undefined) => {
      if (problem !== undefined) throw new LifeboatError('FAILED', `Cannot compress on "${name}": ${problem}`);
    };
    await fed.opened;
    signal.throwIfAborted();
    refuse(fed.problem());
    const trial = await trialOf(fed.pool, { slots, plains, forMs: isSoftware ? 0 : TRIAL_MS });
    refuse(fed.problem() ?? (trial.isByGpu ? undefined : 'it left chunks to the processors'));
    return { card: { index, name, isSoftware }, feeders, ...trial.speed };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    fed.close();
  }
}

interface FedPool {
  pool: JobPool;
  /** Every thread has its device, or one cannot have it. */
  opened: Promise<void>;
  problem(): string | undefined;
  close(): void;
}

function openFedPool(setup: WorkerSetup, device: string, feeders: number): FedPool {
  let problem: string | undefined;
  let settle: () => void = () => undefined;
  let missing = feeders;
  const opened = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const pool = createGpuJobPool(setup, 1, {
    wanted: Array.from({ length: feeders }, () => device),
    isHybrid: false,
    onReady() {
      missing -= 1;
      if (missing === 0) settle();
    },
    onUnusable(reason) {
      problem ??= reason;
      settle();
    },
  });
  const close = () => {
    pool.close();
    settle();
  };
  return { pool, opened, problem: () => problem, close };
}

interface Trial {
  slots: readonly Slot[];
  plains: readonly Buffer[];
  /** Each way; every slot is done once in any case. */
  forMs: number;
}

/** All slots are in flight all the time, as they are in a run whose disks are quick enough. */
async function trialOf(
  pool: JobPool,
  { slots, plains, forMs }: Trial,
): Promise<{ speed: Omit<CardTrial, 'card' | 'feeders'>; isByGpu: boolean }> {
  // What a card does not do the processors do, and would be measured in its place.
  let isByGpu = true;
  const frames: Extract<JobResult, { kind: 'encoded' }>[] = [];
  const lengthOf = (slot: number) => plains[slot]?.length ?? 0;
  const encode = async (slot: number) => {
    const result = await pool.run({ kind: 'encode', slot, plainLength: lengthOf(slot), zerosToo: true });
    if (result.kind !== 'encoded') throw new Error(`a device answered "${result.kind}" when it was told to encode`);
    frames[slot] = result;
    isByGpu &&= result.byGpu === true;
  };
  const decode = async (slot: number) => {
    const { frameLength, crc } = frames[slot] as (typeof frames)[number];
    const result = await pool.run({ kind: 'decode', slot, shift: 0, frameLength, plainLength: lengthOf(slot), crc });
    if (result.kind !== 'plain') throw new Error(`what was compressed does not decode: ${JSON.stringify(result)}`);
    isByGpu &&= result.byGpu === true;
  };
  async function perSecond(work: (slot: number) => Promise<void>): Promise<number> {
    // The first of each device compiles its kernels.
    await Promise.all(slots.map(({ number }) => work(number)));
    const start = performance.now();
    let bytes = 0;
    await Promise.all(
      slots.map(async ({ number }) => {
        do {
          await work(number);
          bytes += lengthOf(number);
        } while (performance.now() - start < forMs);
      }),
    );
    return (1000 * bytes) / (performance.now() - start);
  }

  const compressBytesPerSecond = await perSecond(encode);
  const before = plains.map((plain) => Buffer.from(plain));
  for (const plain of plains) plain.fill(0);
  const decompressBytesPerSecond = await perSecond(decode);
  if (!plains.every((plain, slot) => plain.equals(before[slot] as Buffer)))
    throw new Error('what was compressed decodes to other bytes');
  const sum = (lengths: number[]) => lengths.reduce((total, length) => total + length, 0);
  const ratio = sum(plains.map(({ length }) => length)) / sum(frames.map(({ frameLength }) => frameLength));
  return { speed: { compressBytesPerSecond, decompressBytesPerSecond, ratio }, isByGpu };
}
