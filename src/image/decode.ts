import type { EngineName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';
import type { FrameDamage, FrameProvider } from '../stream/frame-provider.js';
import { createGpuJobPool, type GpuPoolOptions } from '../stream/gpu-pool.js';
import { type FrameFacts, type LoadProgress, loadImage } from '../stream/load.js';
import type { PlainRange, PlainSink } from '../stream/plain-sink.js';
import { allocateSlotMemory, type SlotLayout, slotLayout, slotsFor, slotsForGpus } from '../stream/slots.js';
import type { StageTimes } from '../stream/stages.js';
import { createJobPool, type JobPool } from '../stream/worker-pool.js';
import type { GpuChoice, UsedGpu } from './gpu-choice.js';
import type { OpenImage } from './open-image.js';

export interface DecodeOptions {
  image: OpenImage;
  threads: number;
  /** Graphics cards that decode lz4; undefined: none is to be used. */
  gpu?: GpuPoolOptions | undefined;
  /** @param isAgain what was put into the one before may be wrong */
  openSink: (isAgain: boolean) => PlainSink;
  range?: PlainRange | undefined;
  /** Each slot must have as much room beside its plaintext: for a sink that compares. */
  needsSpare?: boolean;
  /** `stop`: the first damage is thrown. `collect`: it goes on with what is good. */
  onDamage: 'stop' | 'collect';
  onFrame?: (number: number, facts: FrameFacts) => void;
  progress: LoadProgress;
  signal: AbortSignal;
}

export interface Decoded {
  times: StageTimes;
  /** So many frames were decoded by a graphics card, and so many by the processors. */
  gpuFrames: number;
  processorFrames: number;
  /** Frames that are lost, in the order of the image. */
  frames: FrameDamage[];
  /** Whatever is wrong outside of the frames. */
  structure: LifeboatError[];
}

/** Said where what a graphics card decoded was not proven. */
export function decodingAgain(path: string): string {
  return `"${path}": the graphics card's work is not proven by the file's checksum: the processors decode it once more`;
}

export const SALVAGE_HINT = '--salvage restores all that is good and lists what is not';

/** Slots for frames of any size stay within this, as long as there are two. */
const SLOT_BUDGET_BYTES = 256 * 1024 * 1024;
/** More for each graphics card: what it has in flight, as frames and as plaintext. */
const GPU_SLOT_BUDGET_BYTES = 384 * 1024 * 1024;

/**
 * Runs an image through the workers into a sink, and looks at what stands around its frames. Where only the end of a file proves
 * what a graphics card decoded of it, and does not, it is decoded once more without: what the processors cannot decode either is
 * damage.
 */
export async function decodeImage(options: DecodeOptions): Promise<Decoded> {
  const { image, gpu, openSink, progress } = options;
  if (gpu === undefined || image.provenBy === 'frame') return decodeOnce(options, openSink(false));
  try {
    const decoded = await decodeOnce(options, openSink(false));
    if (decoded.frames.length === 0 && decoded.structure.length === image.damage.length) return decoded;
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code !== 'DAMAGE') throw error;
  }
  Object.assign(progress, { storedBytes: 0, plainBytes: 0, zeroBytes: 0 } satisfies LoadProgress);
  return decodeOnce({ ...options, gpu: undefined }, openSink(true));
}

async function decodeOnce(options: DecodeOptions, sink: PlainSink): Promise<Decoded> {
  const { image, onDamage, signal } = options;
  const layout = layoutFor(options);
  const memory = allocateSlotMemory(layout);
  const pool = createPoolFor(options, layout, memory);
  const frames: FrameDamage[] = [];
  const structure: LifeboatError[] = [...image.damage];
  const frameCrcs: number[] = [];
  let gpuFrames = 0;
  let processorFrames = 0;
  const provider = await image.provide(options.range);
  try {
    const times = await loadImage({
      provider: onDamage === 'collect' ? endAtDamage(provider, structure) : nameDamage(provider, image.path),
      sink,
      pool,
      memory,
      layout,
      progress: options.progress,
      onDamage(damage) {
        if (onDamage === 'stop') throw damageError(image.path, damage);
        frames.push(damage);
      },
      onFrame(number, facts) {
        frameCrcs[number] = facts.frameCrc;
        if (facts.isByGpu) gpuFrames += 1;
        else processorFrames += 1;
        options.onFrame?.(number, facts);
      },
      signal,
    });
    const brokeOff = structure.length > image.damage.length;
    if (!brokeOff && options.range === undefined) structure.push(...(await image.finish(frameCrcs)));
    return { times, gpuFrames, processorFrames, frames: frames.sort((a, b) => a.offset - b.offset), structure };
  } finally {
    provider.close?.();
    pool.close();
  }
}

