import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { EngineName } from '../codec/codec.js';
import { openSource } from '../device/source.js';
import { LifeboatError } from '../error.js';
import { type CompareSink, compareSink } from '../stream/compare-sink.js';
import type { LoadProgress } from '../stream/load.js';
import { nowhere, type PlainSink } from '../stream/plain-sink.js';
import { readSome } from '../stream/read-at.js';
import type { StageTimes } from '../stream/stages.js';
import { preparePipe, STDIN } from '../stream/stdio.js';
import type { EngineChoice } from './choose-engine.js';
import { type DecodingGpu, damageInWords, decodedBy, decodeImage, decodingAgain } from './decode.js';
import { chooseGpuFor } from './gpu-choice.js';
import type { GpuWish } from './image-options.js';
import { type OpenImage, type OpenOptions, openImageFile } from './open-image.js';
import { openImageStream } from './open-stream.js';
import type { RunReport } from './report.js';
import { readChecksumFile } from './sidecars.js';

export interface VerifyOptions {
  /** `-` for stdin. */
  image: string;
  raw: boolean;
  quick: boolean;
  against: string | undefined;
  threads: number;
  engine: EngineChoice;
  /** A graphics card to decode lz4 with; undefined: none. Not to be had with `quick`. */
  gpu?: GpuWish | undefined;
  signal: AbortSignal;
}

export interface VerifyResult {
  image: string;
  codec: string;
  /** `gpu` if the graphics card decoded any of it. */
  engine: EngineName | 'gpu';
  /** The graphics card that was at work; null if none. */
  gpu: DecodingGpu | null;
  threads: number;
  origin: 'lifeboat' | 'foreign';
  /** What a success proves. */
  proof: 'index' | 'checksums' | 'structure only' | 'quick';
  storedBytes: number;
  plainBytes: number;
  /** What is wrong, one sentence each; empty for a whole image. */
  damage: string[];
  /** What is lost of the plaintext, in bytes. */
  lostRanges: { offset: number; length: number }[];
  difference: { firstOffset: number | undefined; differingBytes: number } | undefined;
  times: StageTimes | undefined;
}

export function openImage(path: string, options: OpenOptions): Promise<OpenImage> {
  return path === '-' ? openImageStream(preparePipe(STDIN), 'stdin', options) : openImageFile(path, options);
}

/** Looks at all of an image and tells everything that is wrong with it. Throws only where it cannot look. */
export async function verifyImage(options: VerifyOptions, report: RunReport): Promise<VerifyResult> {
  const image = await openImage(options.image, { ...options, salvage: false });
  try {
    for (const note of image.notes) report.warn(note);
    if (options.quick) return await verifyQuickly(options, image);
    return await verifyOpenImage(options, image, report);
  } finally {
    image.close();
  }
}

