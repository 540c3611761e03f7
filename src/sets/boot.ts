import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { CodecName } from '../codec/codec.js';
import type { BootDisk, BootFinding } from '../device/boot-disk.js';
import { readLvm } from '../device/lvm.js';
import { sizeInWords } from '../device/sizes.js';
import { refuseZfsRoot } from '../device/zfs-by-hand.js';
import { LifeboatError, messageOf } from '../error.js';
import type { Manifest } from '../format/manifest.js';
import { collectHostFiles, type HostFilesResult } from '../host/collect.js';
import { readHostFacts } from '../host/host-facts.js';
import type { EngineChoice } from '../image/choose-engine.js';
import { countLoad } from '../image/host-counts.js';
import { type ImageResult, runImage } from '../image/image.js';
import type { Knowledge, Wishes } from '../image/plan-run.js';
import { keepingReport, type RunReport } from '../image/report.js';
import { imageSummary } from '../image/summary.js';
import { verifyImage } from '../image/verify.js';
import type { LoadCounts } from '../policy/load.js';
import { VERSION } from '../version.js';
import { chooseBootDisk } from './boot-disk-choice.js';
import { type ConsistentDisk, openConsistentDisk } from './consistent-disk.js';
import { findSets } from './find-sets.js';
import { largeThings } from './large-things.js';
import { waitForDisk } from './lock.js';
import { type NewSet, openSetDir, removeLeftovers } from './open-set-dir.js';
import { physicalVolumesOn } from './physical-volumes.js';
import { placeOf } from './place.js';
import { groupOf } from './prune.js';
import { recoveryNotes } from './recovery-notes.js';
import { requireMount } from './require-mount.js';
import { keepRescueKitCurrent } from './rescue-kit.js';
import { restoreScript } from './restore-script.js';
import { checkRoom, estimateRoom } from './room.js';
import { imageFileName, LOG_FILE, RECOVERY_FILE, RESTORE_SCRIPT_FILE } from './set-layout.js';
import type { SetManifest } from './set-manifest.js';
import { usedEndOf } from './used-end.js';

export interface BootOptions {
  /** Where sets are kept: DIR/HOSTNAME/TIME. */
  to: string;
  /** Undefined: the disk that the host boots from. */
  disk: string | undefined;
  codec: CodecName | 'auto';
  level: number | undefined;
  engine: EngineChoice;
  threads: number;
  bwlimitKiBps: number;
  ionice: number | undefined;
  /** What `auto` goes by. */
  wishes: Wishes;
  /** What `auto` can learn from runs before. */
  knowledge?: (() => Promise<Knowledge>) | undefined;
  snapshot: 'auto' | 'lvm' | 'btrfs' | 'none';
  requireConsistent: boolean;
  includeGuests: boolean;
  exclude: readonly string[];
  /** The mount point that the target has to be on; true: any but the root file system's. */
  requireMount: string | boolean;
  allowSameDisk: boolean;
  verify: boolean;
  rescueKit: boolean;
  dryRun: boolean;
  /** How long to wait for another run at the disk; 0: not at all. */
  lockwaitMinutes: number;
  /** Where Lifeboat's own configuration lies, if not in /etc/lifeboat: it belongs into the set. */
  configPaths: readonly string[];
  /** Told once, when there is another run to wait for. */
  onWait(text: string): void;
  /** The disk is ours from here on. */
  onStart(disk: BootDisk): void;
  signal: AbortSignal;
}

export interface BootResult {
  /** The set's directory. */
  set: string;
  manifest: SetManifest;
  /** The image's own manifest: engine, level and where the time went. */
  image: Manifest;
}

/** What a dry run found out. Without snapshots mounted file systems are counted whole. */
export interface BootPlan {
  disk: BootDisk;
  dataBytes: number;
  leftOut: ConsistentDisk['map']['leftOut'];
}

/** Said of every run on a host with a thin pool: worth a line, and no reason to wake anybody. */
export const GUESTS_LEFT_OUT =
  'the disks of guests (LVM thin pools) are left out: vzdump saves them. --include-guests has them in the image';

const FILE_MODE = 0o600;
const SCRIPT_MODE = 0o700;
/** Below this a file on the root file system is not worth a line. */
const LARGE_BYTES = 1024 ** 3;

/**
 * Saves this host's boot disk, while it runs, as a set.
 * @throws LifeboatError; no set and no snapshot is left then
 */
