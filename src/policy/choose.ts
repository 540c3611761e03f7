import type { CodecName } from '../codec/codec.js';
import { type CodecSpeed, speedOf, speedsOf, withBuiltIn } from './calibration.js';
import type { Gpu } from './cards.js';
import { fitsMemory, MOST_BALANCED_LEVEL } from './context-memory.js';
import { type ChoiceFacts, type DataKind, saneFacts } from './facts.js';
import { type Experience, experienceOf } from './past-run.js';
import { type Bounds, densest, predictSpeed, soonest } from './predict.js';

/** What a run begins with, and how far it may go from there. */
export interface Choice {
  codec: CodecName;
  level: number;
  threads: number;
  /** Undefined: the codec's own. Bytes. */
  chunkBytes: number | undefined;
  /** Graphics cards that compress to lz4; undefined: the host's processors do it all. */
  gpu: (Pick<Gpu, 'name' | 'devices'> & { isHybrid: boolean }) | undefined;
  /** zstd's levels that the run may go to while it goes on; undefined where the level stays. */
  levels: { base: number; least: number; most: number } | undefined;
  /** Bytes of plaintext a second; undefined where neither source nor target is known. */
  predictedBytesPerSecond: number | undefined;
  /** In the order in which they counted, with their numbers. */
  reasons: string[];
}

/** Above it a host has no processor to spare. */
const HIGH_LOAD = 0.7;
/** Below it a host has processors that nobody uses. */
const LOW_LOAD = 0.3;
const LITTLE_MEMORY_BYTES = 2 * 1024 ** 3;
/** Some task waited for memory in a tenth of the time: it is being taken from somebody. */
const HIGH_MEMORY_PRESSURE = 0.1;
const LEAN_CHUNK_BYTES = 1024 ** 2;
const LEAN_THREADS = 2;
const BASE_LEVELS: Readonly<Record<DataKind, number>> = { general: 3, database: 6, logs: 9 };
/** lz4's speed at zstd's format. */
export const LEAST_LEVEL = -7;
export const ARCHIVE_LEVEL = 19;
/**
 * What a quiet host's disk and target are taken for while nobody knows them: more than most give together, so a level that
 * keeps up with it is free. Where they are quicker the run comes down within 2 s, which cost 1.3 s at most when simulated.
 */
const ASSUMED_BYTES_PER_SECOND = 1.5e9;
/** Predictions are no better than this. */
const SLACK = 0.03;
/** A prediction may be so much too good when an end was promised. */
const WINDOW_MARGIN = 0.9;
/** Of the host's memory, what a thread that feeds a card has in flight: 192 MiB, as chunk and frame, in slots and in mapped buffers. */
const FEEDER_BYTES = 768 * 1024 ** 2;
const GPU_MEMORY_SHARE = 0.5;
/** xz is smaller than zstd 19 by 6 % and decodes at a thirteenth of its speed: not where that makes the worst day longer. */
const MOST_RESTORE_MS = 10 * 60_000;

/** Codec, level and threads for a run, and why. Pure. Facts that are no numbers count as not known. */
export function choose(given: ChoiceFacts): Choice {
  const facts = saneFacts(given);
  const calibration = withBuiltIn(facts.calibration);
  const ratioOf = (codec: string, level: number) => speedOf(calibration, codec, level)?.ratio;
  const experience = experienceOf(facts.pastRuns, facts.source, ratioOf);
  const rows = calibration.codecs.map((row) => ({ ...row, ratio: ratioHere(row, experience) }));
  const here = { ...calibration, codecs: rows };
  const bounds = boundsOf(facts, here.readBytesPerSecond, here.writeBytesPerSecond, experience);
  const zstd = speedsOf(here, 'zstd').filter(({ level }) => level <= 1 || fitsMemory(level, facts));
  const lz4 = speedOf(here, 'lz4', 1);
  const gpu = usableGpu(facts, experience);
  const table: Table = { facts, bounds, zstd, lz4, xz: speedOf(here, 'xz', 6), gpu, experience };
  return chooseLean(table) ?? chooseUnderLoad(table) ?? chooseIncompressible(table) ?? chooseByTime(table);
}

interface Table {
  facts: ChoiceFacts;
  bounds: Bounds;
  zstd: CodecSpeed[];
  lz4: CodecSpeed | undefined;
  xz: CodecSpeed | undefined;
  gpu: Gpu | undefined;
  experience: Experience | undefined;
}

