import { styleText } from 'node:util';
import type { LifeboatError } from '../error.js';
import type { ProgressSnapshot, RunReport } from '../image/report.js';
import { createLineProgress, createTerminalProgress, type ProgressView } from './progress.js';

/** What the user wants to see. */
export interface FaceOptions {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

/** How a run speaks: data on stdout, words on stderr. */
export interface Face extends RunReport {
  /** A line of the closing words. */
  say(text: string): void;
  /** The one object of --json. */
  answer(value: unknown): void;
  readonly json: boolean;
}

const LABEL = 'lifeboat: ';

export function createFace({ json, quiet, verbose }: FaceOptions): Face {
  const terminal = process.stderr.isTTY === true;
  const progress: ProgressView = terminal ? createTerminalProgress(write) : createLineProgress(write);

  function write(text: string): void {
    process.stderr.write(text);
  }

  function line(text: string): void {
    progress.clear();
    write(`${text}\n`);
  }

  return {
    json,
    warn: (text) => line(`${LABEL}${painted('yellow', 'warning:')} ${text}`),
    detail(text) {
      if (verbose) line(`${LABEL}${text}`);
    },
    say(text) {
      if (!quiet && !json) line(text);
    },
    answer(value) {
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
    follow(phase: string, snapshot: () => ProgressSnapshot) {
      const onDemand = () => line(progress.describe(phase, snapshot()));
      process.on('SIGUSR2', onDemand);
      const stop = quiet || json ? () => undefined : progress.start(phase, snapshot);
      let stopped = false;
      return () => {
        if (stopped) return;
        stopped = true;
        stop();
        process.removeListener('SIGUSR2', onDemand);
      };
    },
  };
}

export function errorInWords(error: LifeboatError): string {
  const hint = error.hint === undefined ? '' : `${LABEL}${error.hint}\n`;
  return `${LABEL}${painted('red', 'error:')} ${error.message}\n${hint}`;
}

function painted(colour: 'red' | 'yellow', text: string): string {
  const wanted = process.stderr.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';
  // It would look at stdout, and take an empty NO_COLOR for a full one.
  return wanted ? styleText(colour, text, { validateStream: false }) : text;
}
