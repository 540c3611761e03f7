import { constants, hostname } from 'node:os';
import type { KeepOptions } from '../config/prune-backups.js';
import type { BootDisk } from '../device/boot-disk.js';
import { roundSize } from '../device/sizes.js';
import { LifeboatError, messageOf } from '../error.js';
import { processorTimeMs } from '../image/processor-time.js';
import { keepingReport, type RunReport } from '../image/report.js';
import { timeInWords } from '../image/summary.js';
import type { RunEvent } from '../notify/index.js';
import { type BootOptions, type BootPlan, type BootResult, GUESTS_LEFT_OUT, runBoot } from './boot.js';
import { type BootRow, type RunFacts, rowOfFailure, rowOfSuccess } from './boot-row.js';
import { pruneSets } from './prune.js';
import { hasKeepOption } from './retention.js';

export interface DutyOptions {
  /** No dry run: of that nobody else wants to know. */
  boot: Omit<BootOptions, 'onStart'>;
  /** Which sets of this host stay after a good run. */
  keep: KeepOptions;
  /** @param limitMs how long it may take, no longer is waited for */
  tell(event: RunEvent, limitMs: number): Promise<void>;
  record(row: BootRow): Promise<void>;
  /** What saves the disk. */
  run?: (options: BootOptions, report: RunReport) => Promise<BootResult | BootPlan>;
}

const LIMIT_MS = 10_000;
/** vzdump kills 5 s after it asked to stop, and snapshots are removed within these too. */
const LIMIT_OF_STOPPED_MS = 1500;
const MOST_LINES = 40;

/**
 * A run of boot as cron, systemd and vzdump's hook want it: others are told of its start and its end, sets that nobody needs
 * any more go, and the history has a row. How the run ends is decided by the run alone: a failing notification or history
 * changes nothing, a failing prune is a warning.
 * @throws what the run throws, once that is recorded and told
 */
export async function bootDuty(options: DutyOptions, report: RunReport): Promise<BootResult> {
  const { boot, run = runBoot } = options;
  const { signal } = boot;
  const startedAt = new Date();
  const since = performance.now();
  const processorSinceMs = processorTimeMs();
  const host = hostname();
  const lines: string[] = [];
  let warnings = 0;
  let disk: BootDisk | undefined;
  let startTold: Promise<void> = Promise.resolve();

  const keep = (text: string) => {
    lines.push(`${new Date().toISOString()} ${text}`);
    if (lines.length > MOST_LINES) lines.shift();
  };
  const counting: RunReport = {
    ...report,
    warn(text) {
      if (text !== GUESTS_LEFT_OUT) warnings++;
      report.warn(text);
    },
  };
  const watched = keepingReport(counting, keep);
  const facts = (): RunFacts => ({
    startedAt,
    host,
    codec: boot.codec,
    bwlimitKiBps: boot.bwlimitKiBps,
    durationMs: Math.round(performance.now() - since),
    processorMs: Math.round(processorTimeMs() - processorSinceMs),
    warnings,
  });
  /** The history first, for it is quick and stays. */
  const conclude = async (row: BootRow, event: Omit<RunEvent, 'host' | 'logTail' | 'exitStatus'>, limitMs: number) => {
    await bounded('the history has no row of this run', () => options.record(row), limitMs, report);
    const whole: RunEvent = { ...event, host, exitStatus: row.exitStatus, logTail: [...lines] };
    const tellInOrder = async () => {
      await startTold;
      await options.tell(whole, limitMs);
    };
    await bounded('nobody could be told how this run ended', tellInOrder, 2 * limitMs, report);
  };

  const onStart = (found: BootDisk) => {
    disk = found;
    const start: RunEvent = {
      event: 'start',
      host,
      title: 'saving the boot disk',
      text: `${found.path} -> ${boot.to}`,
    };
    // Beside the run: a target that does not answer holds up nothing.
    startTold = bounded(
      'nobody could be told that this run began',
      () => options.tell(start, LIMIT_MS),
      LIMIT_MS,
      report,
    );
  };
  let result: BootResult;
  try {
    result = setOf(await run({ ...boot, onStart }, watched));
  } catch (error) {
    // Whoever lacks the rights to read a disk has none to write its history.
    if (error instanceof LifeboatError && error.code === 'NEEDS_ROOT') throw error;
    const exitStatus = exitStatusOf(error, signal);
    const words = wordsOf(error);
    keep(`error: ${words[0] ?? ''}`);
    const row = rowOfFailure(words[0] ?? '', exitStatus, disk, facts());
    const event = { event: 'failure' as const, title: 'boot disk', text: words.join('\n') };
    await conclude(row, event, signal.aborted ? LIMIT_OF_STOPPED_MS : LIMIT_MS);
    throw error;
  }
  await prune(options, watched);
  const outcome = warnings === 0 ? 'success' : 'warning';
  const title = `boot disk saved${warnings === 0 ? '' : ` with ${warnings === 1 ? 'a warning' : `${warnings} warnings`}`}`;
  const event = { event: outcome, title, text: textOf(result), set: result.set } as const;
  await conclude(rowOfSuccess(result, outcome, facts()), event, signal.aborted ? LIMIT_OF_STOPPED_MS : LIMIT_MS);
  return result;
}

function setOf(result: BootResult | BootPlan): BootResult {
  if ('set' in result) return result;
  throw new Error('a run that was no dry run came to nothing');
}

/** The set is made: what goes wrong here does not undo it. */
async function prune({ boot, keep }: DutyOptions, report: RunReport): Promise<void> {
  if (!hasKeepOption(keep) || keep.keepAll === true) return;
  const { to: directory, signal } = boot;
  try {
    await pruneSets({ directory, keep, hostname: hostname(), dryRun: false, signal }, report);
  } catch (error) {
    report.warn(`old sets were not pruned: ${signal.aborted ? 'the run was stopped' : (wordsOf(error)[0] ?? '')}`);
  }
}

/** Never rejects, and never takes longer. */
async function bounded(
  failure: string,
  act: () => Promise<void>,
  limitMs: number,
  report: Pick<RunReport, 'warn'>,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new LifeboatError('FAILED', `it took longer than ${limitMs / 1000} s`)), limitMs);
  });
  try {
    await Promise.race([act(), tooLong]);
  } catch (error) {
    report.warn(`${failure}: ${wordsOf(error)[0] ?? ''}`);
  } finally {
    clearTimeout(timer);
  }
}

/** A shell's, for a run that a signal ended. */
function exitStatusOf(error: unknown, signal: AbortSignal): number {
  const { signalName } = (signal.reason ?? {}) as { signalName?: NodeJS.Signals };
  if (signalName !== undefined) return 128 + constants.signals[signalName];
  return error instanceof LifeboatError ? error.exitStatus : 1;
}

function wordsOf(error: unknown): string[] {
  if (error instanceof LifeboatError) return error.hint === undefined ? [error.message] : [error.message, error.hint];
  return [messageOf(error)];
}

function textOf({ manifest, set }: BootResult): string {
  const sizes = `${roundSize(manifest.plainBytes)}, of them ${roundSize(manifest.readBytes)} read`;
  const proof = manifest.verifiedAt === undefined ? 'not verified' : 'read back and proven';
  return [
    `${manifest.disk.path} -> ${set}`,
    `${sizes}, in ${timeInWords(manifest.durationMs)}; image ${roundSize(manifest.imageSizeBytes)}; ` +
      `consistency: ${manifest.consistency}; ${proof}`,
    ...manifest.warnings.map((text) => `warning: ${text}`),
  ].join('\n');
}
