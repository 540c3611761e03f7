import { roundSize } from '../device/sizes.js';
import { timeInWords } from '../image/summary.js';
import type { HookReport } from './report.js';
import { runChild } from './run-child.js';

/** More is in the set's backup.log. */
const MOST_LINES = 40;
const MOST_ANSWER_CHARACTERS = 1024 * 1024;

/**
 * Saves the boot disk by `lifeboat boot`, as cron would, in a process of its own: what it does to itself (priorities, its
 * lock, threads inside native calls) ends with it, and the hook stays small. It is in our process group, so that vzdump's
 * SIGTERM reaches it, and has pipes to us rather than vzdump's.
 * @param launcher bin/lifeboat
 * @returns its exit status
 */
export async function saveBootDisk(
  launcher: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  report: HookReport,
): Promise<number> {
  let answer = '';
  let lines = 0;
  const status = await runChild(launcher, ['boot', '--json', '--quiet'], {
    env,
    signal,
    output: {
      onStdout(text) {
        if (answer.length < MOST_ANSWER_CHARACTERS) answer += text;
      },
      onErrorLine(line) {
        if (++lines <= MOST_LINES) report.say(line.replace(/^lifeboat: /, ''));
      },
    },
  });
  if (lines > MOST_LINES) report.say(`and ${lines - MOST_LINES} more lines`);
  const words = status === 0 ? inWords(answer) : undefined;
  if (words !== undefined) report.say(words);
  return status;
}

interface Answer {
  set?: unknown;
  manifest?: { imageSizeBytes?: unknown; durationMs?: unknown; verifiedAt?: unknown };
}

/** Undefined where it did not say what it made. */
function inWords(answer: string): string | undefined {
  let parsed: Answer | null;
  try {
    parsed = JSON.parse(answer) as Answer | null;
  } catch {
    return undefined;
  }
  if (typeof parsed?.set !== 'string') return undefined;
  const { imageSizeBytes, durationMs, verifiedAt } = parsed.manifest ?? {};
  return [
    `the boot disk is saved: ${parsed.set}`,
    ...(typeof imageSizeBytes === 'number' ? [`image ${roundSize(imageSizeBytes)}`] : []),
    ...(typeof durationMs === 'number' ? [timeInWords(durationMs)] : []),
    ...(typeof verifiedAt === 'string' ? ['read back and proven'] : []),
  ].join(', ');
}
