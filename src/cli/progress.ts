import { roundSize } from '../device/sizes.js';
import type { ProgressSnapshot } from '../image/report.js';
import { rateInWords, timeInWords } from '../image/summary.js';

/** Shows how far a phase is. */
export interface ProgressView {
  /** Shows it until the returned function is called. */
  start(phase: string, snapshot: () => ProgressSnapshot): () => void;
  describe(phase: string, snapshot: ProgressSnapshot): string;
  /** Makes place for a line of other words. */
  clear(): void;
}

const TERMINAL_INTERVAL_MS = 250;
const LINE_INTERVAL_MS = 500;
/** As vzdump does: a line when the percent has changed and more than 2 s have passed. */
const LINE_PAUSE_MS = 2000;
const BAR_CELLS = 24;

/** One line that is drawn again and again. */
export function createTerminalProgress(write: (text: string) => void): ProgressView {
  let shown = false;
  const clear = () => {
    if (shown) write('\r\x1b[K');
    shown = false;
  };
  const timing = createTiming();
  return {
    clear,
    describe: timing.describe,
    start(phase, snapshot) {
      timing.begin();
      const draw = () => {
        const columns = process.stderr.columns ?? 80;
        write(`\r\x1b[K${terminalLine(phase, snapshot(), timing.elapsedMs()).slice(0, columns - 1)}`);
        shown = true;
      };
      const timer = setInterval(draw, TERMINAL_INTERVAL_MS);
      return () => {
        clearInterval(timer);
        clear();
      };
    },
  };
}

/** Lines in vzdump's form, for logs: never a carriage return. */
export function createLineProgress(write: (text: string) => void): ProgressView {
  const timing = createTiming();
  return {
    clear: () => undefined,
    describe: timing.describe,
    start(_phase, snapshot) {
      timing.begin();
      let lastPercent = -1;
      let lastMs = performance.now();
      const timer = setInterval(() => {
        const now = snapshot();
        const percent = percentOf(now) ?? lastPercent + 1;
        if (percent === lastPercent || performance.now() - lastMs <= LINE_PAUSE_MS) return;
        lastPercent = percent;
        lastMs = performance.now();
        write(`${logLine(now, timing.elapsedMs())}\n`);
      }, LINE_INTERVAL_MS);
      return () => clearInterval(timer);
    },
  };
}

function createTiming() {
  let since = performance.now();
  const elapsedMs = () => performance.now() - since;
  return {
    begin() {
      since = performance.now();
    },
    elapsedMs,
    describe: (phase: string, snapshot: ProgressSnapshot) => `${phase}: ${logLine(snapshot, elapsedMs())}`,
  };
}

function percentOf({ doneBytes, totalBytes }: ProgressSnapshot): number | undefined {
  if (totalBytes === undefined || totalBytes === 0) return undefined;
  return Math.min(100, Math.floor((100 * doneBytes) / totalBytes));
}

/** "19% (432.0 MiB of 2.2 GiB) in 15s, read: 34.7 MiB/s, write: 22.7 MiB/s" */
function logLine(now: ProgressSnapshot, elapsedMs: number): string {
  const percent = percentOf(now);
  const share =
    percent === undefined || now.totalBytes === undefined
      ? roundSize(now.doneBytes)
      : `${percent}% (${roundSize(now.doneBytes)} of ${roundSize(now.totalBytes)})`;
  const rates = `read: ${rateInWords(now.readBytes, elapsedMs)}, write: ${rateInWords(now.writtenBytes, elapsedMs)}`;
  return `${share} in ${Math.round(elapsedMs / 1000)}s, ${rates}`;
}

function terminalLine(phase: string, now: ProgressSnapshot, elapsedMs: number): string {
  const percent = percentOf(now);
  const parts = [phase];
  if (percent === undefined) parts.push(roundSize(now.doneBytes));
  else {
    const full = Math.round((BAR_CELLS * percent) / 100);
    parts.push(`[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}] ${String(percent).padStart(3)}%`);
  }
  parts.push(`read ${rateInWords(now.readBytes, elapsedMs)}`, `write ${rateInWords(now.writtenBytes, elapsedMs)}`);
  if (phase === 'image' && now.writtenBytes > 0) parts.push(`ratio ${(now.doneBytes / now.writtenBytes).toFixed(2)}`);
  if (now.totalBytes !== undefined && now.doneBytes > 0) {
    const leftMs = (elapsedMs * (now.totalBytes - now.doneBytes)) / now.doneBytes;
    parts.push(`${timeInWords(Math.max(0, leftMs))} left`);
  }
  return parts.join('  ');
}
