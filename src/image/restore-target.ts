import { closeSync, constants, fsync, ftruncateSync, realpathSync } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { openDirect } from '../device/direct.js';
import { openTargetDevice, type Target } from '../device/target.js';
import { fromSystem, LifeboatError } from '../error.js';
import { dropCache, flushDeviceCache, rereadPartitions } from '../native/libc.js';
import type { PlainRange, PlainSink, PutRecord } from '../stream/plain-sink.js';
import { deviceSink, pipeSink, sparseFileSink } from '../stream/plain-writers.js';
import { type ReadableAt, readAt } from '../stream/read-at.js';
import { directMemory } from '../stream/slots.js';
import { preparePipe, STDOUT } from '../stream/stdio.js';
import type { OpenImage } from './open-image.js';
import { openWritable } from './open-writable.js';
import { checkPartialFile, createPartialFile, refuseMissingDevice } from './partial-file.js';
import type { RunReport } from './report.js';
import type { RestoreOptions } from './restore.js';
import { statPath } from './stat-path.js';

/** A block device that holds the image, and is still claimed. */
export interface WrittenDevice {
  path: string;
  fd: number;
  sizeBytes: number;
  logicalSectorBytes: number;
}

/** Where an image is restored to. */
export interface RestoreTarget {
  sink: PlainSink;
  /** Before the first byte. */
  begin(): Promise<void>;
  /** After the last one: everything is on the disk then. */
  finish(sizeBytes: number): Promise<void>;
  /** Reads back past the cache what was put. */
  check(records: PutRecord[], report: RunReport): Promise<void>;
  /** What the caller wants changed on a block device. */
  amend(): Promise<void>;
  commit(): void;
  /** For the user, if the run ends between `begin` and `commit`: what the target is like then. */
  abandoned: string | undefined;
  close(): void;
}

/** @throws LifeboatError before anything is written, where it cannot or must not be restored to */
export async function openRestoreTarget(
  options: RestoreOptions,
  image: OpenImage,
  range: PlainRange | undefined,
  report: RunReport,
): Promise<RestoreTarget> {
  const { target } = options;
  const sizeBytes = range === undefined ? image.plainBytes : range.end - range.start;
  if (target === '-') return streamTarget(preparePipe(STDOUT), 'stdout', options.signal, () => undefined);
  const stats = statPath(target);
  if (stats?.isBlockDevice() === true) return deviceTarget(options, image, sizeBytes, report);
  if (stats?.isDirectory() === true) {
    throw new LifeboatError('USAGE', `Cannot restore to "${target}": it is a directory`, {
      hint: 'name a file in it, or a block device',
    });
  }
  if (stats?.isCharacterDevice() === true || stats?.isFIFO() === true) {
    if (options.check) {
      throw new LifeboatError('USAGE', `--check cannot read back what went to "${target}": it is no regular file`);
    }
    if (options.dryRun) return streamTarget(-1, target, options.signal, () => undefined);
    const fd = await openWritable(target, options.signal);
    return streamTarget(fd, target, options.signal, () => closeSync(fd));
  }
  if (stats === undefined) refuseMissingDevice('restore to', target);
  else if (options.image !== '-' && realpathSync(target) === realpathSync(options.image)) {
    throw new LifeboatError('USAGE', `Cannot restore "${options.image}" into itself: the image would be lost`, {
      hint: 'name another file after -o',
    });
  }
  if (!options.dryRun) return fileTarget(options, sizeBytes);
  checkPartialFile(target, options.force);
  return streamTarget(-1, target, options.signal, () => undefined);
}

function streamTarget(fd: number, path: string, signal: AbortSignal, close: () => void): RestoreTarget {
  return {
    sink: pipeSink(fd, path, signal),
    begin: () => Promise.resolve(),
    finish: () => Promise.resolve(),
    check: () => Promise.resolve(),
    amend: () => Promise.resolve(),
    commit: () => undefined,
    abandoned: undefined,
    close,
  };
}

