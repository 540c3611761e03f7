import type { Argv } from 'yargs';
import { LifeboatError } from '../error.js';
import type { EngineChoice } from '../image/choose-engine.js';
import type { GpuWish } from '../image/image-options.js';
import { withThreadOptions } from './common-options.js';
import { gpusOf } from './gpu-option.js';

/** What `--engine` takes where a graphics card can do the work. */
export const ENGINES_AND_GPU = ['auto', 'native', 'portable', 'gpu'] as const;

/** Who decodes an image. */
export function withDecodingOptions<T>(yargs: Argv<T>) {
  return withThreadOptions(yargs, ENGINES_AND_GPU).option('gpu', {
    type: 'string',
    requiresArg: true,
    describe: 'Graphics cards that decode lz4 too: name or number in lifeboat gpu, several as 0,1, or all',
  });
}

/**
 * `--gpu` has a graphics card decode beside the processors, `--engine gpu` the card alone.
 * @throws LifeboatError USAGE
 */
export function decodersOf({ engine, gpu }: { engine: (typeof ENGINES_AND_GPU)[number]; gpu: string | undefined }): {
  engine: EngineChoice;
  gpu: GpuWish | undefined;
} {
  if (engine === 'gpu')
    return { engine: 'auto', gpu: { wanted: gpusOf(gpu ?? 'auto'), isHybrid: false, isRequired: true } };
  if (gpu === undefined) return { engine, gpu: undefined };
  if (engine !== 'auto') throw new LifeboatError('USAGE', `--gpu goes with --engine auto or gpu, not with ${engine}`);
  return { engine, gpu: { wanted: gpusOf(gpu), isHybrid: true, isRequired: false } };
}
