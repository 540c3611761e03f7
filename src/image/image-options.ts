import type { CodecName } from '../codec/codec.js';
import type { Extent } from '../device/extents.js';
import type { Manifest } from '../format/manifest.js';
import type { EngineChoice } from './choose-engine.js';

export interface ImageOptions {
  /** A block device, a file, or `-` for stdin. */
  source: string;
  /** A file, or `-` for stdout. */
  out: string;
  codec: CodecName;
  /** Undefined: the codec's default. */
  level: number | undefined;
  engine: EngineChoice;
  threads: number;
  chunkBytes: number | undefined;
  /** KiB a second, 0 for no limit. */
  bwlimitKiBps: number;
  /** 0 to 8 as vzdump's; undefined leaves it as it is. */
  ionice: number | undefined;
  verify: boolean;
  sha256: boolean;
  onReadError: 'fail' | 'zero';
  force: boolean;
  dryRun: boolean;
  /** The image may lie on the disk that it is made of. */
  allowSameDisk?: boolean;
  /** What is known of the source beforehand; undefined: everything is to be read, but for a file's holes. */
  known?: KnownSource;
  signal: AbortSignal;
}

export interface KnownSource {
  /** From 0 to the source's size. */
  extents: readonly Extent[];
  consistency: Manifest['source']['consistency'];
}
