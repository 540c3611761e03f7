import { LifeboatError } from '../error.js';

/** How the hook speaks: each call is a line or two of vzdump's log. */
export interface HookReport {
  say(text: string): void;
  warn(text: string): void;
  /** We could not do what is ours to do. What that does to the job is the admin's choice. */
  fail(error: unknown): void;
  /** Whether `fail` was called. */
  readonly hasFailed: boolean;
}

const MOST_LINES = 10;

export type OnFailure = 'warn' | 'fail';

/** vzdump makes a new line of each carriage return and backspace. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get out
const CONTROL = /[\u0000-\u001f\u007f]+/g;

export function createHookReport(onFailure: OnFailure, write: (text: string) => void): HookReport {
  let hasFailed = false;
  const line = (text: string) => write(`lifeboat: ${text.replaceAll(CONTROL, ' ').trim()}\n`);
  return {
    say: line,
    warn: (text) => line(`warning: ${text}`),
    fail(error) {
      hasFailed = true;
      const known = error instanceof LifeboatError;
      const words = known ? error.message : `internal error: ${error instanceof Error ? error.stack : String(error)}`;
      // Damage is an error whatever it does to the job.
      const isError = onFailure === 'fail' || (known && error.code === 'DAMAGE');
      // A wrong configuration has a line for each thing that is wrong in it.
      const lines = words.split('\n');
      for (const text of lines.slice(0, MOST_LINES)) line(`${isError ? 'error' : 'warning'}: ${text}`);
      if (lines.length > MOST_LINES) line(`and ${lines.length - MOST_LINES} more lines`);
      if (known && error.hint !== undefined) line(error.hint);
    },
    get hasFailed() {
      return hasFailed;
    },
  };
}
