import type { LeftOut } from '../device/disk-map.js';
import { LifeboatError } from '../error.js';
import { checkRelativePath } from './set-layout.js';

/** A file of host/. */
export interface SetHostFile {
  /** Relative to host/. */
  name: string;
  /** "sfdisk --dump /dev/sda" */
  madeBy: string;
  sizeBytes: number;
}

/** What `manifest.json` of a set tells (docs/formats.md, "Sets"). Sizes in bytes, times in milliseconds. */
export interface SetManifest {
  format: 'lifeboat-set';
  formatVersion: 1;
  lifeboatVersion: string;
  /** ISO 8601, UTC: when the run began. */
  createdAt: string;
  hostname: string;
  disk: {
    path: string;
    model: string | undefined;
    serial: string | undefined;
    sizeBytes: number;
    logicalSectorBytes: number;
  };
  /** Paths of all boot disks that were found; the image is of one of them. */
  disks: string[];
  /** The image's file name. */
  image: string;
  imageSizeBytes: number;
  /** What the image decodes to. */
  plainBytes: number;
  /** What was read of the disk. */
  readBytes: number;
  codec: string;
  /** `snapshot`: as at one moment. `crash`: as after a power cut, in part at different moments. `still`: nothing changed it. */
  consistency: 'snapshot' | 'crash' | 'still';
  leftOut: LeftOut[];
  /** Where the last byte that is not zero ends, the backup GPT aside: no smaller disk can hold it. */
  usedEndBytes: number;
  bootMode: 'uefi' | 'bios';
  guests: 'left out' | 'included' | 'none';
  hostFiles: SetHostFile[];
  missingHostFiles: { name: string; reason: string }[];
  /** ISO 8601; undefined if the run was told not to verify. */
  verifiedAt: string | undefined;
  durationMs: number;
  warnings: string[];
}

export function encodeSetManifest(manifest: SetManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

const LEAST_SECTOR_BYTES = 512;
const REASONS = ['free', 'swap', 'guests', 'excluded', 'unused blocks', 'gap'] as const;

/**
 * Every field is checked, for others can write where sets are kept: file names lead nowhere else, sizes are sizes.
 * @param path the manifest's own, for messages
 * @throws LifeboatError DAMAGE where it is no manifest of a set, FAILED where it is of a later format
 */
export function parseSetManifest(text: string, path: string): SetManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LifeboatError('DAMAGE', `Cannot read "${path}": it is no JSON`, { hint: HINT, cause: error });
  }
  const broken = (what: string) =>
    new LifeboatError('DAMAGE', `Cannot use "${path}": ${what} is missing or wrong`, { hint: HINT });
  const top = recordIn(value);
  if (top === undefined || top.format !== 'lifeboat-set')
    throw new LifeboatError('DAMAGE', `Cannot use "${path}": it is no manifest of a set`, { hint: HINT });
  if (top.formatVersion !== 1)
    throw new LifeboatError(
      'FAILED',
      `Cannot use "${path}": its format is ${JSON.stringify(top.formatVersion)}, not 1`,
      {
        hint: 'restore it with the lifeboat that wrote it (rescue-kit), or by the restore.sh beside it',
      },
    );

  const textOf = (from: Record<string, unknown>, key: string): string => {
    const found = from[key];
    if (typeof found === 'string') return found;
    throw broken(`"${key}"`);
  };
  const optionalTextOf = (from: Record<string, unknown>, key: string): string | undefined =>
    from[key] === undefined || from[key] === null ? undefined : textOf(from, key);
  const sizeOf = (from: Record<string, unknown>, key: string): number => {
    const found = from[key];
    if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return found;
    throw broken(`"${key}"`);
  };
  const timeOf = (found: string, key: string): string => {
    if (Number.isNaN(Date.parse(found))) throw broken(`"${key}"`);
    return found;
  };
  const oneOf = <T extends string>(from: Record<string, unknown>, key: string, choices: readonly T[]): T => {
    const found = choices.find((choice) => choice === from[key]);
    if (found === undefined) throw broken(`"${key}"`);
    return found;
  };
  const listOf = (key: string): unknown[] => {
    const found = top[key];
    if (Array.isArray(found)) return found;
    throw broken(`"${key}"`);
  };
  const recordsOf = (key: string): Record<string, unknown>[] =>
    listOf(key).map((entry) => {
      const found = recordIn(entry);
      if (found === undefined) throw broken(`"${key}"`);
      return found;
    });
  const textsOf = (key: string): string[] =>
    listOf(key).map((entry) => {
      if (typeof entry !== 'string') throw broken(`"${key}"`);
      return entry;
    });

  const disk = recordIn(top.disk);
  if (disk === undefined) throw broken('"disk"');
  const image = textOf(top, 'image');
  checkRelativePath(image, `"${path}"`);
  if (image.includes('/')) throw broken('"image"');
  const hostFiles = recordsOf('hostFiles').map((file) => ({
    name: textOf(file, 'name'),
    madeBy: textOf(file, 'madeBy'),
    sizeBytes: sizeOf(file, 'sizeBytes'),
  }));
  for (const { name } of hostFiles) checkRelativePath(name, `"${path}"`);
  const verifiedAt = optionalTextOf(top, 'verifiedAt');
  const logicalSectorBytes = sizeOf(disk, 'logicalSectorBytes');
  if (logicalSectorBytes < LEAST_SECTOR_BYTES) throw broken('"logicalSectorBytes"');
  const durationMs = top.durationMs;
  if (typeof durationMs !== 'number' || !(durationMs >= 0)) throw broken('"durationMs"');

  return {
    format: 'lifeboat-set',
    formatVersion: 1,
    lifeboatVersion: textOf(top, 'lifeboatVersion'),
    createdAt: timeOf(textOf(top, 'createdAt'), 'createdAt'),
    hostname: textOf(top, 'hostname'),
    disk: {
      path: textOf(disk, 'path'),
      model: optionalTextOf(disk, 'model'),
      serial: optionalTextOf(disk, 'serial'),
      sizeBytes: sizeOf(disk, 'sizeBytes'),
      logicalSectorBytes,
    },
    disks: textsOf('disks'),
    image,
    imageSizeBytes: sizeOf(top, 'imageSizeBytes'),
    plainBytes: sizeOf(top, 'plainBytes'),
    readBytes: sizeOf(top, 'readBytes'),
    codec: textOf(top, 'codec'),
    consistency: oneOf(top, 'consistency', ['snapshot', 'crash', 'still']),
    leftOut: recordsOf('leftOut').map((part) => ({
      what: textOf(part, 'what'),
      bytes: sizeOf(part, 'bytes'),
      reason: oneOf(part, 'reason', REASONS),
    })),
    usedEndBytes: sizeOf(top, 'usedEndBytes'),
    bootMode: oneOf(top, 'bootMode', ['uefi', 'bios']),
    guests: oneOf(top, 'guests', ['left out', 'included', 'none']),
    hostFiles,
    missingHostFiles: recordsOf('missingHostFiles').map((file) => ({
      name: textOf(file, 'name'),
      reason: textOf(file, 'reason'),
    })),
    verifiedAt: verifiedAt === undefined ? undefined : timeOf(verifiedAt, 'verifiedAt'),
    durationMs,
    warnings: textsOf('warnings'),
  };
}

const HINT = 'the image may be whole all the same: lifeboat verify IMAGE, and restore it by itself';

function recordIn(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
