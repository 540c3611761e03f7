import { LifeboatError } from '../error.js';
import { bzip2 } from './bzip2.js';
import type { Codec, CodecName } from './codec.js';
import { gzip } from './gzip.js';
import { lz4 } from './lz4.js';
import { none } from './none.js';
import { xz } from './xz.js';
import { zstd } from './zstd.js';

const CODECS: Readonly<Record<CodecName, Codec>> = { gzip, zstd, lz4, xz, bzip2, none };

export const CODEC_NAMES: readonly CodecName[] = ['gzip', 'zstd', 'lz4', 'xz', 'bzip2', 'none'];

export function codecByName(name: CodecName): Codec {
  return CODECS[name];
}

/**
 * Takes a codec's name as it is typed; "pigz" means gzip.
 * @throws LifeboatError USAGE
 */
export function parseCodecName(text: string): CodecName {
  if (text === 'pigz') return 'gzip';
  const name = CODEC_NAMES.find((candidate) => candidate === text);
  if (name !== undefined) return name;
  throw new LifeboatError('USAGE', `There is no codec "${text}"`, { hint: `use one of ${CODEC_NAMES.join(', ')}` });
}