/** Nothing compresses by less than 1. */
function ratioHere({ ratio }: Pick<CodecSpeed, 'ratio'>, experience: Experience | undefined): number {
  return Math.max(1, ratio * (experience?.ratioFactor ?? 1));
}

/** With as many threads to feed it as there is memory for; undefined where it may not make what is to be made. */
function usableGpu({ gpu, codecs, availableBytes }: ChoiceFacts, experience: Experience | undefined): Gpu | undefined {
  if (gpu === undefined || !codecs.includes('lz4')) return undefined;
  const most = availableBytes === undefined ? 1 : Math.floor((availableBytes * GPU_MEMORY_SHARE) / FEEDER_BYTES);
  const devices = gpu.devices.slice(0, Math.max(1, most));
  const share = devices.length / gpu.devices.length;
  const compressBytesPerSecond = gpu.compressBytesPerSecond * share;
  return { ...gpu, devices, compressBytesPerSecond, ratio: ratioHere(gpu, experience) };
}

function boundsOf(
  { load, threads, cores, bwlimitBytesPerSecond }: ChoiceFacts,
  readBytesPerSecond: number | undefined,
  writeBytesPerSecond: number | undefined,
  experience: Experience | undefined,
): Bounds {
  const read = experience?.readBytesPerSecond ?? readBytesPerSecond ?? Number.POSITIVE_INFINITY;
  return {
    readBytesPerSecond: Math.min(read, bwlimitBytesPerSecond ?? Number.POSITIVE_INFINITY),
    writeBytesPerSecond: experience?.writeBytesPerSecond ?? writeBytesPerSecond ?? Number.POSITIVE_INFINITY,
    threads: Math.min(threads, Math.max(0.1, cores * (1 - (load ?? 0)))),
  };
}

const has = (facts: ChoiceFacts, codec: CodecName) => facts.codecs.includes(codec);
const percent = (share: number) => `${Math.round(100 * share)} %`;
const perSecond = (bytes: number) => `${Math.round(bytes / 1e6)} MB/s`;

function chooseLean(table: Table): Choice | undefined {
  const { availableBytes, memoryPressure, threads } = table.facts;
  const isShort = availableBytes !== undefined && availableBytes < LITTLE_MEMORY_BYTES;
  const isPressed = (memoryPressure ?? 0) > HIGH_MEMORY_PRESSURE;
  if (!isShort && !isPressed) return undefined;
  const why = isShort
    ? `${(availableBytes / 1024 ** 3).toFixed(1)} GiB of memory free, under 2`
    : `tasks waited for memory in ${percent(memoryPressure ?? 0)} of the last 10 s, over ${percent(HIGH_MEMORY_PRESSURE)}`;
  return {
    ...quickest(table, [why, 'so the leanest']),
    threads: Math.min(threads, LEAN_THREADS),
    chunkBytes: LEAN_CHUNK_BYTES,
  };
}

function chooseUnderLoad(table: Table): Choice | undefined {
  const { facts, gpu, lz4, bounds } = table;
  const { load } = facts;
  if (load === undefined || load <= HIGH_LOAD) return undefined;
  const why = `others keep the processors ${percent(load)} busy, over ${percent(HIGH_LOAD)}`;
  if (gpu === undefined || lz4 === undefined) return quickest(table, [why]);
  // A thread that feeds a card is busy all the time: what it could do by itself is what the card costs.
  const instead = gpu.devices.length * lz4.bytesPerSecondPerThread;
  const threads = gpu.devices.length === 1 ? 'one thread' : `${gpu.devices.length} threads`;
  const speeds = `${gpu.name} does ${perSecond(gpu.compressBytesPerSecond)} of lz4 for ${threads} that would do ${perSecond(instead)}`;
  if (gpu.compressBytesPerSecond <= instead) return quickest(table, [why, `not on the card: ${speeds}`]);
  const row = cardRow(gpu, lz4, bounds, false);
  return withGpu(fixed('lz4', row, facts, bounds, [why, speeds]), gpu, false);
}

/** A card as a row of the table; with the processors beside it, but for those that feed it. */
function cardRow(
  { devices, compressBytesPerSecond, ratio }: Gpu,
  lz4: CodecSpeed,
  { threads }: Bounds,
  isHybrid: boolean,
): CodecSpeed {
  const beside = isHybrid ? lz4.bytesPerSecondPerThread * Math.max(0, threads - devices.length) : 0;
  const all = compressBytesPerSecond + beside;
  return {
    ...lz4,
    bytesPerSecondPerThread: all / threads,
    ratio: all / (compressBytesPerSecond / ratio + beside / lz4.ratio),
  };
}

