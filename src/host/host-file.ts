import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { runCommand } from '../device/command.js';

/** How one file of a set's host/ is made. Another one is one line in host-file-table.ts. */
export interface HostFileMaker {
  /** Its name in host/. */
  name: string;
  /** For people: the command, with FILE for the file itself, or what else it comes from. */
  madeBy: string;
  /** A path without which this host has nothing to save: not even asked for then. */
  needs?: string | undefined;
  /** 30 s unless it is known to take longer. */
  limitMs?: number | undefined;
  /**
   * Fills the file at `path`, which exists and is empty.
   * @returns what is lacking, if the file is worth having all the same
   * @throws NotOnThisHost when there is nothing to save
   */
  make(path: string, signal: AbortSignal): Promise<string | undefined>;
}

/** There is nothing to save: no such program, no such file, no table on that disk. Noted, but no failure. */
export class NotOnThisHost extends Error {
  override readonly name = 'NotOnThisHost';
}

export interface ReportOptions {
  needs?: string | undefined;
  /** The Debian package to name when the program is missing. */
  package?: string | undefined;
  /** Exit statuses that are no failure; 0 alone if not given. */
  okStatuses?: readonly number[] | undefined;
  /** Runs first, and throws NotOnThisHost where the program would have nothing to do. */
  check?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** What a program prints. */
export function report(name: string, file: string, args: string[], options: ReportOptions = {}): HostFileMaker {
  return {
    name,
    madeBy: [file, ...args].join(' '),
    needs: options.needs,
    async make(path, signal) {
      const { stdout } = await runInstalled(file, args, signal, options);
      await fill(path, stdout);
      return undefined;
    },
  };
}

/** What a program writes into a file by itself. */
export function written(
  name: string,
  file: string,
  args: (path: string) => string[],
  options: ReportOptions = {},
): HostFileMaker {
  return {
    name,
    madeBy: [file, ...args('FILE')].join(' '),
    needs: options.needs,
    async make(path, signal) {
      await runInstalled(file, args(path), signal, options);
      return undefined;
    },
  };
}

/** A small file of the host, as it is. */
export function copy(name: string, source: string): HostFileMaker {
  return {
    name,
    madeBy: `cat ${source}`,
    needs: source,
    async make(path, signal) {
      await fill(path, await readFile(source, { signal }));
      return undefined;
    },
  };
}

/** Writes into a file that exists and is nothing but a file. */
export async function fill(path: string, content: string | Buffer): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

async function runInstalled(file: string, args: string[], signal: AbortSignal, options: ReportOptions) {
  await options.check?.(signal);
  const { okStatuses = [0] } = options;
  const result = await runCommand(file, args, { signal, allowMissing: true, okStatuses });
  if (result !== undefined) return result;
  const hint = options.package === undefined ? '' : `: apt install ${options.package}`;
  throw new NotOnThisHost(`${file} is not installed${hint}`);
}
