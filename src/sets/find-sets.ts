import { constants, lstatSync, opendirSync, type Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';
import { readSetManifest } from './read-set.js';
import {
  HOST_DIRECTORY,
  MANIFEST_FILE,
  ownFileNames,
  PROTECTED_FILE,
  REMOVING_FILE,
  timeOfSetName,
} from './set-layout.js';
import type { SetManifest } from './set-manifest.js';
import { isBeingWritten } from './set-owner.js';
import { lastVerified } from './verified.js';

/**
 * `good`: its manifest is understood, and every file it tells of is there with its size; what is in them, verify proves.
 * `running`: a run is writing it. `unfinished`: a run that was killed left it. `removing`: a prune was stopped in it.
 */
export type SetState = 'good' | 'broken' | 'running' | 'unfinished' | 'removing';

export interface FoundSet {
  /** Its directory. */
  path: string;
  /** "2026-11-20T20-30-00Z" */
  name: string;
  /** As its name tells: when the run began. */
  time: Date;
  /** Name of the directory that it is in; the hostname itself is in the manifest. */
  hostDirectory: string;
  state: SetState;
  /** Why it is not good, in words. */
  broken: string | undefined;
  /** Undefined where there is none that is understood. */
  manifest: SetManifest | undefined;
  protected: boolean;
  /** Of the files that are ours, as they lie there. */
  sizeBytes: number;
  /** When it was last proven whole. */
  verifiedAt: Date | undefined;
}

/** Nobody keeps as many; a directory of something else may. */
const MOST_ENTRIES = 10_000;

/**
 * Finds the sets in a directory, that of one host or that above, newest first. Whatever is no set is passed over, links are
 * not followed, and a set that is not good is listed with what is wrong with it.
 * @throws LifeboatError FAILED where the directory cannot be read or holds more than any backup does
 */
export async function findSets(directory: string, signal?: AbortSignal): Promise<FoundSet[]> {
  const top = resolve(directory);
  const found: FoundSet[] = [];
  const add = async (parent: string, name: string) => {
    signal?.throwIfAborted();
    const set = await readSet(join(parent, name));
    if (set !== undefined) found.push(set);
  };
  for (const name of directoriesIn(top)) {
    if (timeOfSetName(name) !== undefined) {
      await add(top, name);
      continue;
    }
    const host = join(top, name);
    let names: string[];
    try {
      names = directoriesIn(host);
    } catch (error) {
      // lost+found of another owner, or a mount that is gone, hides no set from us.
      if (error instanceof LifeboatError) continue;
      throw error;
    }
    for (const inner of names) if (timeOfSetName(inner) !== undefined) await add(host, inner);
  }
  return found.sort((a, b) => b.time.getTime() - a.time.getTime() || (a.path < b.path ? -1 : 1));
}

/**
 * Looks at one directory.
 * @returns undefined where nothing in it is of lifeboat
 * @throws LifeboatError FAILED where it cannot be read
 */
export async function readSet(path: string): Promise<FoundSet | undefined> {
  const full = resolve(path);
  const name = basename(full);
  const entries = namesIn(full);
  const any = ownFileNames(undefined);
  if (
    !(await hasFile(
      full,
      entries.filter((entry) => any.has(entry) && entry !== PROTECTED_FILE),
    ))
  )
    return undefined;
  const [manifest, problem] = entries.includes(MANIFEST_FILE) ? tryManifest(full) : [undefined, undefined];
  const own = ownFileNames(manifest?.image);
  const common = {
    path: full,
    name,
    // One that somebody has copied away under another name is a set all the same.
    time: timeOfSetName(name) ?? new Date(manifest?.createdAt ?? 0),
    hostDirectory: basename(dirname(full)),
    protected: entries.includes(PROTECTED_FILE),
    sizeBytes: await bytesOf(full, [
      ...entries.filter((entry) => own.has(entry)),
      ...(manifest?.hostFiles ?? []).map((file) => join(HOST_DIRECTORY, file.name)),
    ]),
  };
  if (manifest === undefined) {
    const [state, broken] =
      problem === undefined ? stateWithoutManifest(full, entries) : (['broken', problem] as const);
    return { ...common, state, broken, manifest: undefined, verifiedAt: undefined };
  }
  const broken = await whatIsWrong(full, manifest);
  const state = broken === undefined ? 'good' : 'broken';
  return { ...common, state, broken, manifest, verifiedAt: lastVerified(full, manifest) };
}

function tryManifest(setPath: string): [SetManifest, undefined] | [undefined, string] {
  try {
    return [readSetManifest(setPath), undefined];
  } catch (error) {
    if (error instanceof LifeboatError) return [undefined, error.message];
    throw error;
  }
}

function stateWithoutManifest(path: string, entries: readonly string[]): [SetState, string] {
  if (entries.includes(REMOVING_FILE)) return ['removing', 'a prune was stopped while it removed it; the next goes on'];
  switch (isBeingWritten(path)) {
    case 'alive':
      return ['running', 'a run is writing it just now'];
    case 'dead':
      return ['unfinished', 'the run that wrote it was killed; the next run of its host removes it'];
    case 'elsewhere':
      return ['unfinished', 'another host writes it, or was killed while it did'];
    case 'unknown':
      return ['broken', `it has no ${MANIFEST_FILE}, so no run has finished it`];
  }
}

async function whatIsWrong(path: string, manifest: SetManifest): Promise<string | undefined> {
  const wanted: [string, number][] = [
    [manifest.image, manifest.imageSizeBytes],
    ...manifest.hostFiles.map((file): [string, number] => [`${HOST_DIRECTORY}/${file.name}`, file.sizeBytes]),
  ];
  for (const [name, sizeBytes] of wanted) {
    const stats = await lookAt(join(path, name));
    if (stats === undefined) return `"${name}" is missing`;
    if (!stats.isFile()) return `"${name}" is no regular file`;
    if (stats.size !== sizeBytes) return `"${name}" is ${stats.size} bytes long, not ${sizeBytes}`;
  }
  return undefined;
}

async function hasFile(path: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) if ((await lookAt(join(path, name)))?.isDirectory() === false) return true;
  return false;
}

async function bytesOf(path: string, names: readonly string[]): Promise<number> {
  let sum = 0;
  for (const name of names) {
    const stats = await lookAt(join(path, name));
    if (stats?.isFile() === true) sum += stats.size;
  }
  return sum;
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw fromSystem(error, 'look at', path);
  }
}

/** Real ones only: a link to a directory is none. */
function directoriesIn(path: string): string[] {
  return namesIn(path).filter((name) => {
    const stats = lstatSync(join(path, name), { throwIfNoEntry: false });
    return stats !== undefined && (stats.mode & constants.S_IFMT) === constants.S_IFDIR;
  });
}

function namesIn(path: string): string[] {
  try {
    const directory = opendirSync(path);
    try {
      const names: string[] = [];
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        names.push(entry.name);
        if (names.length > MOST_ENTRIES)
          throw new LifeboatError(
            'FAILED',
            `Cannot look for sets in "${path}": it has more than ${MOST_ENTRIES} entries`,
            {
              hint: 'name the directory that sets are written to, and nothing else',
            },
          );
      }
      return names.sort();
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    throw fromSystem(error, 'list', path);
  }
}