function withGpu(choice: Choice, { name, devices }: Gpu, isHybrid: boolean): Choice {
  return { ...choice, gpu: { name, devices, isHybrid } };
}

/** lz4 as it can be had here: by the processors, and by them with a card. */
function lz4Rows({ facts, lz4, gpu, bounds }: Table): CodecSpeed[] {
  if (lz4 === undefined || !has(facts, 'lz4')) return [];
  return gpu === undefined ? [lz4] : [lz4, cardRow(gpu, lz4, bounds, true)];
}

function fixedLz4(row: CodecSpeed, { facts, bounds, lz4, gpu }: Table, reasons: string[]): Choice {
  if (gpu === undefined || row === lz4) return fixed('lz4', row, facts, bounds, reasons);
  const why = `${gpu.name} beside the processors: ${perSecond(gpu.compressBytesPerSecond)} of lz4 more`;
  return withGpu(fixed('lz4', row, facts, bounds, [...reasons, why]), gpu, true);
}

function chooseIncompressible(table: Table): Choice | undefined {
  if (table.facts.isIncompressible !== true) return undefined;
  return quickest(table, ['samples of the source do not compress: it is encrypted or compressed already']);
}

/** What takes the least of the processors among the codecs that are allowed. */
function quickest({ facts, bounds, lz4, zstd }: Table, reasons: string[]): Choice {
  if (has(facts, 'lz4') && lz4 !== undefined) return fixed('lz4', lz4, facts, bounds, reasons);
  const least = zstd.find(({ level }) => level >= LEAST_LEVEL);
  // Up again once there are processors: the data or the load may change.
  const levels = { base: BASE_LEVELS[facts.kind], least: LEAST_LEVEL, most: BASE_LEVELS[facts.kind] };
  return { ...fixed('zstd', least, facts, bounds, reasons), levels };
}

function fixed(
  codec: CodecName,
  row: CodecSpeed | undefined,
  { threads }: ChoiceFacts,
  bounds: Bounds,
  reasons: string[],
): Choice {
  return {
    codec,
    level: row?.level ?? 3,
    threads,
    chunkBytes: undefined,
    gpu: undefined,
    levels: undefined,
    predictedBytesPerSecond: row === undefined ? undefined : knownSpeed(row, bounds),
    reasons,
  };
}

function knownSpeed(row: CodecSpeed, bounds: Bounds): number | undefined {
  const isKnown = Number.isFinite(bounds.readBytesPerSecond) || Number.isFinite(bounds.writeBytesPerSecond);
  return isKnown ? predictSpeed(row, bounds) : undefined;
}

function chooseByTime(table: Table): Choice {
  const { facts } = table;
  const wished = facts.priority === 'ratio' ? chooseArchive(table) : chooseLevel(table);
  return withinWindow(table, wished);
}

/** xz or zstd 19: xz is smaller, and slow to restore. */
function chooseArchive({ facts, bounds, zstd, xz }: Table): Choice {
  const { threads, sourceBytes } = facts;
  const best = zstd.filter(({ level }) => level <= ARCHIVE_LEVEL).at(-1);
  const restoreMs =
    xz === undefined || sourceBytes === undefined
      ? Number.POSITIVE_INFINITY
      : (1000 * sourceBytes) / (xz.decodeBytesPerSecondPerThread * threads);
  const isXzWorthIt = xz !== undefined && has(facts, 'xz') && xz.ratio > (best?.ratio ?? 0);
  if (isXzWorthIt && restoreMs <= MOST_RESTORE_MS) {
    const why = `ratio ${xz.ratio.toFixed(2)} expected, decoded in ${Math.round(restoreMs / 1000)} s`;
    return fixed('xz', xz, facts, bounds, [`priority ratio: xz, ${why}`]);
  }
  const level = best?.level ?? ARCHIVE_LEVEL;
  const reasons = [`priority ratio: zstd ${level}, ratio ${best?.ratio.toFixed(2)} expected`];
  if (isXzWorthIt) reasons.push('xz would take more than 10 min to decode, or nobody knows how long');
  return { ...fixed('zstd', best, facts, bounds, reasons), levels: { base: level, least: LEAST_LEVEL, most: level } };
}

