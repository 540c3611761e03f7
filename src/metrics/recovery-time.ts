import { median } from '../policy/median.js';
import type { HostCalibration } from './calibration-file.js';
import type { Restored } from './runs.js';

/** What is to be restored; sizes in bytes. */
export interface Restorable {
  codec: string;
  level: number | undefined;
  imageBytes: number;
  /** Of the plaintext, what is neither a hole nor left out: zeros are not written. */
  dataBytes: number;
}

export interface Prediction {
  /** How long the restore will take. */
  ms: number;
  /** The same before anything was learnt from earlier restores. */
  modelMs: number;
  /** The stage that decides. */
  slowest: 'reading' | 'decoding' | 'writing';
  /** How many restores it has learnt from. */
  restores: number;
}

/** Starting, opening both ends, reading the index, syncing: 0.15 to 0.2 s on an idle host. */
const START_MS = 200;

/**
 * How long a restore takes on this host: its stages work side by side, with enough frames in hand that the slowest alone
 * decides. What earlier restores took corrects it: they were onto other disks, and beside other work. Pure.
 * @returns undefined where this host or this codec was not calibrated
 */
export function predictRestore(
  { codec, level, imageBytes, dataBytes }: Restorable,
  calibration: HostCalibration | undefined,
  restored: readonly Restored[],
): Prediction | undefined {
  const speeds = calibration?.codecs.filter((known) => known.codec === codec) ?? [];
  const wanted = level ?? speeds[0]?.level ?? 0;
  // Decoding hardly depends on the level.
  const [nearest] = [...speeds].sort((a, b) => Math.abs(a.level - wanted) - Math.abs(b.level - wanted));
  if (calibration === undefined || (nearest === undefined && codec !== 'none')) return undefined;
  const { threads, readBytesPerSecond, targetReadBytesPerSecond, diskWriteBytesPerSecond } = calibration;
  const stages: [Prediction['slowest'], number][] = [
    ['decoding', nearest === undefined ? 0 : dataBytes / (nearest.decodeBytesPerSecondPerThread * threads)],
    ['reading', secondsOf(imageBytes, targetReadBytesPerSecond ?? readBytesPerSecond)],
    ['writing', secondsOf(dataBytes, diskWriteBytesPerSecond)],
  ];
  const [slowest, seconds] = stages.reduce((worst, next) => (next[1] > worst[1] ? next : worst));
  const modelMs = START_MS + 1000 * seconds;
  const { factor, restores } = learntFrom(restored, codec);
  return { ms: factor * modelMs, modelMs, slowest, restores };
}

function secondsOf(bytes: number, bytesPerSecond: number | undefined): number {
  return bytesPerSecond === undefined ? 0 : bytes / bytesPerSecond;
}

const LAST_RESTORES = 5;
/** A shorter one tells of starting only. */
const LEAST_MS = 2000;
/** One that went to quite another disk must not make nonsense of all that follow. */
const MOST_FACTOR = 4;

function learntFrom(restored: readonly Restored[], codec: string): { factor: number; restores: number } {
  const factors = restored
    .filter((one) => one.ok && one.codec === codec && (one.actualMs ?? 0) >= LEAST_MS)
    .flatMap(({ actualMs, modelMs }) => (actualMs === undefined || !modelMs ? [] : [actualMs / modelMs]))
    .slice(-LAST_RESTORES);
  const factor = Math.min(MOST_FACTOR, Math.max(1 / MOST_FACTOR, median(factors) ?? 1));
  return { factor, restores: factors.length };
}
