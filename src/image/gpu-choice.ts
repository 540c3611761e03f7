import { LifeboatError } from '../error.js';
import { hasWebgpu, whyNoGpu } from '../gpu/survey.js';
import { WEBGPU_MISSING } from '../gpu/webgpu.js';
import type { GoesOn, GpuPoolOptions } from '../stream/gpu-pool.js';
import { withAllGpus } from './all-gpus.js';
import type { GpuWish } from './image-options.js';
import type { OpenImage } from './open-image.js';
import type { RunReport } from './report.js';

/** What the stream needs of graphics cards, and which ones did the work. */
export interface GpuChoice {
  /** Undefined where there can be none: the processors do it all. */
  gpu: GpuPoolOptions | undefined;
  /** Undefined until one is at work. */
  used(): UsedGpu | undefined;
  /** The processors have nothing to do, as long as a card is there that does it alone. */
  isAlone(): boolean;
}

export interface UsedGpu {
  /** Of several cards, all their names. */
  name: string;
  isSoftware: boolean;
}

type Verb = 'compress' | 'decode';

const NO_GPU: GpuChoice = { gpu: undefined, used: () => undefined, isAlone: () => false };

/**
 * The cards that an image is compressed on. Without one that can be used a run goes on with the processors, and says so, unless a
 * card was demanded.
 * @throws LifeboatError FAILED where one was, and there can be none
 */
export function chooseGpu(wish: GpuWish | undefined, report: RunReport): GpuChoice {
  return wish === undefined ? NO_GPU : choiceOf(wish, 'compress', report);
}

/**
 * The same for decoding an image. The cards are looked for at once: a restore is not to fail for want of one when the target is
 * overwritten already.
 * @throws LifeboatError USAGE where a card was demanded and the image is not lz4, FAILED where there is none
 */
export async function chooseGpuFor(
  image: OpenImage,
  { gpu: wish, canDecodeAgain, signal }: { gpu?: GpuWish | undefined; canDecodeAgain: boolean; signal: AbortSignal },
  report: RunReport,
): Promise<GpuChoice> {
  if (wish === undefined) return NO_GPU;
  const { path, codec, provenBy } = image;
  if (codec !== 'lz4') {
    const what = codec === 'none' ? 'not compressed' : codec;
    if (wish.isRequired) {
      throw new LifeboatError('USAGE', `--engine gpu decodes lz4, and "${path}" is ${what}`, {
        hint: 'without --engine the processors decode it',
      });
    }
    report.warn(`"${path}" is ${what}, and a graphics card decodes lz4 only; the processors do it`);
    return NO_GPU;
  }
  if (provenBy === undefined || (provenBy === 'file' && !canDecodeAgain)) {
    const why =
      provenBy === 'file'
        ? `what a card decodes of "${path}" is proven at its end only, and what went to stdout cannot be decoded again`
        : `nothing would prove what a card decodes of "${path}" (one frame from a pipe, without a checksum, or with blocks that need each other)`;
    report.warn(`${why}: the processors decode it`);
    return NO_GPU;
  }
  const wanted = hasWebgpu() ? await withAllGpus(wish.wanted, report.warn, signal) : wish.wanted;
  const reason = hasWebgpu() ? await whyNoGpu(wanted, signal) : WEBGPU_MISSING;
  if (reason === undefined) return choiceOf({ ...wish, wanted }, 'decode', report);
  goOnWithout(wish, 'decode', undefined, { reason, goesOn: 'processors' }, report);
  return NO_GPU;
}

function choiceOf(wish: GpuWish, verb: Verb, report: RunReport): GpuChoice {
  const devices = new Map<string, UsedGpu>();
  let isAlone = !wish.isHybrid;
  const used = () => (devices.size === 0 ? undefined : together([...devices.values()]));
  if (!hasWebgpu()) {
    goOnWithout(wish, verb, used(), { reason: WEBGPU_MISSING, goesOn: 'processors' }, report);
    return NO_GPU;
  }
  const gpu: GpuPoolOptions = {
    wanted: wish.wanted,
    isHybrid: wish.isHybrid,
    onReady(device) {
      // Threads that feed one card tell of it each.
      if (!devices.has(device.name))
        report.detail(`${verb === 'compress' ? 'compressing' : 'decoding'} on ${gpuInWords(device)}`);
      devices.set(device.name, device);
    },
    onUnusable(reason, goesOn) {
      if (goesOn === 'processors') isAlone = false;
      goOnWithout(wish, verb, used(), { reason, goesOn }, report);
    },
  };
  return { gpu, used, isAlone: () => isAlone };
}

function together(devices: readonly UsedGpu[]): UsedGpu {
  return {
    name: devices.map(({ name }) => name).join(' and '),
    isSoftware: devices.every(({ isSoftware }) => isSoftware),
  };
}

export function gpuInWords({ name, isSoftware }: UsedGpu): string {
  return `${name}${isSoftware ? ' (software)' : ''}`;
}

/** @throws LifeboatError FAILED if a card was demanded, and none was ever at work */
function goOnWithout(
  wish: GpuWish,
  verb: Verb,
  used: UsedGpu | undefined,
  { reason, goesOn }: { reason: string; goesOn: GoesOn },
  report: RunReport,
): void {
  const name = used?.name ?? 'no graphics card';
  if (goesOn === 'same') {
    report.detail(`${name}: one thread less feeds it: ${reason}`);
    return;
  }
  if (goesOn === 'processors' && wish.isRequired && used === undefined) throw refused(verb, reason);
  report.warn(`${name}: ${reason}; the ${goesOn === 'others' ? 'others' : 'processors'} go on`);
}

function refused(verb: Verb, reason: string): LifeboatError {
  const otherwise = verb === 'compress' ? '-c gpu-lz4 without --engine' : 'without --engine lifeboat';
  return new LifeboatError('FAILED', `Cannot ${verb} on a graphics card, and --engine gpu was given: ${reason}`, {
    hint: `lifeboat gpu shows what there is; ${otherwise} takes the processors instead`,
  });
}
