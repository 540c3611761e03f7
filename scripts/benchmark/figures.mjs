/** What is made of the numbers that were measured. Pure; times in seconds, sizes in bytes. */

const GIB = 1024 ** 3;

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * What the hardware needs at least for one comparison: each of its parts alone, without the others.
 * @param measured `read` and `write`: runs in seconds for each way that was tried; the fastest way counts, so that no
 *   limit is a slow program's. `codecProcessorSeconds`: all of the data, on one processor after another.
 */
export function limitsOf({ read, write, codecProcessorSeconds }, cores) {
  const fastest = (ways) =>
    Object.entries(ways)
      .map(([way, seconds]) => ({ way, seconds: median(seconds) }))
      .sort((a, b) => a.seconds - b.seconds)[0];
  const limits = {
    read: fastest(read),
    codec: {
      way: `${cores} ${cores === 1 ? 'processor' : 'processors'}`,
      seconds: median(codecProcessorSeconds) / cores,
    },
    write: fastest(write),
  };
  const [boundBy, { seconds }] = Object.entries(limits).sort(([, a], [, b]) => b.seconds - a.seconds)[0];
  return { ...limits, boundBy, seconds };
}

/** 1 is what the hardware gives: nothing but its slowest part at work, all the time. */
export function efficiency(limitSeconds, wallSeconds) {
  return limitSeconds / wallSeconds;
}

/**
 * @param runs of one row, each `{ seconds, processorSeconds, peakBytes, imageBytes }`
 * @param plainBytes of the disk
 * @param limits from limitsOf, or undefined if they are not known
 */
export function summarise(runs, plainBytes, limits) {
  const seconds = spread(runs.map((run) => run.seconds));
  const imageBytes = median(runs.map((run) => run.imageBytes));
  const megabytesPerSecond = (time) => plainBytes / time / 1e6;
  return {
    seconds,
    megabytesPerSecond: {
      median: megabytesPerSecond(seconds.median),
      min: megabytesPerSecond(seconds.max),
      max: megabytesPerSecond(seconds.min),
    },
    imageBytes,
    ratio: plainBytes / imageBytes,
    processorSecondsPerGib: median(runs.map((run) => run.processorSeconds)) / (plainBytes / GIB),
    peakBytes: median(runs.map((run) => run.peakBytes)),
    efficiency: limits === undefined ? undefined : efficiency(limits.seconds, seconds.median),
  };
}

/** A row whose limit takes less of its time than this is held up by something else. */
const BOUND_SHARE = 0.5;

/**
 * Whether the disk decides: "limit" when to read or to write takes longer than any codec in every comparison, "every row"
 * when it also takes most of the time of all rows, so that they tell nothing of the programs.
 */
export function diskBound(comparisons) {
  const known = comparisons.filter(({ limits }) => limits !== undefined);
  if (known.length === 0 || known.some(({ limits }) => limits.boundBy === 'codec')) return undefined;
  const rows = known.flatMap(({ rows: all }) => all.filter(({ summary }) => summary !== undefined));
  return rows.every(({ summary }) => summary.efficiency >= BOUND_SHARE) ? 'every row' : 'limit';
}
