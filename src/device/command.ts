import { execa } from 'execa';
import { LifeboatError } from '../error.js';

/**
 * What every program is started with, and nothing else of our own environment: vzdump gives its hooks no PATH at all, and
 * a translated message or a decimal comma is not what a parser knows. LVM complains of each descriptor it inherits.
 */
export const ENVIRONMENT = {
  LC_ALL: 'C',
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LVM_SUPPRESS_FD_WARNINGS: '1',
};

/** After a SIGTERM that was not heeded: vzdump kills us 5 s after it asked us to stop. */
const KILL_AFTER_MS = 2000;
/** A report that is larger is no report; output of that size belongs in a file. */
const LARGEST_OUTPUT_CHARACTERS = 256 * 1024 * 1024;

export interface CommandOptions {
  /** Ends the program by SIGTERM, and by SIGKILL 2 s later. */
  signal?: AbortSignal;
  /** A program that is not installed is answered by undefined rather than an error. */
  allowMissing?: boolean;
  /** Exit statuses that are no failure; 0 alone if not given. */
  okStatuses?: readonly number[];
  /** What it reads from its standard input, which is at its end otherwise. */
  input?: Buffer | string;
  /** It and all that it starts are a process group of their own, which the signal ends by SIGKILL at once. */
  ownGroup?: boolean;
}

export interface CommandResult {
  /** As printed, with the last newline. */
  stdout: string;
  stderr: string;
  status: number;
}

/**
 * Runs a program to its end, without a shell.
 * @param file a name that is looked for in the system's directories, or a path
 * @throws LifeboatError FAILED with the last line that the program complained in; the signal's reason when aborted
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions & { allowMissing?: false },
): Promise<CommandResult>;
export async function runCommand(file: string, args: readonly string[]): Promise<CommandResult>;
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult | undefined>;
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult | undefined> {
  const { signal, allowMissing = false, okStatuses = [0], input, ownGroup = false } = options;
  signal?.throwIfAborted();
  const running = execa(file, [...args], {
    detached: ownGroup,
    env: ENVIRONMENT,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    forceKillAfterDelay: KILL_AFTER_MS,
    maxBuffer: LARGEST_OUTPUT_CHARACTERS,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  const killAll = () => {
    killGroup(running.pid);
    // Whoever left the group may hold the pipes open for ever.
    running.stdout.destroy();
    running.stderr.destroy();
  };
  if (ownGroup) signal?.addEventListener('abort', killAll);
  const result = await running.finally(() => signal?.removeEventListener('abort', killAll));
  if (result.isCanceled) signal?.throwIfAborted();
  if (result.code === 'ENOENT') {
    if (allowMissing) return undefined;
    throw new LifeboatError('FAILED', `Cannot run ${file}: it is not installed`, {
      hint: `install the package that has it (apt-file search bin/${file})`,
      cause: result.cause,
    });
  }
  const { exitCode, stdout, stderr } = result;
  if (exitCode !== undefined && okStatuses.includes(exitCode) && !result.isMaxBuffer)
    return { stdout, stderr, status: exitCode };
  const command = [file, ...args].join(' ');
  throw new LifeboatError('FAILED', `"${command}" ${howItEnded(result)}${complaint(stderr)}`, {
    hint: 'run that command by hand to see all it says',
    cause: result.cause,
  });
}

function killGroup(leaderPid: number | undefined): void {
  if (leaderPid === undefined) return;
  try {
    process.kill(-leaderPid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function howItEnded(result: {
  exitCode?: number | undefined;
  signal?: string | undefined;
  isMaxBuffer: boolean;
  originalMessage?: string | undefined;
}): string {
  if (result.isMaxBuffer) return `printed more than ${LARGEST_OUTPUT_CHARACTERS} characters`;
  if (result.signal !== undefined) return `was ended by ${result.signal}`;
  if (result.exitCode !== undefined) return `failed with status ${result.exitCode}`;
  return `could not be run: ${result.originalMessage ?? 'no reason given'}`;
}

function complaint(stderr: string): string {
  const last = stderr.trimEnd().split('\n').at(-1)?.trim();
  return last ? `: ${last}` : '';
}
