import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem } from '../error.js';
import type { Calibration } from '../policy/calibration.js';
import type { CardSpeed } from '../policy/cards.js';
import { readPrivateFile, replaceFile } from './private-file.js';
import { numberOf, textOf } from './saved-run.js';

/** And what a restore needs: the image is read from where sets are kept, and written to a disk like that of this host. */
export interface HostCalibration extends Calibration {
  /** Of the directory that keeps the sets: reading an image back. */
  targetReadBytesPerSecond?: number;
  /** Of the file system that the history is on, most often the boot disk. */
  diskWriteBytesPerSecond?: number;
}

export function calibrationPath(directory: string): string {
  return join(directory, 'calibration.json');
}

/** @throws LifeboatError */
export function writeCalibration(directory: string, calibration: HostCalibration): string {
  const path = calibrationPath(directory);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fromSystem(error, 'make the directory', directory);
  }
  replaceFile(path, `${JSON.stringify(calibration, null, 2)}\n`);
  return path;
}

/**
 * @returns undefined where there is none, or none that a bench of ours wrote: it is made anew by `lifeboat bench --save`
 * @throws LifeboatError where it cannot be read, or others may write to it
 */
export function readCalibration(directory: string): HostCalibration | undefined {
  const text = readPrivateFile(calibrationPath(directory));
  return text === undefined ? undefined : parseCalibration(text);
}

/** Pure. Speeds that are none are left out. */
export function parseCalibration(text: string): HostCalibration | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { madeAt, threads, codecs, gpus, ...rest } = value as Record<string, unknown>;
  const known = Array.isArray(codecs) ? codecs.flatMap((codec: unknown) => codecSpeed(codec) ?? []) : [];
  const count = positive(threads);
  if (typeof madeAt !== 'string' || Number.isNaN(Date.parse(madeAt)) || count === undefined || known.length === 0)
    return undefined;
  const speeds = SPEEDS.flatMap((name) => {
    const speed = positive(rest[name]);
    return speed === undefined ? [] : [[name, speed] as const];
  });
  const cards = Array.isArray(gpus) ? gpus.flatMap((card: unknown) => cardSpeed(card) ?? []) : [];
  return {
    madeAt,
    threads: count,
    codecs: known,
    ...(cards.length === 0 ? {} : { gpus: cards }),
    ...Object.fromEntries(speeds),
  };
}

const SPEEDS = [
  'readBytesPerSecond',
  'writeBytesPerSecond',
  'targetReadBytesPerSecond',
  'diskWriteBytesPerSecond',
] as const satisfies (keyof HostCalibration)[];

function codecSpeed(value: unknown): Calibration['codecs'][number] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found = value as Record<string, unknown>;
  const codec = textOf(found.codec);
  const level = typeof found.level === 'number' && Number.isFinite(found.level) ? found.level : undefined;
  const bytesPerSecondPerThread = positive(found.bytesPerSecondPerThread);
  const ratio = positive(found.ratio);
  const decodeBytesPerSecondPerThread = positive(found.decodeBytesPerSecondPerThread);
  if (codec === undefined || level === undefined || ratio === undefined) return undefined;
  if (bytesPerSecondPerThread === undefined || decodeBytesPerSecondPerThread === undefined) return undefined;
  return { codec, level, bytesPerSecondPerThread, ratio, decodeBytesPerSecondPerThread };
}

/** More threads than this feed nothing faster: a file that says so was not written by a bench of ours. */
const MOST_FEEDERS = 8;

function cardSpeed(value: unknown): CardSpeed | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found = value as Record<string, unknown>;
  const name = textOf(found.name);
  const index = numberOf(found.index);
  const feeders = positive(found.feeders);
  const ratio = positive(found.ratio);
  const compressBytesPerSecond = positive(found.compressBytesPerSecond);
  const decompressBytesPerSecond = positive(found.decompressBytesPerSecond);
  if (name === undefined || name === '' || index === undefined || ratio === undefined) return undefined;
  if (feeders === undefined || !Number.isInteger(feeders) || feeders > MOST_FEEDERS) return undefined;
  if (compressBytesPerSecond === undefined || decompressBytesPerSecond === undefined) return undefined;
  return { index, name, feeders, ratio, compressBytesPerSecond, decompressBytesPerSecond };
}

function positive(value: unknown): number | undefined {
  const number = numberOf(value);
  return number === 0 ? undefined : number;
}
