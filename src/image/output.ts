import { closeSync, fstatSync, ftruncateSync, type Stats } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isatty } from 'node:tty';
import { checkFileFits, refuseTooLarge } from '../device/file-limits.js';
import { liesOn } from '../device/same-disk.js';
import type { Source } from '../device/source.js';
import { LifeboatError } from '../error.js';
import { type ByteSink, fileSink, streamSink } from '../stream/byte-sink.js';
import { preparePipe, STDOUT } from '../stream/stdio.js';
import type { DecidedOptions } from './image-options.js';
import { openWritable } from './open-writable.js';
import {
  checkPartialFile,
  createPartialFile,
  type PartialFile,
  refuseMissingDevice,
  resolveFinalPath,
} from './partial-file.js';
import type { RunReport } from './report.js';
import { refuseForeignSidecars, refuseOddSidecars } from './sidecars.js';
import { statPath } from './stat-path.js';

/** Where an image goes: a file that gets its name at the end, or a pipe or device that takes the bytes as they come. */
export interface ImageOutput {
  sink: ByteSink;
  /** The name for the manifest. */
  name: string;
  file: PartialFile | undefined;
  /** Makes the file's bytes durable. */
  finish(): Promise<void>;
  /** The text of the log file: its head, and these lines. */
  log(lines: string[]): string;
  close(): void;
}

/** The longest that is put behind the name of an image. */
const LONGEST_SUFFIX = '.sha256.partial';
const LONGEST_NAME_BYTES = 255;

/** @throws LifeboatError before anything is written, where the image cannot or must not go there */
export async function openOutput(
  options: DecidedOptions,
  source: Source | undefined,
  report: RunReport,
): Promise<ImageOutput> {
  const { out } = options;
  const startedAt = new Date();
  const log = (lines: string[]) =>
    [`${startedAt.toISOString()} lifeboat image ${options.source} -o ${out}`, ...lines, ''].join('\n');
  if (out === '-') {
    refuseStdout(source);
    return streamOutput(preparePipe(STDOUT), 'stdout', options.signal, log, () => undefined);
  }
  refuseLongName(out);
  const stats = statPath(out);
  if (stats?.isCharacterDevice() === true || stats?.isFIFO() === true) {
    if (options.verify) {
      throw new LifeboatError('USAGE', `--verify cannot read back what went to "${out}": it is no regular file`);
    }
    if (options.dryRun) return streamOutput(-1, out, options.signal, log, () => undefined);
    const fd = await openWritable(out, options.signal);
    return streamOutput(fd, out, options.signal, log, () => closeSync(fd));
  }
  refuseOtherKinds(out, stats);
  if (stats === undefined) refuseMissingDevice('write an image to', out);
  const finalPath = resolveFinalPath(out);
  if (source !== undefined && options.allowSameDisk !== true) refuseOwnDisk(out, finalPath, source);
  refuseOddSidecars(finalPath);
  if (!options.force) refuseForeignSidecars(finalPath);
  await checkRoom(options, source, report);
  if (!options.dryRun) return fileOutput(options, log);
  checkPartialFile(out, options.force);
  return streamOutput(-1, out, options.signal, log, () => undefined);
}

function fileOutput(options: DecidedOptions, log: ImageOutput['log']): ImageOutput {
  const file = createPartialFile(options.out, options.force);
  const sink = fileSink(file.fd, file.partialPath);
  return {
    sink,
    name: basename(file.finalPath),
    file,
    log,
    async finish() {
      // A hole at the end exists only once the file is told its length.
      ftruncateSync(file.fd, sink.lengthBytes);
      await file.sync();
    },
    close: () => file.close(),
  };
}

function streamOutput(
  fd: number,
  name: string,
  signal: AbortSignal,
  log: ImageOutput['log'],
  close: () => void,
): ImageOutput {
  return { sink: streamSink(fd, name, signal), name, file: undefined, log, finish: () => Promise.resolve(), close };
}

function refuseLongName(out: string): void {
  if (Buffer.byteLength(basename(out) + LONGEST_SUFFIX) <= LONGEST_NAME_BYTES) return;
  throw new LifeboatError('USAGE', `Cannot write "${out}": its name is too long to put "${LONGEST_SUFFIX}" behind it`, {
    hint: `choose a name of at most ${LONGEST_NAME_BYTES - LONGEST_SUFFIX.length} bytes`,
  });
}

function refuseOtherKinds(out: string, stats: Stats | undefined): void {
  if (stats?.isBlockDevice() === true) {
    throw new LifeboatError('USAGE', `Cannot write an image on to "${out}": it is a block device`, {
      hint: 'name a file; to put an image back on to a disk use lifeboat restore',
    });
  }
  if (stats?.isDirectory() === true) {
    throw new LifeboatError('USAGE', `Cannot write an image to "${out}": it is a directory`, {
      hint: `name a file in it: -o ${out.replace(/\/$/, '')}/disk.img.zst`,
    });
  }
}

/** Whether stdout is a file on the disk that is imaged, by the shell's redirection, or a terminal. */
function refuseStdout(source: Source | undefined): void {
  if (isatty(STDOUT)) {
    throw new LifeboatError('USAGE', 'Cannot write an image to a terminal', {
      hint: 'name a file after -o, or pipe it on: -o - | ssh nas "cat > disk.img.zst"',
    });
  }
  if (source?.rdev === undefined || !fstatSync(STDOUT).isFile()) return;
  if (liesOn(`/proc/self/fd/${STDOUT}`, source.rdev)) throw onOwnDisk('stdout', source);
}

/** @param finalPath where the image would lie, behind symbolic links */
function refuseOwnDisk(out: string, finalPath: string, source: Source): void {
  if (finalPath === source.realPath) {
    throw new LifeboatError('USAGE', `Cannot image "${source.path}" into itself`, {
      hint: 'name another file after -o',
    });
  }
  const directory = dirname(finalPath);
  if (source.rdev === undefined || statPath(directory) === undefined) return;
  if (liesOn(directory, source.rdev)) throw onOwnDisk(`"${out}"`, source);
}

function onOwnDisk(what: string, source: Source): LifeboatError {
  return new LifeboatError('USAGE', `Cannot write ${what}: it lies on "${source.path}", which is being imaged`, {
    hint: 'name a file on another disk or a network share, or - for a pipe: -o - | ssh nas "cat > disk.img.zst"',
  });
}

const FAT_MAX_FILE_BYTES = 2 ** 32 - 1;

/** Raw images need room for what is not a hole. Of the others only time tells, but for what FAT can never hold. */
async function checkRoom(options: DecidedOptions, source: Source | undefined, report: RunReport): Promise<void> {
  if (source === undefined || source.sizeBytes === 0) return;
  const directory = dirname(options.out);
  if (statPath(directory) === undefined) return;
  if (options.codec === 'none' && source.kind === 'block') return checkFileFits(directory, source.sizeBytes);
  if (source.sizeBytes <= FAT_MAX_FILE_BYTES) return;
  const { type } = await statfs(directory);
  try {
    refuseTooLarge(directory, source.sizeBytes, { type, blockBytes: 1, availableBlocks: Number.MAX_SAFE_INTEGER });
  } catch (error) {
    if (options.codec === 'none') throw error;
    report.warn(`"${directory}" is FAT: the run will fail if the image grows to 4 GiB`);
  }
}
