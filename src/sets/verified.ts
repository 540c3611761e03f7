import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';
import { PARTIAL_SUFFIX, VERIFIED_FILE } from './set-layout.js';
import type { SetManifest } from './set-manifest.js';
import { readSmallFile } from './small-file.js';

/**
 * Notes that a set was proven whole, in a file of its own: nothing that its SHA256SUMS tells of is ever changed.
 * @throws LifeboatError where the set cannot be written to, a share mounted read-only say, which is no fault of the set
 */
export function recordVerified(setPath: string, time: Date): void {
  const path = join(setPath, VERIFIED_FILE);
  try {
    rmSync(path + PARTIAL_SUFFIX, { force: true });
    writeFileSync(path + PARTIAL_SUFFIX, `${time.toISOString()}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(path + PARTIAL_SUFFIX, path);
  } catch (error) {
    throw fromSystem(error, 'write', path);
  }
}

/** When a set was last proven whole: by the run that made it, or since. */
export function lastVerified(setPath: string, manifest: SetManifest): Date | undefined {
  const times = [manifest.verifiedAt, noted(join(setPath, VERIFIED_FILE))].map((text) => Date.parse(text ?? ''));
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length === 0 ? undefined : new Date(Math.max(...known));
}

function noted(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return readSmallFile(path).trim();
  } catch (error) {
    if (error instanceof LifeboatError) return undefined;
    throw error;
  }
}
