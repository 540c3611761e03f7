import { statSync } from 'node:fs';
import { join } from 'node:path';
import { sizeInWords } from '../device/sizes.js';
import { fromSystem, LifeboatError } from '../error.js';
import type { RunReport } from '../image/report.js';
import { type VerifyOptions, type VerifyResult, verifyImage } from '../image/verify.js';
import { readSetManifest } from './read-set.js';
import { MANIFEST_FILE } from './set-layout.js';
import { verifySums } from './sums.js';
import { recordVerified } from './verified.js';

export interface VerifySetOptions extends Omit<VerifyOptions, 'image' | 'raw'> {
  /** The set's directory. */
  set: string;
}

/** `damage` is of the image and of all other files. */
export interface VerifySetResult extends VerifyResult {
  set: string;
  hostname: string;
  createdAt: string;
  /** Of the files beside the image. */
  checkedBytes: number;
  /** Files that SHA256SUMS does not name: nothing tells whether they are as they were. */
  unknownFiles: string[];
}

/**
 * Proves a set: its image by decoding it, all else by SHA256SUMS.
 * @throws LifeboatError where it cannot look: no set, no SHA256SUMS
 */
export async function verifySet(options: VerifySetOptions, report: RunReport): Promise<VerifySetResult> {
  const { set, signal } = options;
  const manifest = readSetManifest(set);
  const image = join(set, manifest.image);
  const verified = await verifyImage({ ...options, image, raw: manifest.codec === 'none' }, report);
  // What its index proves need not be read twice. Without one the sum is all there is.
  const isProven = verified.proof === 'index' || verified.proof === 'quick';
  const skip = new Set(isProven ? [manifest.image] : []);
  const files = await verifySums(set, { signal, skip });
  const damage = [...verified.damage, ...otherImage(image, verified, manifest), ...files.damage];
  if (damage.length === 0 && verified.proof !== 'quick') noteVerified(set, report);
  return {
    ...verified,
    damage,
    set,
    hostname: manifest.hostname,
    createdAt: manifest.createdAt,
    checkedBytes: files.checkedBytes,
    // It is written last, and was read.
    unknownFiles: files.unknown.filter((path) => path !== MANIFEST_FILE),
  };
}

/** For list and show. Where nothing can be written, the set is as whole as it was. */
function noteVerified(set: string, report: RunReport): void {
  try {
    recordVerified(set, new Date());
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    report.detail(`that it was verified is not noted: ${error.message}`);
  }
}

/** A whole image, but that of another run. */
function otherImage(
  path: string,
  { plainBytes, proof }: VerifyResult,
  manifest: { imageSizeBytes: number; plainBytes: number },
): string[] {
  try {
    const { size } = statSync(path);
    const isSame = size === manifest.imageSizeBytes && (proof === 'quick' || plainBytes === manifest.plainBytes);
    if (isSame) return [];
    return [
      `it is not the image that the set was made with: that had ${sizeInWords(manifest.imageSizeBytes)}, of a disk of ${sizeInWords(manifest.plainBytes)}`,
    ];
  } catch (error) {
    throw fromSystem(error, 'look at', path);
  }
}
