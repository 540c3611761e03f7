import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem } from '../error.js';
import type { FoundSet } from './find-sets.js';
import { HOST_DIRECTORY, ownFileNames } from './set-layout.js';

/** A file in a set's directory, or one that should be there. */
export interface SetFile {
  /** Relative to the set. */
  path: string;
  /** Undefined where it is missing. */
  sizeBytes: number | undefined;
  /** For a file of host/. */
  madeBy: string | undefined;
  /** Whether lifeboat made it, and a prune would remove it. */
  isOurs: boolean;
}

/** More nobody reads; a set has some fifty. */
const MOST_FILES = 10_000;

/** By name; links are named, not followed. @throws LifeboatError */
export function setFiles({ path: setPath, manifest }: FoundSet): SetFile[] {
  const madeBy = new Map((manifest?.hostFiles ?? []).map((file) => [`${HOST_DIRECTORY}/${file.name}`, file.madeBy]));
  const own = ownFileNames(manifest?.image);
  const found: SetFile[] = [];
  const left = [''];
  for (const below of left) {
    for (const entry of entriesOf(join(setPath, below))) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) left.push(path);
      else {
        const sizeBytes = lstatSync(join(setPath, path), { throwIfNoEntry: false })?.size;
        const isOurs = own.has(path) || madeBy.has(path);
        found.push({ path, sizeBytes, madeBy: madeBy.get(path), isOurs });
      }
    }
    if (found.length > MOST_FILES) break;
  }
  const there = new Set(found.map(({ path }) => path));
  for (const path of [...(manifest === undefined ? [] : [manifest.image]), ...madeBy.keys()])
    if (!there.has(path)) found.push({ path, sizeBytes: undefined, madeBy: madeBy.get(path), isOurs: true });
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw fromSystem(error, 'list', path);
  }
}
