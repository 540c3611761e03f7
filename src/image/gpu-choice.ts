import { LifeboatError } from '../error.js';
import { hasWebgpu } from '../gpu/survey.js';
import type { GoesOn, GpuPoolOptions } from '../stream/gpu-pool.js';
import type { GpuWish } from './image-options.js';
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

const NO_GPU: GpuChoice = { gpu: undefined, used: () => undefined, isAlone: () => false };
const NO_PACKAGE = 'the npm package webgpu is not installed (install.sh --with-gpu adds it)';

/**
 * Without a card that can be used a run goes on with the processors, and says so, unless a card was demanded.
 * @throws LifeboatError FAILED where one was, and there can be none
 */
export function chooseGpu(wish: GpuWish | undefined, report: RunReport): GpuChoice {
  if (wish === undefined) return NO_GPU;
  const devices = new Map<string, UsedGpu>();
  let isAlone = !wish.isHybrid;
  const used = () => (devices.size === 0 ? undefined : together([...devices.values()]));
  if (!hasWebgpu()) {
    goOnWithout(wish, used(), { reason: NO_PACKAGE, goesOn: 'processors' }, report);
    return NO_GPU;
  }
  const gpu: GpuPoolOptions = {
    wanted: wish.wanted,
    isHybrid: wish.isHybrid,
    onReady(device) {
      // Threads that feed one card tell of it each.
      if (!devices.has(device.name)) report.detail(`compressing on ${gpuInWords(device)}`);
      devices.set(device.name, device);
    },
    onUnusable(reason, goesOn) {
      if (goesOn === 'processors') isAlone = false;
      goOnWithout(wish, used(), { reason, goesOn }, report);
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

function gpuInWords({ name, isSoftware }: UsedGpu): string {
  return `${name}${isSoftware ? ' (software)' : ''}`;
}

/** @throws LifeboatError FAILED if a card was demanded, and none was ever at work */
function goOnWithout(
  wish: GpuWish,
  used: UsedGpu | undefined,
  { reason, goesOn }: { reason: string; goesOn: GoesOn },
  report: RunReport,
): void {
  const name = used?.name ?? 'no graphics card';
  if (goesOn === 'same') {
    report.detail(`${name}: one thread less feeds it: ${reason}`);
    return;
  }
  if (goesOn === 'processors' && wish.isRequired && used === undefined) throw refused(reason);
  report.warn(`${name}: ${reason}; the ${goesOn === 'others' ? 'others' : 'processors'} go on`);
}

function refused(reason: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot compress on a graphics card, and --engine gpu was given: ${reason}`, {
    hint: 'lifeboat gpu shows what there is; -c gpu-lz4 without --engine takes the processors instead',
  });
}
