import type { EngineName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';
import type { FrameDamage } from '../stream/frame-provider.js';
import type { LoadProgress } from '../stream/load.js';
import {
  overwritingSink,
  type PlainRange,
  type PlainSink,
  type PutRecord,
  rangeSink,
  recordingSink,
} from '../stream/plain-sink.js';
import type { StageTimes } from '../stream/stages.js';
import type { EngineChoice } from './choose-engine.js';
import { type DecodingGpu, damageInWords, decodedBy, decodeImage, decodingAgain, SALVAGE_HINT } from './decode.js';
import { chooseGpuFor, type GpuChoice } from './gpu-choice.js';
import type { GpuWish } from './image-options.js';
import type { OpenImage } from './open-image.js';
import type { RunReport } from './report.js';
import { openRestoreTarget, type RestoreTarget, type WrittenDevice } from './restore-target.js';
import { openImage } from './verify.js';

export interface RestoreOptions {
  /** A file, or `-` for stdin. */
  image: string;
  /** A file, a block device, or `-` for stdout. */
  target: string;
  raw: boolean;
  /** A part of the plaintext, which is written to the start of the target; in bytes. */
  range: { offset: number; length: number } | undefined;
  confirm: string | undefined;
  salvage: boolean;
  check: boolean;
  force: boolean;
  dryRun: boolean;
  threads: number;
  engine: EngineChoice;
  /** A graphics card to decode lz4 with; undefined: none. */
  gpu?: GpuWish | undefined;
  /** Changes what a block device holds once the image is on it and checked, before anybody else may use it. */
  amendDevice?: ((device: WrittenDevice) => Promise<void>) | undefined;
  signal: AbortSignal;
}

export interface RestoreResult {
  image: string;
  target: string;
  codec: string;
  /** `gpu` if the graphics card decoded any of it. */
  engine: EngineName | 'gpu';
  /** The graphics card that was at work; null if none. */
  gpu: DecodingGpu | null;
  threads: number;
  plainBytes: number;
  zeroBytes: number;
  /** What could not be restored; in bytes of the plaintext. */
  lostRanges: { offset: number; length: number }[];
  /** What is wrong with the image; empty unless `salvage` was asked for. */
  damage: string[];
  checked: boolean;
  times: StageTimes | undefined;
}

/** @throws LifeboatError DAMAGE at the first damage, unless salvage is asked for */
export async function restoreImage(options: RestoreOptions, report: RunReport): Promise<RestoreResult> {
  if (options.check && options.target === '-') {
    throw new LifeboatError('USAGE', '--check cannot read back what went to stdout');
  }
  const image = await openImage(options.image, options);
  try {
    for (const note of image.notes) report.warn(note);
    refuseDamaged(image, options, report);
    if (image.structureOnly && image.codec !== 'none') {
      report.warn(`"${image.path}" has no checksums: that it decodes does not prove it right`);
    }
    const range = rangeOf(options, image);
    const canDecodeAgain = options.target !== '-';
    const choice = await chooseGpuFor(image, { ...options, canDecodeAgain }, report);
    const target = await openRestoreTarget(options, image, range, report);
    try {
      if (options.dryRun) return result(options, image, {});
      return await restoreTo(target, image, range, choice, options, report);
    } finally {
      target.close();
    }
  } finally {
    image.close();
  }
}

async function restoreTo(
  target: RestoreTarget,
  image: OpenImage,
  range: PlainRange | undefined,
  choice: GpuChoice,
  options: RestoreOptions,
  report: RunReport,
): Promise<RestoreResult> {
  const { threads, salvage, signal } = options;
  const progress: LoadProgress = { storedBytes: 0, plainBytes: 0, zeroBytes: 0 };
  const totalBytes = range === undefined ? image.plainBytes : range.end - range.start;
  const stopFollowing = report.follow('restore', () => ({
    doneBytes: image.plainBytes === undefined ? progress.storedBytes : progress.plainBytes,
    totalBytes: image.plainBytes === undefined ? image.storedBytes : totalBytes,
    readBytes: progress.storedBytes,
    writtenBytes: progress.plainBytes - progress.zeroBytes,
  }));
  const records: PutRecord[] = [];
  let endBytes = 0;
  const openSink = (isAgain: boolean): PlainSink => {
    if (isAgain) report.warn(decodingAgain(image.path));
    endBytes = 0;
    records.length = 0;
    const plain = isAgain ? overwritingSink(target.sink) : target.sink;
    const recorded = options.check ? recordingSink(plain, records) : plain;
    return range === undefined ? recorded : rangeSink(range, recorded);
  };
  try {
    await target.begin();
    const decoded = await decodeImage({
      image,
      threads,
      gpu: choice.gpu,
      openSink,
      range,
      onDamage: salvage ? 'collect' : 'stop',
      onFrame(_number, { plainOffset, plainLength }) {
        endBytes = Math.max(endBytes, plainOffset + plainLength);
      },
      progress,
      signal,
    });
    const [broken] = decoded.structure;
    if (broken !== undefined && !salvage) throw imageError(image, broken);
    for (const { plainOffset = 0, plainLength = 0 } of decoded.frames) {
      endBytes = Math.max(endBytes, plainOffset + plainLength);
    }
    if (image.plainBytes !== undefined) endBytes = image.plainBytes;
    if (range !== undefined && endBytes < range.end && !salvage) throw beyondEnd(range, endBytes);
    if (range !== undefined) endBytes = Math.max(0, Math.min(endBytes, range.end) - range.start);
    await target.finish(endBytes);
    stopFollowing();
    if (options.check) await target.check(records, report);
    await target.amend();
    target.commit();
    const damage = [...decoded.structure.map(({ message }) => message), ...decoded.frames.map(damageInWords)];
    return result(options, image, {
      plainBytes: endBytes,
      zeroBytes: progress.zeroBytes,
      lostRanges: lostRanges(decoded.frames, range),
      damage,
      checked: options.check,
      times: decoded.times,
      ...decodedBy(image, choice, decoded),
    });
  } catch (error) {
    if (target.abandoned !== undefined) report.warn(target.abandoned);
    throw error;
  } finally {
    stopFollowing();
  }
}

/** A damaged index is found before anything is written. */
function refuseDamaged(image: OpenImage, options: RestoreOptions, report: RunReport): void {
  const [first] = image.damage;
  if (first === undefined) return;
  if (!options.salvage) throw imageError(image, first);
  for (const { message } of image.damage) report.warn(`"${image.path}": ${message}`);
}

function imageError(image: OpenImage, error: LifeboatError): LifeboatError {
  return new LifeboatError('DAMAGE', `"${image.path}" is damaged: ${error.message}`, {
    cause: error,
    hint: SALVAGE_HINT,
  });
}

function rangeOf({ range }: RestoreOptions, image: OpenImage): PlainRange | undefined {
  if (range === undefined) return undefined;
  const end = range.offset + range.length;
  if (image.plainBytes !== undefined && end > image.plainBytes) {
    throw beyondEnd({ start: range.offset, end }, image.plainBytes);
  }
  return { start: range.offset, end };
}

function beyondEnd({ end }: PlainRange, plainBytes: number): LifeboatError {
  return new LifeboatError('USAGE', `The range ends at ${end}, but the image holds ${plainBytes} bytes`, {
    hint: `name a range that ends at ${plainBytes} or before`,
  });
}

function lostRanges(frames: FrameDamage[], range: PlainRange | undefined): { offset: number; length: number }[] {
  const { start, end } = range ?? { start: 0, end: Number.POSITIVE_INFINITY };
  return frames.flatMap(({ plainOffset, plainLength }) => {
    if (plainOffset === undefined || plainLength === undefined) return [];
    const from = Math.max(plainOffset, start);
    const to = Math.min(plainOffset + plainLength, end);
    return from < to ? [{ offset: from, length: to - from }] : [];
  });
}

function result(options: RestoreOptions, image: OpenImage, found: Partial<RestoreResult>): RestoreResult {
  return {
    image: options.image,
    target: options.target,
    codec: image.codec,
    engine: image.engine,
    gpu: null,
    threads: options.threads,
    plainBytes: image.plainBytes ?? 0,
    zeroBytes: 0,
    lostRanges: [],
    damage: [],
    checked: false,
    times: undefined,
    ...found,
  };
}
