import { LifeboatError } from '../error.js';
import { hasWebgpu } from '../gpu/survey.js';
import type { SaveGpu } from '../stream/save.js';
import type { GpuWish } from './image-options.js';
import type { RunReport } from './report.js';

/** What the stream needs of a graphics card, and which one did the work. */
export interface GpuChoice {
  /** Undefined where there can be none: the processors do it all. */
  gpu: SaveGpu | undefined;
  /** Its name, once it is at work. */
  usedName(): string | undefined;
}

const NO_PACKAGE = 'the npm package webgpu is not installed (install.sh --with-gpu adds it)';

/**
 * Without a card that can be used a run goes on with the processors, and says so, unless a card was demanded.
 * @throws LifeboatError FAILED where one was, and there can be none
 */
export function chooseGpu(wish: GpuWish | undefined, report: RunReport): GpuChoice {
  let name: string | undefined;
  const none = { gpu: undefined, usedName: () => name };
  if (wish === undefined) return none;
  const unusable = (reason: string) => {
    if (wish.isRequired && name === undefined) throw refused(reason);
    report.warn(`${name ?? 'no graphics card'}: ${reason}; the processors go on`);
  };
  if (!hasWebgpu()) {
    unusable(NO_PACKAGE);
    return none;
  }
  const gpu: SaveGpu = {
    wanted: wish.wanted,
    isHybrid: wish.isHybrid,
    onReady(device) {
      name = device.name;
      report.detail(`compressing on ${device.name}${device.isSoftware ? ' (software)' : ''}`);
    },
    onUnusable: unusable,
  };
  return { gpu, usedName: () => name };
}

function refused(reason: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot compress on a graphics card, and --engine gpu was given: ${reason}`, {
    hint: 'lifeboat gpu shows what there is; -c gpu-lz4 without --engine takes the processors instead',
  });
}
