import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LifeboatError } from '../error.js';
import { parseManifest } from '../format/manifest.js';
import { namesSet, readSetManifest } from './read-set.js';
import type { SetManifest } from './set-manifest.js';
import { readSmallFile } from './small-file.js';

/** What decides how long an image takes to restore; sizes in bytes. */
export interface RecoveryFacts {
  codec: string;
  level: number | undefined;
  imageBytes: number;
  /** Of the plaintext, what has to be written: zeros are holes or discarded by the device. */
  dataBytes: number;
}

/**
 * Of a set or an image, from the small files beside it.
 * @returns undefined for what has none: a pipe, an image of other tools
 */
export function recoveryFacts(path: string): RecoveryFacts | undefined {
  try {
    if (namesSet(path)) return recoveryFactsOfSet(path, readSetManifest(path));
    if (path === '-' || !statSync(path).isFile()) return undefined;
    return besideImage(path);
  } catch (error) {
    // Whether it can be restored at all is for the restore to say.
    if (error instanceof LifeboatError || (error as NodeJS.ErrnoException).syscall !== undefined) return undefined;
    throw error;
  }
}

/** The image's own manifest tells zeros and level; without it, what was read counts as data. */
export function recoveryFactsOfSet(path: string, manifest: SetManifest): RecoveryFacts {
  const { codec, imageSizeBytes: imageBytes, readBytes: dataBytes } = manifest;
  let beside: RecoveryFacts | undefined;
  try {
    beside = besideImage(join(path, manifest.image));
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
  }
  return beside !== undefined && beside.imageBytes === imageBytes
    ? beside
    : { codec, level: undefined, imageBytes, dataBytes };
}

function besideImage(path: string): RecoveryFacts | undefined {
  const besidePath = `${path}.json`;
  if (lstatSync(besidePath, { throwIfNoEntry: false }) === undefined) return undefined;
  const manifest = parseManifest(readSmallFile(besidePath));
  if (manifest === undefined) return undefined;
  const { source, image } = manifest;
  const zeroBytes = Number.isSafeInteger(source.zeroBytes) ? source.zeroBytes : 0;
  const { codec, level, sizeBytes: imageBytes } = image;
  return { codec, level, imageBytes, dataBytes: Math.max(0, source.sizeBytes - zeroBytes) };
}
