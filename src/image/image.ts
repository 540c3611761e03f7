import { fstatSync } from 'node:fs';
import type { CodecName, EngineName } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import { deviceNumber, kernelName } from '../device/block-tree.js';
import { checkExtents, type Extent, fileExtents, wholeExtent } from '../device/extents.js';
import { mountedOn } from '../device/in-use.js';
import { openSource, type Source } from '../device/source.js';
import { LifeboatError } from '../error.js';
import { containerOf } from '../format/containers.js';
import { encodeIndexBlock } from '../format/index-block.js';
import { encodeManifest, indexHash, type Manifest } from '../format/manifest.js';
import { ratioHistogram } from '../format/ratio-histogram.js';
import { encodeRescueMap } from '../format/rescue-map.js';
import { dropCache, setIoPriority } from '../native/libc.js';
import { type ChunkSource, extentSource, streamSource } from '../stream/chunk-source.js';
import { createRescuer, type Rescuer } from '../stream/rescue.js';
import { type Saved, type SaveProgress, saveImage } from '../stream/save.js';
import { bottleneckOf } from '../stream/stages.js';
import { preparePipe, STDIN } from '../stream/stdio.js';
import { createThrottle } from '../stream/throttle.js';
import { VERSION } from '../version.js';
import { withAllGpus } from './all-gpus.js';
import { chooseEncoder } from './choose-engine.js';
import { chooseGpu } from './gpu-choice.js';
import type { DecidedOptions, GpuWish, ImageOptions } from './image-options.js';
import { openImageFile } from './open-image.js';
import { type ImageOutput, openOutput } from './output.js';
import { planRun, type RunPlan } from './plan-run.js';
import type { RunReport } from './report.js';
import { createRunPolicy, mostUsedLevel } from './run-policy.js';
import { writeSidecars } from './sidecars.js';
import { imageSummary } from './summary.js';
import { verifyOpenImage } from './verify.js';

export interface ImageResult {
  out: string;
  manifest: Manifest;
  /** Ranges were saved as zeros because they could not be read. */
  partial: boolean;
}

/** Two frames' worth of memory for each thread must stay affordable; also what a slow codec needs to be stoppable. */
export const MAX_CHUNK_BYTES = 64 * 1024 * 1024;

/** What a dry run would have done. */
export interface ImagePlan {
  dryRun: true;
  codec: CodecName;
  level: number;
  engine: EngineName;
  threads: number;
  /** Graphics cards, as they would be asked for. */
  gpus: readonly string[];
}

/** Makes an image. It gets its name only when it is whole, and proven if that was asked for. */
export async function runImage(options: ImageOptions, report: RunReport): Promise<ImageResult | ImagePlan> {
  refuseLevel(options);
  if (options.verify && options.out === '-') {
    throw new LifeboatError('USAGE', '--verify cannot read back what went to stdout', {
      hint: 'pipe it into "lifeboat verify -" at the other end',
    });
  }
  if (options.ionice !== undefined) setIoPriority(options.ionice);
  const source = options.source === '-' ? undefined : await openSource(options.source, options.signal);
  let plan: RunPlan | undefined;
  try {
    plan = await planRun(options, source);
    const { codec, level, engine, threads } = plan;
    const out = typeof options.out === 'string' ? options.out : options.out(codec.name);
    const decided: DecidedOptions = { ...options, out, codec: codec.name };
    const output = await openOutput(decided, source, report);
    try {
      if (options.dryRun)
        return { dryRun: true, codec: codec.name, level, engine, threads, gpus: plan.gpu?.wanted ?? [] };
      return await saveTo(output, source, plan, decided, report);
    } finally {
      output.close();
    }
  } finally {
    await plan?.settled;
    source?.close();
  }
}

/** Before anything is opened, as other flags that are wrong. */
function refuseLevel({ codec, level, engine }: ImageOptions): void {
  if (codec === 'auto') return;
  const named = codecByName(codec);
  chooseEncoder(named, engine, level ?? named.defaultLevel);
}