function chooseLevel(table: Table): Choice {
  const { facts, bounds, zstd, experience } = table;
  const { priority, kind, load } = facts;
  const base = BASE_LEVELS[kind];
  const reasons: string[] = [];
  if (kind !== 'general') reasons.push(`data of kind ${kind}: from level ${base}`);
  reasons.push(load === undefined ? 'load not known' : `others keep the processors ${percent(load)} busy`);
  if (experience !== undefined)
    reasons.push(`${experience.runs} past runs: ratio ${experience.ratioFactor.toFixed(2)} times the usual`);
  const isQuiet = load === undefined || load < LOW_LOAD;
  // Half of what is free, where others work: theirs may become more.
  const spare = { ...bounds, threads: bounds.threads * (isQuiet ? 1 : 0.5) };
  const baseRow = zstd.find(({ level }) => level >= base) ?? zstd.at(-1);
  const most = Math.max(baseRow?.level ?? base, Math.min(zstd.at(-1)?.level ?? base, MOST_BALANCED_LEVEL));
  if (priority === 'speed') {
    const rows = [...lz4Rows(table), ...zstd.filter(({ level }) => level <= most)];
    const row = soonest(
      rows.filter(({ level, codec }) => codec === 'lz4' || level >= LEAST_LEVEL),
      bounds,
      SLACK,
    );
    reasons.push(`priority speed: ends soonest${limitInWords(bounds)}`);
    if (row?.codec === 'lz4') return fixedLz4(row, table, reasons);
    return { ...fixed('zstd', row, facts, bounds, reasons), levels: { base: LEAST_LEVEL, least: LEAST_LEVEL, most } };
  }
  const isBounded = Number.isFinite(bounds.readBytesPerSecond) || Number.isFinite(bounds.writeBytesPerSecond);
  const rows = zstd.filter(({ level }) => level >= (baseRow?.level ?? base) && level <= most);
  const assumed = isBounded ? spare : { ...spare, readBytesPerSecond: ASSUMED_BYTES_PER_SECOND };
  // Past runs without a bound were bound by the processors.
  const row = isBounded || (isQuiet && experience === undefined) ? soonest(rows, assumed, SLACK) : baseRow;
  if (row !== undefined && baseRow !== undefined && row.level > baseRow.level) {
    const limit = isBounded
      ? limitInWords(bounds)
      : `, as long as the disk gives ${perSecond(ASSUMED_BYTES_PER_SECOND)} at most`;
    reasons.push(`level ${row.level} instead of ${baseRow.level} ends no later${limit}`);
  } else if (isQuiet && !isBounded) {
    reasons.push('how fast source and target are is not known: a higher level once the processors wait for them');
  }
  return { ...fixed('zstd', row, facts, bounds, reasons), levels: { base, least: LEAST_LEVEL, most } };
}

function limitInWords({ readBytesPerSecond, writeBytesPerSecond }: Bounds): string {
  const parts = [
    ...(Number.isFinite(readBytesPerSecond) ? [`read ${perSecond(readBytesPerSecond)}`] : []),
    ...(Number.isFinite(writeBytesPerSecond) ? [`write ${perSecond(writeBytesPerSecond)}`] : []),
  ];
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** Where an end was promised: the densest that keeps it, or what comes nearest. */
function withinWindow(table: Table, wished: Choice): Choice {
  const { facts, bounds, zstd } = table;
  const { finishInMs, sourceBytes } = facts;
  if (finishInMs === undefined || sourceBytes === undefined) return wished;
  const needed = sourceBytes / Math.max(1e-3, (finishInMs / 1000) * WINDOW_MARGIN);
  const minutes = Math.round(finishInMs / 60_000);
  const row = zstd.find(({ level }) => level === wished.level);
  const wishedSpeed = wished.codec === 'zstd' && row !== undefined ? predictSpeed(row, bounds) : 0;
  if (wishedSpeed >= needed) return wished;
  const rows = [...lz4Rows(table), ...zstd.filter(({ level }) => level >= LEAST_LEVEL)];
  const below = rows.filter(({ ratio }) => row === undefined || ratio <= row.ratio);
  const fitting = densest(below.filter((candidate) => predictSpeed(candidate, bounds) >= needed));
  const chosen = fitting ?? soonest(rows, bounds, 0);
  const why =
    fitting === undefined
      ? `${minutes} min left will not do: the quickest there is`
      : `${minutes} min left want ${perSecond(needed)}, which ${wished.codec} ${wished.level} does not reach`;
  const reasons = [...wished.reasons, why];
  if (chosen?.codec === 'lz4') return fixedLz4(chosen, table, reasons);
  const most = Math.max(chosen?.level ?? 3, 3);
  return { ...fixed('zstd', chosen, facts, bounds, reasons), levels: { base: LEAST_LEVEL, least: LEAST_LEVEL, most } };
}
