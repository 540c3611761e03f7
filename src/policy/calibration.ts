import type { CodecName } from '../codec/codec.js';
import type { CardSpeed } from './cards.js';
import { median } from './median.js';

/** What a host does, as `lifeboat bench --save` measured it. Speeds in bytes a second, of plaintext where a codec is meant. */
export interface Calibration {
  /** ISO 8601. */
  madeAt: string;
  /** How many threads it was measured with; the codecs' speeds are those of one of them. */
  threads: number;
  readBytesPerSecond?: number;
  writeBytesPerSecond?: number;
  codecs: CodecSpeed[];
  /** Graphics cards, in the driver's order. */
  gpus?: CardSpeed[];
}

export interface CodecSpeed {
  codec: string;
  level: number;
  bytesPerSecondPerThread: number;
  ratio: number;
  decodeBytesPerSecondPerThread: number;
}

const MB = 1e6;

function speed(codec: CodecName, level: number, encode: number, ratio: number, decode: number): CodecSpeed {
  return {
    codec,
    level,
    bytesPerSecondPerThread: encode * MB,
    ratio,
    decodeBytesPerSecondPerThread: decode * MB,
  };
}

/**
 * For a host that was never calibrated: processor time of one thread on 128 MiB of Debian's /usr, frames as they are written,
 * AMD EPYC (Zen 5), libzstd 1.5.4. Another processor moves all of them alike, so that what is compared stays comparable.
 */
export const BUILT_IN_CALIBRATION: Readonly<Calibration> = {
  madeAt: '2026-11-21T00:00:00.000Z',
  threads: 1,
  codecs: [
    speed('lz4', 1, 750, 1.84, 3175),
    speed('zstd', -7, 868, 1.69, 2422),
    speed('zstd', -5, 808, 1.79, 2270),
    speed('zstd', -3, 736, 1.94, 2154),
    speed('zstd', -1, 659, 2.15, 2031),
    speed('zstd', 1, 554, 2.41, 1515),
    speed('zstd', 2, 436, 2.56, 1471),
    speed('zstd', 3, 335, 2.66, 1433),
    speed('zstd', 4, 222, 2.73, 1381),
    speed('zstd', 5, 137, 2.81, 1287),
    speed('zstd', 6, 108, 2.87, 1309),
    speed('zstd', 7, 102, 2.9, 1338),
    speed('zstd', 9, 77, 2.95, 1331),
    speed('zstd', 12, 29, 3.03, 1344),
    speed('zstd', 15, 6, 3.07, 1241),
    speed('zstd', 19, 2.6, 3.38, 850),
    speed('xz', 6, 2.9, 3.6, 65),
    speed('gzip', 1, 339, 2.36, 767),
    speed('gzip', 6, 98, 2.55, 802),
  ],
};

/** What the host's own calibration knows, the rest from the built-in one, moved by how the two differ. */
export function withBuiltIn(own: Calibration | undefined): Calibration {
  const known = (own?.codecs ?? []).filter(isUsable);
  if (own === undefined || known.length === 0) return BUILT_IN_CALIBRATION;
  const shared = known.flatMap((row) => {
    const builtIn = BUILT_IN_CALIBRATION.codecs.find((other) => other.codec === row.codec && other.level === row.level);
    return builtIn === undefined ? [] : [{ row, builtIn }];
  });
  // Where nothing was measured that is built in too, the two are taken for alike.
  const faster =
    median(shared.map(({ row, builtIn }) => row.bytesPerSecondPerThread / builtIn.bytesPerSecondPerThread)) ?? 1;
  const denser = median(shared.map(({ row, builtIn }) => row.ratio / builtIn.ratio)) ?? 1;
  const rest = BUILT_IN_CALIBRATION.codecs
    .filter(({ codec, level }) => !known.some((row) => row.codec === codec && row.level === level))
    .map((row) => ({
      ...row,
      bytesPerSecondPerThread: row.bytesPerSecondPerThread * faster,
      ratio: Math.max(1, row.ratio * denser),
      decodeBytesPerSecondPerThread: row.decodeBytesPerSecondPerThread * faster,
    }));
  return { ...own, codecs: [...known, ...rest] };
}

function isUsable(row: CodecSpeed): boolean {
  return isPositive(row.bytesPerSecondPerThread) && isPositive(row.ratio);
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

/** Levels of a codec, lowest first. */
export function speedsOf(calibration: Calibration, codec: string): CodecSpeed[] {
  return calibration.codecs.filter((row) => row.codec === codec && isUsable(row)).sort((a, b) => a.level - b.level);
}

/** Of a level that was not measured: that of the nearest which was; undefined where nothing is known of the codec. */
export function speedOf(calibration: Calibration, codec: string, level: number): CodecSpeed | undefined {
  const rows = speedsOf(calibration, codec);
  return rows.reduce<CodecSpeed | undefined>(
    (best, row) => (best === undefined || Math.abs(row.level - level) < Math.abs(best.level - level) ? row : best),
    undefined,
  );
}