async function saveTo(
  output: ImageOutput,
  source: Source | undefined,
  plan: RunPlan,
  options: DecidedOptions,
  report: RunReport,
): Promise<ImageResult> {
  const warnings: string[] = [];
  const warn = (text: string) => {
    warnings.push(text);
    report.warn(text);
  };
  const consistency = options.known?.consistency ?? consistencyOf(source, warn);
  if (source !== undefined) {
    const way = source.directFd === undefined ? 'through the cache' : 'past the cache (O_DIRECT)';
    report.detail(`source: ${source.realPath}, ${source.sizeBytes} bytes, read ${way}`);
  }
  report.detail(
    `codec: ${plan.codec.name} level ${plan.level}, ${plan.engine} engine, chunks of ${plan.chunkBytes} bytes`,
  );
  const rescuer =
    options.onReadError === 'zero' && source !== undefined
      ? createRescuer(source.logicalSectorBytes, undefined, options.signal)
      : undefined;
  const progress: SaveProgress = { plainBytes: 0, writtenBytes: 0, zeroBytes: 0, skippedBytes: 0 };
  const wish = plan.gpu === undefined ? undefined : await fedBy(plan.gpu, warn, options.signal);
  const { gpu, used, isAlone } = chooseGpu(wish, { ...report, warn });
  const policy = createRunPolicy({ plan, options, source, progress, isIdle: isAlone }, report);
  const stopFollowing = report.follow('image', () => ({
    doneBytes: progress.plainBytes,
    totalBytes: source?.sizeBytes,
    readBytes: progress.plainBytes - progress.skippedBytes,
    writtenBytes: progress.writtenBytes,
  }));
  let saved: Saved;
  try {
    saved = await saveImage({
      codec: plan.codec.name,
      engine: plan.engine,
      level: plan.level,
      chunkBytes: plan.chunkBytes,
      threads: plan.threads,
      pilot: policy.pilot,
      niceness: policy.niceness,
      gpu,
      source: chunkSourceOf(source, rescuer, options),
      sink: output.sink,
      container: containerOf(plan.codec.name),
      sha256: options.sha256 && output.file !== undefined,
      throttle: createThrottle(options.bwlimitKiBps),
      progress,
      signal: options.signal,
    });
  } finally {
    stopFollowing();
  }
  const sizeNow = source?.kind === 'file' ? fstatSync(source.fd).size : source?.sizeBytes;
  if (source !== undefined && sizeNow !== undefined && sizeNow > source.sizeBytes) {
    warn(
      `"${source.path}" has grown from ${source.sizeBytes} to ${sizeNow} bytes: only the first ${source.sizeBytes} are saved`,
    );
  }
  if (source === undefined && saved.table.plainBytes === 0) {
    warn('stdin was empty: the image holds 0 bytes. If it came through a pipe, look at what was to fill that');
  }
  const badRanges = rescuer?.badRanges() ?? [];
  const lostBytes = badRanges.reduce((sum, range) => sum + range.length, 0);
  if (lostBytes > 0) warn(`${lostBytes} bytes in ${badRanges.length} ranges could not be read and were saved as zeros`);

  const index = indexOf(plan, saved);
  const { threads, ...timing } = saved.times;
  const manifest: Manifest = {
    format: 'lifeboat-manifest',
    formatVersion: 1,
    lifeboatVersion: VERSION,
    createdAt: new Date().toISOString(),
    source: {
      path: source?.realPath ?? '-',
      kind: source?.kind ?? 'stream',
      sizeBytes: saved.table.plainBytes,
      logicalSectorBytes: source?.kind === 'block' ? source.logicalSectorBytes : null,
      consistency,
      skippedBytes: progress.skippedBytes,
      zeroBytes: progress.zeroBytes,
      badRanges,
    },
    image: {
      name: output.name,
      sizeBytes: saved.writtenBytes,
      codec: plan.codec.name,
      level: mostUsedLevel(saved) ?? plan.level,
      engine: used() === undefined ? plan.engine : 'gpu',
      threads,
      chunkBytes: plan.chunkBytes,
      frames: saved.table.count,
      ratio: saved.writtenBytes === 0 ? 1 : saved.table.plainBytes / saved.writtenBytes,
      ratioHistogram: ratioHistogram(saved.table),
      sha256: saved.sha256 ?? null,
      indexHash: indexHash(index ?? saved.epilogue),
      index: index?.toString('base64') ?? null,
      verified: false,
    },
    timing: { ...timing, bottleneck: bottleneckOf(saved.times) },
    ...policy.inManifest(),
    warnings,
  };
  if (output.file !== undefined) await finishFile(output, manifest, policy.lines(), options, report);
  return { out: options.out, manifest, partial: badRanges.length > 0 };
}