function fileTarget(options: RestoreOptions, sizeBytes: number | undefined): RestoreTarget {
  const { target, force } = options;
  const file = createPartialFile(target, force);
  const directFd = openDirect(file.partialPath, constants.O_RDWR);
  return {
    sink: sparseFileSink({ path: file.partialPath, fd: file.fd, directFd }),
    async begin() {
      // Holes need no room, and how much is holes only decoding tells. What FAT can never hold fails here.
      if (sizeBytes !== undefined) setLength(file.fd, sizeBytes, file.partialPath);
    },
    async finish(endBytes) {
      setLength(file.fd, endBytes, file.partialPath);
      await file.sync();
    },
    async check(records, report) {
      dropCache(file.fd, 0, 0);
      await checkWritten({ fd: file.fd, directFd }, target, records, options.signal, report);
    },
    amend: () => Promise.resolve(),
    commit: () => file.commit(),
    abandoned: undefined,
    close() {
      if (directFd !== undefined) closeSync(directFd);
      file.close();
    },
  };
}

function setLength(fd: number, bytes: number, path: string): void {
  try {
    ftruncateSync(fd, bytes);
  } catch (error) {
    throw fromSystem(error, `make room for ${bytes} bytes in`, path);
  }
}

async function deviceTarget(
  options: RestoreOptions,
  image: OpenImage,
  sizeBytes: number | undefined,
  report: RunReport,
): Promise<RestoreTarget> {
  const { target: path, confirm, force } = options;
  const device: Target = await openTargetDevice(path, {
    confirm,
    force,
    neededBytes: sizeBytes ?? 0,
    sectorBytes: image.manifest?.source.logicalSectorBytes ?? undefined,
  });
  const target = { path, fd: device.fd, directFd: device.directFd };
  const sink = deviceSink(target);
  const sync = async () => {
    try {
      await promisify(fsync)(device.fd);
    } catch (error) {
      throw fromSystem(error, 'write', path);
    }
  };
  return {
    sink,
    async begin() {
      await sink.eraseFirst(sizeBytes);
      await sync();
    },
    async finish(endBytes) {
      await sync();
      await sink.writeLast();
      await sync();
      const rest = device.sizeBytes - endBytes;
      if (rest > 0) report.detail(`"${path}" is ${rest} bytes larger than the image: what was there is still there`);
    },
    async check(records) {
      flushDeviceCache(device.fd);
      await checkWritten(device, path, records, options.signal, report);
    },
    async amend() {
      const { fd, sizeBytes, logicalSectorBytes } = device;
      await options.amendDevice?.({ path, fd, sizeBytes, logicalSectorBytes });
    },
    commit() {
      rereadPartitions(device.fd);
    },
    abandoned: `"${path}" is overwritten, but does not hold the whole image: do not boot from it, restore it again`,
    close: () => device.close(),
  };
}

const CHECK_BYTES = 4 * 1024 * 1024;

/** Compares what the target holds now with what was decoded, by the CRC-32 of each piece. */
async function checkWritten(
  file: ReadableAt,
  path: string,
  records: PutRecord[],
  signal: AbortSignal,
  report: RunReport,
): Promise<void> {
  let doneBytes = 0;
  const totalBytes = records.reduce((sum, { length }) => sum + length, 0);
  const stopFollowing = report.follow('check', () => ({
    doneBytes,
    totalBytes,
    readBytes: doneBytes,
    writtenBytes: 0,
  }));
  const buffer = directMemory(CHECK_BYTES);
  try {
    for (const { offset, length, crc } of records.sort((a, b) => a.offset - b.offset)) {
      let found = 0;
      for (let done = 0; done < length; ) {
        signal.throwIfAborted();
        const got = await readAt(file, buffer, offset + done, Math.min(buffer.length, length - done));
        if (got === 0) break;
        found = crc32(buffer.subarray(0, got), found);
        done += got;
      }
      if (found !== crc) {
        throw new LifeboatError(
          'DAMAGE',
          `"${path}" does not hold what was written to it: it differs between offset ${offset} and ${offset + length}`,
          {
            offset,
            hint: 'the disk, its cable or the memory is failing: check dmesg and smartctl -a, and use another disk',
          },
        );
      }
      doneBytes += length;
    }
  } finally {
    stopFollowing();
  }
}
