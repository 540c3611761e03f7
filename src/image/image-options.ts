import type { CodecName } from '../codec/codec.js';
import type { Extent } from '../device/extents.js';
import type { Manifest } from '../format/manifest.js';
import type { LoadCounts } from '../policy/load.js';
import type { EngineChoice } from './choose-engine.js';
import type { Knowledge, Wishes } from './plan-run.js';

export interface ImageOptions {
  /** A block device, a file, or `-` for stdin. */
  source: string;
  /** A file, or `-` for stdout; or the name that it gets once the codec is known. */
  out: string | ((codec: CodecName) => string);
  /** `auto`: chosen, and adapted while the run goes on. */
  codec: CodecName | 'auto';
  /** Undefined: the codec's default. */
  level: number | undefined;
  engine: EngineChoice;
  threads: number;
  /** Graphics cards to compress with, to lz4; undefined: none, but those that `auto` takes. */
  gpu?: GpuWish | undefined;
  /** Of the cards that were measured, those that `auto` may take; undefined: the quickest. As `GpuWish` has them. */
  autoGpus?: readonly string[] | undefined;
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
  /** What `auto` goes by. */
  wishes?: Wishes;
  /** Workers go when others need the processors. */
  yields?: boolean;
  /** Calibration and past runs, read only if they are needed. */
  knowledge?: (() => Promise<Knowledge>) | undefined;
  /** The host's counts of a while ago, from which `auto` learns how busy it is. */
  loadSince?: LoadCounts | undefined;
  /** What is known of the source beforehand; undefined: everything is to be read, but for a file's holes. */
  known?: KnownSource;
  signal: AbortSignal;
}

export interface GpuWish {
  /** Each `auto`, `all`, an index, or a part of a name. */
  wanted: readonly string[];
  /** The processors take chunks as well. */
  isHybrid: boolean;
  /** Without one the run fails; otherwise the processors do it. */
  isRequired: boolean;
}

/** Once it is decided what the image is and where it goes. */
export type DecidedOptions = Omit<ImageOptions, 'out' | 'codec'> & { out: string; codec: CodecName };

export interface KnownSource {
  /** From 0 to the source's size. */
  extents: readonly Extent[];
  consistency: Manifest['source']['consistency'];
}