export async function runBoot(options: BootOptions, report: RunReport): Promise<BootResult | BootPlan> {
  const startedAt = new Date();
  const log: string[] = [`${startedAt.toISOString()} lifeboat boot --to ${options.to}`];
  const logged = keepingReport(report, (line) => void log.push(`${new Date().toISOString()} ${line}`));
  if (process.getuid?.() !== 0) {
    throw new LifeboatError('NEEDS_ROOT', 'Cannot read the boot disk and make snapshots without being root', {
      hint: 'run it as root',
    });
  }
  const { signal } = options;
  const { finding, disk } = await chooseBootDisk(options.disk);
  refuseZfsRoot(finding);
  if (!finding.isBootDisk)
    logged.warn(`this host does not boot from ${disk.path}: what RECOVERY.md says of starting is of this host`);
  const lock = await waitForDisk(disk.name, {
    waitMs: options.lockwaitMinutes * 60_000,
    signal,
    say: options.onWait,
  });
  try {
    options.onStart(disk);
    if (options.requireMount !== false)
      requireMount(options.to, options.requireMount === true ? undefined : options.requireMount);
    if (options.dryRun) return await planOnly(disk, options, logged);
    await removeLeftovers(options.to, hostname(), logged.warn);
    const set = openSetDir(options.to, hostname(), startedAt);
    try {
      return await fillSet(set, { startedAt, finding, disk, log }, options, logged);
    } catch (error) {
      const left = await set.abandon();
      if (left.length > 0) report.warn(`"${set.path}" is no set and could not be removed whole: ${left.join(', ')}`);
      signal.throwIfAborted();
      throw error;
    }
  } finally {
    lock.release();
  }
}

interface Run {
  startedAt: Date;
  finding: BootFinding;
  disk: BootDisk;
  log: string[];
}

async function planOnly(disk: BootDisk, options: BootOptions, report: RunReport): Promise<BootPlan> {
  const consistent = await openDisk(disk, options, options.to, report);
  try {
    const { map } = consistent;
    await checkRoomFor(disk, map.dataBytes, options);
    return { disk, dataBytes: map.dataBytes, leftOut: map.leftOut };
  } finally {
    await consistent.release();
  }
}

function openDisk(
  disk: BootDisk,
  options: BootOptions,
  scratchDirectory: string,
  report: RunReport,
): Promise<ConsistentDisk> {
  const { snapshot, requireConsistent, includeGuests, exclude, dryRun, signal } = options;
  return openConsistentDisk(
    { disk, snapshot, requireConsistent, includeGuests, exclude, dryRun, scratchDirectory, signal },
    report,
  );
}

async function checkRoomFor(disk: BootDisk, dataBytes: number, { to, signal }: BootOptions): Promise<void> {
  const sets = await findSets(to, signal);
  const group = groupOf({ hostname: hostname(), disk });
  const same = sets.flatMap(({ state, manifest, time, sizeBytes }) =>
    state === 'good' && manifest !== undefined && groupOf(manifest) === group
      ? [{ time, sizeBytes, imageSizeBytes: manifest.imageSizeBytes }]
      : [],
  );
  await checkRoom(to, estimateRoom(same, dataBytes));
}

async function fillSet(set: NewSet, run: Run, options: BootOptions, report: RunReport): Promise<BootResult> {
  const { disk, finding, startedAt } = run;
  const { signal } = options;
  const loadSince = countLoad();
  // Before the snapshots, for it runs LVM's own reports; and before ESPs are read, for proxmox-boot-tool mounts them.
  const hostFiles = await collectFiles(set, run, options, report);
  const host = await readHostFacts(signal);
  for (const { path, bytes } of await largeThings({ signal, leastBytes: LARGE_BYTES }))
    report.detail(`${path} holds ${sizeInWords(bytes)}, which the image holds too`);

  const consistent = await openDisk(disk, options, set.path, report);
  let image: ImageResult;
  const { warnings } = consistent;
  const warn = (text: string) => {
    warnings.push(text);
    report.warn(text);
  };
  try {
    for (const { what, bytes, reason } of consistent.map.leftOut)
      report.detail(`left out: ${what}, ${sizeInWords(bytes)} (${reason})`);
    if (consistent.guests === 'left out') warn(GUESTS_LEFT_OUT);
    await checkRoomFor(disk, consistent.map.dataBytes, options);
    image = await imageOf(set, disk, consistent, { ...options, loadSince }, report);
    const changed = await consistent.changedMeanwhile();
    if (changed !== undefined) warn(changed);
  } finally {
    await consistent.release();
  }
  for (const text of image.manifest.warnings) if (!warnings.includes(text)) warnings.push(text);

  const verifiedAt = options.verify ? await prove(set, image, options, report) : undefined;
  const manifest: SetManifest = {
    format: 'lifeboat-set',
    formatVersion: 1,
    lifeboatVersion: VERSION,
    createdAt: startedAt.toISOString(),
    hostname: hostname(),
    disk: {
      path: disk.path,
      model: disk.model,
      serial: disk.serial,
      sizeBytes: disk.sizeBytes,
      logicalSectorBytes: disk.logicalSectorBytes,
    },
    disks: finding.disks.map(({ path }) => path),
    image: imageFileName(image.manifest.image.codec),
    imageSizeBytes: image.manifest.image.sizeBytes,
    plainBytes: image.manifest.source.sizeBytes,
    readBytes: image.manifest.source.sizeBytes - image.manifest.source.skippedBytes,
    codec: image.manifest.image.codec,
    consistency: consistent.consistency,
    leftOut: consistent.map.leftOut,
    usedEndBytes: usedEndOf(consistent.map.extents, consistent.table, disk.sizeBytes),
    bootMode: finding.bootMode,
    guests: consistent.guests,
    hostFiles: hostFiles.files,
    missingHostFiles: hostFiles.missing.map(({ name, reason }) => ({ name, reason })),
    verifiedAt,
    durationMs: Date.now() - startedAt.getTime(),
    warnings,
  };
  const { table, lvm, partitionFacts, volumeFacts } = consistent;
  write(
    set,
    RECOVERY_FILE,
    recoveryNotes({ manifest, host, table, lvm, partitionFacts, volumeFacts, place: placeOf(set.path) }),
  );
  write(set, RESTORE_SCRIPT_FILE, restoreScript(manifest, table.scheme), SCRIPT_MODE);
  for (const line of imageSummary(image.manifest)) run.log.push(line);
  write(set, LOG_FILE, `${run.log.join('\n')}\n`);
  const { sha256 } = image.manifest.image;
  const knownSums = sha256 === null ? new Map<string, string>() : new Map([[manifest.image, sha256]]);
  await set.finish(manifest, { signal, knownSums });
  if (options.rescueKit) await keepKit(options, report);
  return { set: set.path, manifest, image: image.manifest };
}

