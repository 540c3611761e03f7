import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeepOptions } from '../config/prune-backups.js';
import { fromSystem, LifeboatError } from '../error.js';
import { syncDirectory } from '../image/partial-file.js';
import { type FoundSet, findSets, readSet } from './find-sets.js';
import { removeOwnFiles } from './remove-own.js';
import { hasKeepOption, type Judged, judgeRetention, type RetentionItem } from './retention.js';
import { MANIFEST_FILE, REMOVING_FILE } from './set-layout.js';
import { parseSetManifest, type SetManifest } from './set-manifest.js';
import { readSmallFile } from './small-file.js';

export interface PruneOptions {
  /** Where sets are kept. */
  directory: string;
  keep: KeepOptions;
  /** Only the sets of this host, by the name in their manifests; all if undefined. */
  hostname?: string;
  dryRun: boolean;
  signal: AbortSignal;
}

export interface PrunedSet {
  path: string;
  hostname: string;
  /** The disk's path as it was. */
  disk: string;
  createdAt: string;
  sizeBytes: number;
  verdict: 'keep' | 'remove';
  why: string;
  /** What is somebody else's in it, and was left with the directory. */
  left: string[];
}

export interface PruneResult {
  dryRun: boolean;
  /** Newest first. */
  sets: PrunedSet[];
  removed: number;
  freedBytes: number;
  /** A set that could not be removed, and why; the others were. */
  failed: { path: string; reason: string }[];
}

/** The words of a prune for its caller's log. */
export interface PruneReport {
  warn(text: string): void;
  detail(text: string): void;
}

interface Candidate extends RetentionItem {
  set: FoundSet;
  manifest: SetManifest;
}

/**
 * Removes sets that no keep option covers, oldest first: only files that lifeboat made, never a protected set, never the
 * newest good one of a host's disk. Goes on where another prune was stopped.
 * @throws LifeboatError where the directory cannot be read
 */
export async function pruneSets(options: PruneOptions, report: PruneReport): Promise<PruneResult> {
  const { directory, keep, dryRun, signal } = options;
  const all = await findSets(directory, signal);
  const candidates = all.flatMap((set) => toCandidate(set, options) ?? []);
  const judged = judgeRetention(candidates, keep);
  const result: PruneResult = { dryRun, sets: [], removed: 0, freedBytes: 0, failed: [] };

  const left = new Map<string, string[]>();
  const work: { set: FoundSet; manifest: SetManifest; hasBegun: boolean }[] = [];
  if (hasKeepOption(keep)) {
    // What a prune began it has to end: there is no manifest any more.
    for (const set of all.filter(({ state }) => state === 'removing')) {
      const manifest = await attempt(result, report, set, () => readBegun(set.path));
      if (manifest === undefined || otherHost(manifest, options)) continue;
      work.push({ set, manifest, hasBegun: true });
    }
    for (const { item, verdict } of [...judged].sort((a, b) => a.item.time.getTime() - b.item.time.getTime()))
      if (verdict === 'remove') work.push({ set: item.set, manifest: item.manifest, hasBegun: false });
  }
  for (const { set, manifest, hasBegun } of work) {
    signal.throwIfAborted();
    const foreign = dryRun
      ? []
      : await attempt(result, report, set, async () => {
          if (!hasBegun && !(await beginRemoval(set.path))) return undefined;
          const hostFiles = manifest.hostFiles.map(({ name }) => name);
          return removeOwnFiles(set.path, { image: manifest.image, hostFiles });
        });
    if (foreign === undefined) continue;
    left.set(set.path, foreign);
    result.removed++;
    result.freedBytes += set.sizeBytes;
    report.detail(`${dryRun ? 'would remove' : 'removed'} "${set.path}"`);
    if (foreign.length > 0)
      report.warn(`"${set.path}" stays, for not everything in it is lifeboat's: ${foreign.join(', ')}`);
  }
  result.sets = judged.map((one) => toPruned(one, left.get(one.item.set.path) ?? []));
  return result;
}

/** Exactly one host and disk; a disk without serial number is known by its path. */
export function groupOf({ hostname, disk }: Pick<SetManifest, 'hostname' | 'disk'>): string {
  return JSON.stringify(disk.serial === undefined ? [hostname, disk.path] : [hostname, disk.model ?? '', disk.serial]);
}

function toCandidate(set: FoundSet, options: PruneOptions): Candidate | undefined {
  const { manifest, time, state } = set;
  if (manifest === undefined || otherHost(manifest, options)) return undefined;
  return { set, manifest, time, group: groupOf(manifest), good: state === 'good', protected: set.protected };
}

function otherHost(manifest: SetManifest, { hostname }: PruneOptions): boolean {
  return hostname !== undefined && manifest.hostname !== hostname;
}

/** One set that cannot be removed keeps no other from it. @returns undefined where it failed, which is noted */
async function attempt<T>(
  result: PruneResult,
  report: PruneReport,
  set: FoundSet,
  act: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    result.failed.push({ path: set.path, reason: error.message });
    report.warn(error.message);
    return undefined;
  }
}

async function readBegun(setPath: string): Promise<SetManifest> {
  const path = join(setPath, REMOVING_FILE);
  return parseSetManifest(readSmallFile(path), path);
}

/** From here on it is no set any more. @returns false where it must not be removed: somebody has protected it since */
async function beginRemoval(setPath: string): Promise<boolean> {
  const now = await readSet(setPath);
  if (now?.manifest === undefined || now.protected) return false;
  try {
    await rename(join(setPath, MANIFEST_FILE), join(setPath, REMOVING_FILE));
    syncDirectory(setPath);
    return true;
  } catch (error) {
    throw fromSystem(error, 'remove', setPath);
  }
}

function toPruned({ item, verdict, why }: Judged<Candidate>, left: string[]): PrunedSet {
  const { manifest, set } = item;
  return {
    path: set.path,
    hostname: manifest.hostname,
    disk: manifest.disk.path,
    createdAt: manifest.createdAt,
    sizeBytes: set.sizeBytes,
    verdict,
    why,
    left,
  };
}