/** Where nothing behind can be found any more, what is before is still worth having. */
function endAtDamage(provider: FrameProvider, found: LifeboatError[]): FrameProvider {
  return {
    ...provider,
    async fetch(slot) {
      try {
        return await provider.fetch(slot);
      } catch (error) {
        if (!(error instanceof LifeboatError) || error.code !== 'DAMAGE') throw error;
        found.push(error);
        return undefined;
      }
    },
  };
}

/** What a provider says is of bytes; a user wants to know of which file, and what to type. */
function nameDamage(provider: FrameProvider, path: string): FrameProvider {
  return {
    ...provider,
    async fetch(slot) {
      try {
        return await provider.fetch(slot);
      } catch (error) {
        if (!(error instanceof LifeboatError) || error.code !== 'DAMAGE') throw error;
        const { message, offset } = error;
        throw new LifeboatError('DAMAGE', `"${path}" is damaged: ${message}`, {
          offset,
          hint: SALVAGE_HINT,
          cause: error,
        });
      }
    },
  };
}

function layoutFor({ image, threads, gpu, needsSpare }: DecodeOptions): SlotLayout {
  const { slotPlainBytes, slotFrameBytes } = image;
  const frameBytes = needsSpare ? Math.max(slotFrameBytes, slotPlainBytes) : slotFrameBytes;
  const gpus = gpu?.wanted.length ?? 0;
  const wanted = gpus === 0 ? slotsFor(threads, slotPlainBytes) : slotsForGpus(gpus, threads, slotPlainBytes);
  const budgetBytes = SLOT_BUDGET_BYTES + gpus * GPU_SLOT_BUDGET_BYTES;
  const fitting = Math.floor(budgetBytes / (slotPlainBytes + frameBytes));
  return slotLayout(Math.min(wanted, fitting), slotPlainBytes, frameBytes);
}

function createPoolFor({ image, threads, gpu }: DecodeOptions, layout: SlotLayout, memory: SharedArrayBuffer): JobPool {
  const { codec, engine, xzCheck, slotPlainBytes } = image;
  const setup = { memory, layout, codec, engine, level: 0, chunkBytes: slotPlainBytes, xzCheck };
  return gpu === undefined ? createJobPool(setup, threads) : createGpuJobPool(setup, threads, gpu);
}

/** A graphics card that was at work on an image. */
export interface DecodingGpu extends UsedGpu {
  /** So many frames it decoded, and so many the processors. */
  frames: number;
  processorFrames: number;
}

/** Who decoded it, for what a run answers. */
export function decodedBy(
  image: OpenImage,
  choice: GpuChoice,
  { gpuFrames, processorFrames }: Decoded,
): { engine: EngineName | 'gpu'; gpu: DecodingGpu | null } {
  const used = choice.used();
  if (used === undefined) return { engine: image.engine, gpu: null };
  return { engine: gpuFrames > 0 ? 'gpu' : image.engine, gpu: { ...used, frames: gpuFrames, processorFrames } };
}

export function damageInWords({ offset, plainOffset, plainLength, reason }: FrameDamage): string {
  const of =
    plainOffset === undefined ? '' : ` (of the disk: offset ${plainOffset}, ${plainLength ?? 'unknown'} bytes)`;
  return `the frame at offset ${offset}${of} is damaged: ${reason}`;
}

export function damageError(path: string, damage: FrameDamage): LifeboatError {
  return new LifeboatError('DAMAGE', `"${path}": ${damageInWords(damage)}`, {
    offset: damage.offset,
    hint: SALVAGE_HINT,
  });
}