async function collectFiles(
  set: NewSet,
  { finding, disk }: Run,
  { configPaths, signal }: BootOptions,
  report: RunReport,
): Promise<HostFilesResult> {
  const groups = physicalVolumesOn(disk, await readLvm(signal)).map(({ vg }) => vg.name);
  const found = await collectHostFiles(set.hostPath, {
    disks: finding.disks.map(({ path }) => path),
    vgs: [...new Set(groups)],
    configPaths,
    signal,
  });
  const absent = found.missing.filter(({ kind }) => kind === 'absent').map(({ name }) => name);
  if (absent.length > 0) report.detail(`this host has nothing for these host files: ${absent.join(', ')}`);
  for (const { name, reason, kind } of found.missing)
    if (kind !== 'absent') report.warn(`host file ${name}: ${reason}`);
  return found;
}

async function imageOf(
  set: NewSet,
  disk: BootDisk,
  consistent: ConsistentDisk,
  options: BootOptions & { loadSince: LoadCounts | undefined },
  report: RunReport,
): Promise<ImageResult> {
  const { codec, engine, threads, bwlimitKiBps, ionice, wishes, knowledge, loadSince, allowSameDisk } = options;
  const overflow = new AbortController();
  const signal = AbortSignal.any([options.signal, overflow.signal]);
  consistent.watched.catch((reason) => overflow.abort(reason));
  const result = await runImage(
    {
      source: disk.path,
      out: (chosen) => join(set.path, imageFileName(chosen)),
      codec,
      level: options.level,
      engine,
      threads,
      chunkBytes: undefined,
      bwlimitKiBps,
      ionice,
      wishes,
      knowledge,
      loadSince,
      yields: true,
      verify: false,
      sha256: true,
      onReadError: 'fail',
      force: false,
      dryRun: false,
      allowSameDisk,
      known: { extents: consistent.map.extents, consistency: consistent.consistency },
      signal,
    },
    report,
  );
  if ('dryRun' in result) throw new Error('an image that was no dry run came to nothing');
  return result;
}

/** Reads the image back, past the cache. @returns when it was proven */
async function prove(
  set: NewSet,
  { out, manifest }: ImageResult,
  options: BootOptions,
  report: RunReport,
): Promise<string> {
  const { engine, threads, signal } = options;
  const verified = await verifyImage(
    { image: out, raw: manifest.image.codec === 'none', quick: false, against: undefined, threads, engine, signal },
    report,
  );
  const [first] = verified.damage;
  if (first === undefined) return new Date().toISOString();
  throw new LifeboatError('DAMAGE', `Cannot trust the image in "${set.path}": read back, ${first}`, {
    hint: 'the target disk or its memory returns other bytes than were written: check dmesg, and use another target',
  });
}

/** A set without a kit is still a set. */
async function keepKit({ to, signal }: BootOptions, report: RunReport): Promise<void> {
  try {
    const kit = await keepRescueKitCurrent({ directory: resolve(to), signal }, report);
    if (kit.isNew) report.detail(`rescue kit: ${kit.path}`);
  } catch (error) {
    signal.throwIfAborted();
    report.warn(`no rescue kit beside the sets: ${messageOf(error)}`);
  }
}

function write(set: NewSet, name: string, text: string, mode = FILE_MODE): void {
  writeFileSync(join(set.path, name), text, { mode, flag: 'wx' });
}