async function fedBy(wish: GpuWish, warn: (text: string) => void, signal: AbortSignal): Promise<GpuWish> {
  return { ...wish, wanted: await withAllGpus(wish.wanted, warn, signal) };
}

/** Everything durable and proven before any name appears; the image's own name comes last. */
async function finishFile(
  output: ImageOutput,
  manifest: Manifest,
  decisions: string[],
  options: DecidedOptions,
  report: RunReport,
): Promise<void> {
  const { file } = output;
  if (file === undefined) return;
  await output.finish();
  if (options.verify) {
    // Where the file system refuses O_DIRECT, what is read back must not come from the cache either.
    dropCache(file.fd, 0, 0);
    await provePartial(file.partialPath, manifest, options, report);
    manifest.image.verified = true;
  }
  const { badRanges, sizeBytes } = manifest.source;
  const sidecars = await writeSidecars(file.finalPath, {
    sha256: manifest.image.sha256 ?? undefined,
    manifest: encodeManifest(manifest),
    log: output.log([...decisions, ...manifest.warnings.map((text) => `warning: ${text}`), ...imageSummary(manifest)]),
    map: badRanges.length === 0 ? undefined : encodeRescueMap(sizeBytes, badRanges),
  });
  try {
    sidecars.commit();
    file.commit();
  } finally {
    sidecars.close();
  }
}

async function provePartial(
  path: string,
  manifest: Manifest,
  options: DecidedOptions,
  report: RunReport,
): Promise<void> {
  const { engine, threads, signal } = options;
  const image = await openImageFile(path, { engine, raw: false, manifest, salvage: false, signal });
  try {
    const verified = await verifyOpenImage(
      { image: path, raw: false, quick: false, against: undefined, threads, engine, signal },
      image,
      report,
    );
    const [first] = verified.damage;
    if (first === undefined) return;
    throw new LifeboatError('DAMAGE', `Cannot trust the image of "${options.source}": read back, ${first}`, {
      hint: 'the target disk or its memory returns other bytes than were written: check dmesg, and use another target',
    });
  } finally {
    image.close();
  }
}

/** The index of codecs whose files have no place for one. */
function indexOf(plan: RunPlan, { table }: Saved): Buffer | undefined {
  if (containerOf(plan.codec.name).selfProving) return undefined;
  return encodeIndexBlock({ codec: plan.codec.name, chunkBytes: plan.chunkBytes, table });
}

function chunkSourceOf(
  source: Source | undefined,
  rescuer: Rescuer | undefined,
  { known, signal }: DecidedOptions,
): ChunkSource {
  if (source === undefined) return streamSource(preparePipe(STDIN), 'stdin', signal);
  const { path, sizeBytes } = source;
  const extents = known?.extents ?? extentsOf(source);
  return extentSource({ file: source, path, sizeBytes, extents: checkExtents(extents, sizeBytes), rescuer });
}

function extentsOf({ kind, fd, sizeBytes }: Source): Iterable<Extent> {
  return kind === 'file' ? fileExtents(fd, sizeBytes) : wholeExtent(sizeBytes);
}

function consistencyOf(source: Source | undefined, warn: (text: string) => void): Manifest['source']['consistency'] {
  const name = source?.rdev === undefined ? undefined : kernelName(deviceNumber(source.rdev));
  if (source === undefined || name === undefined) return 'unknown';
  const mountpoints = [...new Set(mountedOn(name).mounts.map(({ mountpoint }) => mountpoint))];
  if (mountpoints.length === 0) return 'still';
  warn(
    `"${source.path}" is mounted on ${mountpoints.join(', ')}: the image will be as the disk is after a power cut (consistency: crash)`,
  );
  return 'crash';
}
