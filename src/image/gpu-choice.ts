import { LifeboatError } from '../error.js';
import { hasWebgpu } from '../gpu/survey.js';
import type { GoesOn } from '../stream/gpu-pool.js';
import type { SaveGpu } from '../stream/save.js';
import type { GpuWish } from './image-options.js';
import type { RunReport } from './report.js';

/** What the stream needs of a graphics card, and which one did the work. */
export interface GpuChoice {
  /** Undefined where there can be none: the processors do it all. */
  gpu: SaveGpu | undefined;
  /** Its name, once it is at work. */
  usedName(): string | undefined;
  /** The processors have nothing to compress, as long as a card is there that does it alone. */
  isAlone(): boolean;
}

const NO_PACKAGE = 'the npm package webgpu is not installed (install.sh --with-gpu adds it)';

/**
 * Without a card that can be used a run goes on with the processors, and says so, unless a card was demanded.
 * @throws LifeboatError FAILED where one was, and there can be none
 */
export function chooseGpu(wish: GpuWish | undefined, report: RunReport): GpuChoice {
  const names = new Set<string>();
  let isAlone = wish?.isHybrid === false;
  const usedName = () => (names.size === 0 ? undefined : [...names].join(' and '));
  const none = { gpu: undefined, usedName, isAlone: () => false };
  if (wish === undefined) return none;
  const unusable = (reason: string, goesOn: GoesOn) => {
    if (goesOn === 'same') {
      report.detail(`${usedName()}: one thread less feeds it: ${reason}`);
      return;
    }
    if (goesOn === 'processors') isAlone = false;
    if (goesOn === 'processors' && wish.isRequired && names.size === 0) throw refused(reason);
    const rest = goesOn === 'others' ? 'the others go on' : 'the processors go on';
    report.warn(`${usedName() ?? 'no graphics card'}: ${reason}; ${rest}`);
  };
  if (!hasWebgpu()) {
    unusable(NO_PACKAGE, 'processors');
    return none;
  }
  const gpu: SaveGpu = {
    wanted: wish.wanted,
    isHybrid: wish.isHybrid,
    onReady({ name, isSoftware }) {
      if (!names.has(name)) report.detail(`compressing on ${name}${isSoftware ? ' (software)' : ''}`);
      names.add(name);
    },
    onUnusable: unusable,
  };
  return { gpu, usedName, isAlone: () => isAlone };
}

function refused(reason: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot compress on a graphics card, and --engine gpu was given: ${reason}`, {
    hint: 'lifeboat gpu shows what there is; -c gpu-lz4 without --engine takes the processors instead',
  });
}
