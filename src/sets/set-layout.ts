import type { CodecName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';

/**
 * Where the files of a set are: `DIR/HOSTNAME/2026-11-20T20-30-00Z/`, the time being when the run began, in UTC. A
 * directory is a set as soon as it has a manifest.json, which is written last.
 */

export const MANIFEST_FILE = 'manifest.json';
export const SUMS_FILE = 'SHA256SUMS';
export const LOG_FILE = 'backup.log';
export const RECOVERY_FILE = 'RECOVERY.md';
export const RESTORE_SCRIPT_FILE = 'restore.sh';
export const HOST_DIRECTORY = 'host';
/** Who writes this set; gone when it is done. */
export const UNFINISHED_FILE = 'UNFINISHED';
/** What manifest.json becomes while the set is removed: it is no set any more, and still tells which files are ours. */
export const REMOVING_FILE = 'manifest.json.removing';
/** An admin makes it (`touch SET/protected`), and no prune removes the set. */
export const PROTECTED_FILE = 'protected';
/** When the set was last proven whole, after the run that made it. Holds an ISO 8601 time. */
export const VERIFIED_FILE = 'verified';
/** Behind the names of files that are not yet whole. */
export const PARTIAL_SUFFIX = '.partial';

const IMAGE_STEM = 'boot-disk.img';
const IMAGE_SUFFIXES: Readonly<Record<CodecName, string>> = {
  zstd: '.zst',
  gzip: '.gz',
  lz4: '.lz4',
  xz: '.xz',
  bzip2: '.bz2',
  none: '',
};
/** As src/image puts them beside an image. */
const SIDECAR_SUFFIXES = ['.sha256', '.json', '.log', '.map'];

/** "boot-disk.img.zst" */
export function imageFileName(codec: CodecName): string {
  return IMAGE_STEM + IMAGE_SUFFIXES[codec];
}

/** Every name that we may have given to a file directly in the directory of a set, whole or not. */
export function ownFileNames(image: string | undefined): Set<string> {
  const images = image === undefined ? Object.values(IMAGE_SUFFIXES).map((suffix) => IMAGE_STEM + suffix) : [image];
  const names = [
    ...images.flatMap((name) => [name, ...SIDECAR_SUFFIXES.map((suffix) => name + suffix)]),
    MANIFEST_FILE,
    SUMS_FILE,
    LOG_FILE,
    RECOVERY_FILE,
    RESTORE_SCRIPT_FILE,
    VERIFIED_FILE,
  ];
  return new Set([
    ...names,
    ...names.map((name) => name + PARTIAL_SUFFIX),
    UNFINISHED_FILE,
    REMOVING_FILE,
    PROTECTED_FILE,
  ]);
}

/** "2026-11-20T20-30-00Z": no colon, which file systems of others do not take. */
export function setNameOf(time: Date): string {
  return `${time.toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
}

/** Undefined for any name that `setNameOf` does not give. */
export function timeOfSetName(name: string): Date | undefined {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z$/.exec(name);
  if (match === null) return undefined;
  const time = new Date(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`);
  // The 31st of February is another day to Date.
  return Number.isNaN(time.getTime()) || setNameOf(time) !== name ? undefined : time;
}

/**
 * A hostname as the name of a directory. The kernel takes anything up to 64 bytes for a hostname, "../.." as well. Two
 * hosts may share a directory by this; whose a set is, its manifest tells.
 */
export function hostDirectoryName(hostname: string): string {
  const name = hostname.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^[.-]/, '_');
  return name === '' ? '_' : name.slice(0, 64);
}

/**
 * Lets nothing through that leads out of a set's directory, for manifests and sums come from where others can write.
 * @param path relative, of plain names
 * @throws LifeboatError DAMAGE
 */
export function checkRelativePath(path: string, where: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const plain = path !== '' && path.length <= 4096 && !/[\\\u0000-\u001f\u007f]/.test(path);
  if (plain && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')) return;
  throw new LifeboatError('DAMAGE', `Cannot trust ${where}: it names the file ${JSON.stringify(path)}`, {
    hint: 'no set of lifeboat has such a name in it: look at who wrote it',
  });
}
