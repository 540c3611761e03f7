import { LifeboatError } from '../error.js';
import type { FrameProvider } from '../stream/frame-provider.js';
import { type FrameDamage, type FrameFacts, type LoadProgress, loadImage } from '../stream/load.js';
import type { PlainRange, PlainSink } from '../stream/plain-sink.js';
import { allocateSlotMemory, type SlotLayout, slotLayout, slotsFor } from '../stream/slots.js';
import type { StageTimes } from '../stream/stages.js';
import { createJobPool, type JobPool } from '../stream/worker-pool.js';
import type { OpenImage } from './open-image.js';

export interface DecodeOptions {
  image: OpenImage;
  threads: number;
  sink: PlainSink;
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
  /** Frames that are lost, in the order of the image. */
  frames: FrameDamage[];
  /** Whatever is wrong outside of the frames. */
  structure: LifeboatError[];
}

export const SALVAGE_HINT = '--salvage restores all that is good and lists what is not';

/** Slots for frames of any size stay within this, as long as there are two. */
const SLOT_BUDGET_BYTES = 256 * 1024 * 1024;

/** Runs an image through the workers into a sink, and looks at what stands around its frames. */
export async function decodeImage(options: DecodeOptions): Promise<Decoded> {
  const { image, threads, onDamage, signal } = options;
  const layout = layoutFor(image, threads, options.needsSpare === true);
  const memory = allocateSlotMemory(layout);
  const pool = createPoolFor(image, layout, memory, threads);
  const frames: FrameDamage[] = [];
  const structure: LifeboatError[] = [...image.damage];
  const frameCrcs: number[] = [];
  const provider = await image.provide(options.range);
  try {
    const times = await loadImage({
      provider: onDamage === 'collect' ? endAtDamage(provider, structure) : nameDamage(provider, image.path),
      sink: options.sink,
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
        options.onFrame?.(number, facts);
      },
      signal,
    });
    const brokeOff = structure.length > image.damage.length;
    if (!brokeOff && options.range === undefined) structure.push(...(await image.finish(frameCrcs)));
    return { times, frames: frames.sort((a, b) => a.offset - b.offset), structure };
  } finally {
    provider.close?.();
    pool.close();
  }
}

/** Where nothing behind can be found any more, what is before is still worth having. */
function endAtDamage(provider: FrameProvider, found: LifeboatError[]): FrameProvider {
  return {
    readsInFlight: provider.readsInFlight,
    ...(provider.close === undefined ? {} : { close: provider.close }),
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
    readsInFlight: provider.readsInFlight,
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

function layoutFor(image: OpenImage, threads: number, needsSpare: boolean): SlotLayout {
  const frameBytes = needsSpare ? Math.max(image.slotFrameBytes, image.slotPlainBytes) : image.slotFrameBytes;
  const fitting = Math.floor(SLOT_BUDGET_BYTES / (image.slotPlainBytes + frameBytes));
  return slotLayout(Math.min(slotsFor(threads, image.slotPlainBytes), fitting), image.slotPlainBytes, frameBytes);
}

function createPoolFor(image: OpenImage, layout: SlotLayout, memory: SharedArrayBuffer, threads: number): JobPool {
  const { codec, engine, xzCheck } = image;
  return createJobPool({ memory, layout, codec, engine, level: 0, chunkBytes: image.slotPlainBytes, xzCheck }, threads);
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
