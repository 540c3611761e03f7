import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LifeboatError } from '../error.js';
import { statPath } from '../image/stat-path.js';
import { MANIFEST_FILE } from './set-layout.js';
import { parseSetManifest, type SetManifest } from './set-manifest.js';
import { readSmallFile } from './small-file.js';

/** Whether a path, as a user gives it in an image's place, is a set: a directory with a manifest. */
export function namesSet(path: string): boolean {
  return path !== '-' && statPath(path)?.isDirectory() === true && existsSync(join(path, MANIFEST_FILE));
}

/**
 * Reads what a set tells of itself.
 * @param setPath its directory
 * @throws LifeboatError USAGE where the directory is no set, DAMAGE where its manifest is not as it should be
 */
export function readSetManifest(setPath: string): SetManifest {
  const path = join(setPath, MANIFEST_FILE);
  if (!existsSync(path))
    throw new LifeboatError('USAGE', `"${setPath}" is no set: it has no ${MANIFEST_FILE}`, {
      hint: 'name the directory of one set (HOSTNAME/DATE); one whose run was broken off has none, and is none',
    });
  return parseSetManifest(readSmallFile(path), path);
}
