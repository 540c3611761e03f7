import { closeSync, constants, fsync, openSync, read, realpathSync, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from '../device/command.js';
import type { GptMove } from '../device/gpt-move.js';
import { sizeInWords } from '../device/sizes.js';
import { fromSystem, LifeboatError } from '../error.js';
import { imageRange } from '../image/image-range.js';
import { openImageFile } from '../image/open-image.js';
import type { RunReport } from '../image/report.js';
import { type RestoreOptions, type RestoreResult, restoreImage } from '../image/restore.js';
import type { WrittenDevice } from '../image/restore-target.js';
import { statPath } from '../image/stat-path.js';
import { blockDeviceSize, flushDeviceCache, logicalSectorBytes } from '../native/libc.js';
import { type DiskLayout, readDiskLayout } from './disk-layout.js';
import { type DiskFit, fitDisk } from './fit-disk.js';
import { nextSteps, type Step } from './next-steps.js';
import { readSetManifest } from './read-set.js';
import { RECOVERY_FILE } from './set-layout.js';
import type { SetManifest } from './set-manifest.js';

export interface RestoreSetOptions extends Omit<RestoreOptions, 'image' | 'raw' | 'amendDevice'> {
  /** The set's directory. */
  set: string;
  /** A smaller disk will do if what is left out is empty. */
  shrinkTail: boolean;
}

export interface RestoreSetResult extends RestoreResult {
  set: string;
  hostname: string;
  /** moved: the backup partition table is at the end of the disk now. kept: it is where the image has it. */
  partitionTable: 'moved' | 'kept';
  /** Partitions that are shorter than they were; in bytes. */
  shortened: { partition: number; sizeBytes: number }[];
  /** What is left to do. */
  steps: Step[];
}

/**
 * Restores a set's disk, fits its partition table to the target, and says what is left to do.
 * @throws LifeboatError before anything is written: NO_SPACE with the size that would do, USAGE for other sectors or a
 *   target that is not confirmed, FAILED for one in use
 */
export async function restoreSet(options: RestoreSetOptions, report: RunReport): Promise<RestoreSetResult> {
  const { set, shrinkTail, ...rest } = options;
  const manifest = readSetManifest(set);
  const image = join(set, manifest.image);
  const restoring: RestoreOptions = { ...rest, image, raw: manifest.codec === 'none' };
  const answer = { set, hostname: manifest.hostname, partitionTable: 'kept' as const, shortened: [], steps: [] };
  // A part of the disk, a file or a pipe has no partition table that would have to fit.
  if (options.range !== undefined || statPath(options.target)?.isBlockDevice() !== true) {
    if (shrinkTail) throw new LifeboatError('USAGE', '--shrink-tail is for a set that is restored to a whole disk');
    return { ...(await restoreImage(restoring, report)), ...answer };
  }

  const disk = readTarget(options.target);
  const isFitting = disk.sectorBytes === manifest.disk.logicalSectorBytes;
  if (!isFitting) refuseOtherSectors(options, manifest, disk);
  const layout = isFitting ? await layoutOf(restoring, manifest, report) : undefined;
  const fit = layout === undefined ? undefined : fitOnto(layout, disk.sizeBytes, manifest, options);
  const move = fit?.move;
  const result = await restoreImage(
    {
      ...restoring,
      range: cutTo(fit, layout),
      amendDevice: move === undefined ? undefined : (device) => writeMove(device, move, report),
    },
    report,
  );
  if (!options.dryRun) await settleDevices(options.signal);
  const steps = nextSteps({
    layout,
    disk: disk.path,
    diskBytes: disk.sizeBytes,
    bootMode: manifest.bootMode,
    guests: manifest.guests,
    usesProxmoxBootTool: manifest.hostFiles.some(({ name }) => name.startsWith('proxmox-boot-tool')),
    hostname: manifest.hostname,
    notesPath: join(set, RECOVERY_FILE),
  });
  const shortened = [...(fit?.shortened ?? [])].map(([partition, sizeBytes]) => ({ partition, sizeBytes }));
  return { ...result, ...answer, partitionTable: move === undefined ? 'kept' : 'moved', shortened, steps };
}

interface TargetDisk {
  path: string;
  sizeBytes: number;
  sectorBytes: number;
}

function readTarget(path: string): TargetDisk {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY);
    return { path: realpathSync(path), sizeBytes: blockDeviceSize(fd), sectorBytes: logicalSectorBytes(fd) };
  } catch (error) {
    throw fromSystem(error, 'open', path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function refuseOtherSectors(
  { target, force }: RestoreSetOptions,
  { disk }: SetManifest,
  { sectorBytes }: TargetDisk,
): void {
  if (force) return;
  throw new LifeboatError(
    'USAGE',
    `Cannot restore onto "${target}": its logical sectors have ${sectorBytes} bytes, those of the disk that was saved had ${disk.logicalSectorBytes}. Partition tables, and some file systems, count in sectors: nothing would be found where it is`,
    {
      hint: `choose a disk with sectors of ${disk.logicalSectorBytes} bytes (lsblk -o NAME,LOG-SEC); some NVMe disks can be switched (nvme format --lbaf). --force writes it as it is`,
    },
  );
}

/**
 * Undefined, and a warning, where the disk that was saved had a table that is not understood.
 * @throws LifeboatError DAMAGE where the image is damaged there: nothing has been overwritten yet
 */
async function layoutOf(
  options: RestoreOptions,
  manifest: SetManifest,
  report: RunReport,
): Promise<DiskLayout | undefined> {
  const { engine, raw, salvage, signal } = options;
  const image = await openImageFile(options.image, { engine, raw, salvage: false, signal });
  let damage: LifeboatError | undefined;
  try {
    const { plainBytes } = image;
    // A damaged index is what restoreImage refuses, or salvages.
    if (plainBytes === undefined || image.damage.length > 0) return undefined;
    const readImage = imageRange(image, signal);
    const read: typeof readImage = (offset, length) =>
      readImage(offset, length).catch((error: unknown) => {
        if (error instanceof LifeboatError && error.code === 'DAMAGE') damage = error;
        throw error;
      });
    return await readDiskLayout(read, plainBytes, manifest.disk.logicalSectorBytes);
  } catch (error) {
    if (!(error instanceof LifeboatError) || (damage !== undefined && !salvage)) throw error;
    report.warn(`the partition table is restored as it is, for it was not understood: ${error.message}`);
    return undefined;
  } finally {
    image.close();
  }
}

function fitOnto(layout: DiskLayout, targetBytes: number, manifest: SetManifest, options: RestoreSetOptions): DiskFit {
  const { target: path, shrinkTail } = options;
  return fitDisk(layout, { path, targetBytes, usedEndBytes: manifest.usedEndBytes, shrinkTail });
}

function cutTo(fit: DiskFit | undefined, layout: DiskLayout | undefined): RestoreOptions['range'] {
  if (fit === undefined || layout === undefined || fit.restoredBytes === layout.sizeBytes) return undefined;
  return { offset: 0, length: fit.restoredBytes };
}

const writeAt = promisify(write);
const readAt = promisify(read);
const syncFile = promisify(fsync);

/** Writes the moved table, and reads it back past the cache. */
async function writeMove({ path, fd }: WrittenDevice, { writes }: GptMove, report: RunReport): Promise<void> {
  for (const { offset, bytes, what } of writes) {
    try {
      for (let done = 0; done < bytes.length; )
        done += (await writeAt(fd, bytes, done, bytes.length - done, offset + done)).bytesWritten;
      // One after another: between two of them there must always be a table that is whole.
      await syncFile(fd);
    } catch (error) {
      throw fromSystem(error, `write the ${what} to`, path, offset);
    }
    report.detail(`"${path}": ${what} written at offset ${offset}`);
  }
  flushDeviceCache(fd);
  for (const { offset, bytes, what } of withoutOverwritten(writes)) {
    const found = Buffer.alloc(bytes.length);
    await readAt(fd, found, 0, found.length, offset);
    if (!found.equals(bytes))
      throw new LifeboatError('DAMAGE', `"${path}" does not hold the ${what} that was written to it`, {
        offset,
        hint: 'the disk, its cable or the memory is failing: check dmesg and smartctl -a, and use another disk',
      });
  }
}

/** On a tiny disk pieces of the table may touch the same sectors: only what was written last is still there. */
function withoutOverwritten(writes: GptMove['writes']): GptMove['writes'] {
  return writes.filter(
    ({ offset, bytes }, index) =>
      !writes
        .slice(index + 1)
        .some((later) => later.offset < offset + bytes.length && offset < later.offset + later.bytes.length),
  );
}

const SETTLE_S = 10;

/** Nodes of the new partitions are there after it, where udev runs. Without it they come a little later. */
async function settleDevices(signal: AbortSignal): Promise<void> {
  await runCommand('udevadm', ['settle', `--timeout=${SETTLE_S}`], {
    signal,
    allowMissing: true,
    okStatuses: [0, 1],
  }).catch((error: unknown) => {
    if (signal.aborted) throw error;
  });
}

/** What became of the partition table, in words; nothing where all is as it was. */
export function tableInWords(result: RestoreSetResult): string[] {
  const lines: string[] = [];
  if (result.partitionTable === 'moved') lines.push('the backup partition table was moved to the end of the disk');
  for (const { partition, sizeBytes } of result.shortened)
    lines.push(`partition ${partition} has ${sizeInWords(sizeBytes)} now; what was cut off was empty`);
  return lines;
}