/** The same for an image that is open already. */
export async function verifyOpenImage(
  options: VerifyOptions,
  image: OpenImage,
  report: RunReport,
): Promise<VerifyResult> {
  // With our index lost there is nothing to say where frames are, and it is damage in any case.
  if (image.origin === 'lifeboat' && image.table === undefined && image.damage.length > 0)
    return summary(options, image, {});
  const choice = await chooseGpuFor(image, { ...options, canDecodeAgain: true }, report);
  const source = options.against === undefined ? undefined : await openSource(options.against, options.signal);
  const progress: LoadProgress = { storedBytes: 0, plainBytes: 0, zeroBytes: 0 };
  const stopFollowing = report.follow('verify', () => ({
    doneBytes: image.plainBytes === undefined ? progress.storedBytes : progress.plainBytes,
    totalBytes: image.plainBytes ?? image.storedBytes,
    readBytes: progress.storedBytes,
    writtenBytes: progress.plainBytes,
  }));
  try {
    let comparing: CompareSink | undefined;
    const openSink = (isAgain: boolean): PlainSink => {
      if (isAgain) report.warn(decodingAgain(image.path));
      comparing = source === undefined ? undefined : compareSink(source, source.path);
      return comparing ?? nowhere;
    };
    const { signal, threads } = options;
    const decoded = await decodeImage({
      image,
      threads,
      gpu: choice.gpu,
      openSink,
      needsSpare: source !== undefined,
      onDamage: 'collect',
      progress,
      signal,
    });
    const damage = [...decoded.structure.map(({ message }) => message), ...decoded.frames.map(damageInWords)];
    if (source !== undefined && damage.length === 0 && source.sizeBytes !== progress.plainBytes) {
      damage.push(`it holds ${progress.plainBytes} bytes, "${source.path}" has ${source.sizeBytes}`);
    }
    const difference = comparing?.difference;
    if (difference?.firstOffset !== undefined) {
      const { firstOffset, differingBytes } = difference;
      damage.push(
        `it differs from "${options.against}" at offset ${firstOffset} first, in ${differingBytes} bytes in all`,
      );
    }
    if (image.origin === 'foreign') damage.push(...(await compareChecksumFile(options)));
    const lostRanges = decoded.frames.flatMap(({ plainOffset, plainLength }) =>
      plainOffset === undefined || plainLength === undefined ? [] : [{ offset: plainOffset, length: plainLength }],
    );
    return summary(options, image, {
      damage,
      lostRanges,
      difference,
      times: decoded.times,
      plainBytes: progress.plainBytes,
      ...decodedBy(image, choice, decoded),
    });
  } finally {
    stopFollowing();
    source?.close();
  }
}

function summary(options: VerifyOptions, image: OpenImage, found: Partial<VerifyResult>): VerifyResult {
  return {
    image: options.image,
    codec: image.codec,
    engine: image.engine,
    gpu: null,
    threads: options.threads,
    origin: image.origin,
    proof: image.structureOnly ? 'structure only' : image.origin === 'lifeboat' ? 'index' : 'checksums',
    storedBytes: image.storedBytes ?? 0,
    plainBytes: image.plainBytes ?? 0,
    damage: image.damage.map(({ message }) => message),
    lostRanges: [],
    difference: undefined,
    times: undefined,
    ...found,
  };
}

/** Sidecar, index, and the first and last frame: a matter of milliseconds, whatever the size. */
async function verifyQuickly(options: VerifyOptions, image: OpenImage): Promise<VerifyResult> {
  if (image.table === undefined) {
    if (image.damage.length > 0) return summary(options, image, { proof: 'quick' });
    throw new LifeboatError('FAILED', `"${image.path}" has no index that could be checked quickly`, {
      hint: 'verify it without --quick',
    });
  }
  const { plainBytes, count } = image.table;
  const damage = image.damage.map(({ message }) => message);
  const { signal } = options;
  const ends = [
    { start: 0, end: 1 },
    { start: plainBytes - 1, end: plainBytes },
  ];
  for (const range of count === 0 ? [] : ends) {
    const progress: LoadProgress = { storedBytes: 0, plainBytes: 0, zeroBytes: 0 };
    const whole = { ...image, damage: [] };
    const decoded = await decodeImage({
      image: whole,
      threads: 1,
      openSink: () => nowhere,
      range,
      onDamage: 'collect',
      progress,
      signal,
    });
    damage.push(...decoded.frames.map(damageInWords));
  }
  return summary(options, image, { proof: 'quick', damage: [...new Set(damage)] });
}

/** A foreign file's `.sha256`, if somebody put one beside it, proves what its codec may not. */
async function compareChecksumFile(options: VerifyOptions): Promise<string[]> {
  if (options.image === '-') return [];
  const source = await openSource(options.image, options.signal);
  try {
    const expected = readChecksumFile(source.realPath);
    if (expected === undefined) return [];
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(1024 * 1024);
    for (let at = 0, bytes = -1; bytes !== 0; at += bytes) {
      options.signal.throwIfAborted();
      bytes = await readSome(source.fd, buffer, buffer.length, at);
      hash.update(buffer.subarray(0, bytes));
    }
    return hash.digest('hex') === expected ? [] : [`it does not match ${basename(source.realPath)}.sha256`];
  } finally {
    source.close();
  }
}
