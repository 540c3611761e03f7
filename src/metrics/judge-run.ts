import type { Alert, AlertKind } from './alert.js';
import { type Baseline, baselineFor, shiftBetween, type Usual } from './baseline.js';
import type { Run } from './saved-run.js';
import { spanInWords, speedInWords } from './words.js';

/** Nightly runs of one disk differ by 2 to 5 %. */
const RATIO_SHARE = 0.3;
/** And this far in standard deviations, where a source's own noise is large. */
const RATIO_DEVIATIONS = 5;
const SLOW_SHARE = 0.5;
const SLOW_DEVIATIONS = 3.5;
/** Whatever is usual: 100 GB take three hours at this speed. */
const SLOW_BYTES_PER_SECOND = 10e6;
/** Less is read in a moment, and its speed is that of starting. */
const LEAST_READ_BYTES = 1024 ** 3;
/** A limit that is this nearly reached is why it is slow. */
const LIMITED_SHARE = 0.8;
const LONG_FACTOR = 2;
const LONG_DEVIATIONS = 5;
const LONG_MS = 5 * 60_000;
/** 1 GiB of 16 that went from a third left to nothing that compresses moves them by 1/16 * 10/15 = 0.04. */
const SHIFT_LEAST = 0.03;
const SHIFT_DEVIATIONS = 6;

/**
 * What is odd about a run, against what was usual before it. Pure.
 * @param earlier runs of the same source, oldest first
 */
export function judgeRun(run: Run, earlier: readonly Run[], baseline = baselineFor(run, earlier)): Alert[] {
  if (!run.ok) return [];
  const slow = judgeSpeed(run, baseline);
  return [
    ...judgeRatio(run, baseline),
    ...slow,
    ...(slow.length === 0 ? judgeDuration(run, baseline) : []),
    ...judgeShift(run, earlier, baseline),
  ];
}

function judgeRatio(run: Run, { ratio: usual }: Baseline): Alert[] {
  if (run.ratio === undefined || usual === undefined) return [];
  const off = run.ratio / usual.median - 1;
  if (Math.abs(off) <= RATIO_SHARE || deviationsFrom(usual, run.ratio) <= RATIO_DEVIATIONS) return [];
  const percent = Math.round(100 * Math.abs(off));
  const what = `ratio ${run.ratio.toFixed(2)}, ${percent} % ${off < 0 ? 'under' : 'over'} the usual ${usual.median.toFixed(2)} of ${usual.count} runs`;
  if (off < 0)
    return [
      alertOf(run, 'ratio-low', percent >= 70 ? 3 : percent >= 50 ? 2 : 1, {
        what,
        means: 'much more of it does not compress: encrypted by ransomware, damaged, or new media files and archives',
        todo: 'look at what has changed on it before older backups are pruned; keep one: touch SET/protected',
      }),
    ];
  return [
    alertOf(run, 'ratio-high', percent >= 200 ? 2 : 1, {
      what,
      means: 'much of it is zeros now: data was removed, a disk was wiped, or a volume is no longer read',
      todo: 'see whether all is there that should be (lifeboat show SET), and keep an older backup until then',
    }),
  ];
}

function judgeSpeed(run: Run, { bytesPerSecond: usual }: Baseline): Alert[] {
  const { bytesPerSecond, readBytes = 0, bwlimitBytesPerSecond } = run;
  if (bytesPerSecond === undefined || readBytes < LEAST_READ_BYTES) return [];
  if (bwlimitBytesPerSecond !== undefined && bytesPerSecond >= LIMITED_SHARE * bwlimitBytesPerSecond) return [];
  const isFarUnder =
    usual !== undefined &&
    bytesPerSecond < SLOW_SHARE * usual.median &&
    deviationsFrom(usual, bytesPerSecond) > SLOW_DEVIATIONS;
  const isSlow = bytesPerSecond < SLOW_BYTES_PER_SECOND;
  if (!isFarUnder && !isSlow) return [];
  const against = usual === undefined ? '' : `; usual are ${speedInWords(usual.median)} (${usual.count} runs)`;
  return [
    alertOf(run, 'slow', isSlow ? 2 : 1, {
      what: `${speedInWords(bytesPerSecond)}${isSlow ? ', less than 10 MB/s' : ''}${against}`,
      means: 'a failing disk, a slow network or target, or guests that needed the host',
      todo: 'the log tells the stage that was slow; smartctl -a on both disks, and time a copy to the target',
    }),
  ];
}

function judgeDuration(run: Run, { durationMs: usual }: Baseline): Alert[] {
  const { durationMs } = run;
  if (durationMs === undefined || usual === undefined) return [];
  const isLong =
    durationMs > LONG_FACTOR * usual.median &&
    durationMs - usual.median > LONG_MS &&
    deviationsFrom(usual, durationMs) > LONG_DEVIATIONS;
  if (!isLong) return [];
  return [
    alertOf(run, 'long', 1, {
      what: `it took ${spanInWords(durationMs)}; usual are ${spanInWords(usual.median)} (${usual.count} runs)`,
      means: 'more data, a slower target, or a wait for another run',
      todo: 'compare sizes and speeds in this report; lifeboat prune, exclude, or a faster codec if it stays so',
    }),
  ];
}

function judgeShift(run: Run, earlier: readonly Run[], { shift: usual }: Baseline): Alert[] {
  const before = earlier.findLast(({ ok, codec }) => ok && codec === run.codec);
  const shift = before === undefined ? undefined : shiftBetween(before, run);
  if (shift === undefined || usual === undefined || shift <= SHIFT_LEAST) return [];
  if (shift - usual.median <= SHIFT_DEVIATIONS * usual.deviation) return [];
  return [
    alertOf(run, 'shift', 1, {
      what: `how well its chunks compress has moved by ${shift.toFixed(3)} since the run before; usual are ${usual.median.toFixed(3)} (${usual.count} runs)`,
      means: 'a part of it was encrypted, wiped or filled, although the whole may look as before',
      todo: 'compare the two histograms (lifeboat report --html), and see which files have changed: find / -xdev -mtime -1',
    }),
  ];
}

/** Of a factor, in standard deviations of factors. Runs that were all alike: any other is beyond all of them. */
function deviationsFrom(usual: Usual, value: number): number {
  const distance = Math.abs(Math.log(value / usual.median));
  return distance === 0 ? 0 : distance / usual.logDeviation;
}

function alertOf(
  { source: about, name }: Run,
  kind: AlertKind,
  grade: number,
  words: Pick<Alert, 'what' | 'means' | 'todo'>,
): Alert {
  return { kind, about, name, grade, ...words };
}
