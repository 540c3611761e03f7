import { type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';

/**
 * vzdump sends SIGTERM to our whole process group, so a child has it already, and a second one would end its clean-up (a
 * second signal ends lifeboat at once). It is passed on only when a child that heeded it would be gone, just before our own
 * patience ends: that is, when somebody has stopped this process alone.
 */
const PASS_ON_AFTER_MS = 4300;
/** What the child itself wrote is in the pipe when it ends. Whoever still holds the other end after that is not waited for. */
const DRAIN_MS = 300;
/** As a shell reports a child that a signal ended. */
const SIGNAL_STATUS = 128;
const MOST_LINE_CHARACTERS = 1000;

export interface ChildOptions {
  env: NodeJS.ProcessEnv;
  /** The wait for the child goes on after it: the child has to clean up. */
  signal: AbortSignal;
  /** `inherit`: it has our descriptors, standard input too. Otherwise it reads nothing, and its lines come here. */
  output: 'inherit' | { onStdout(text: string): void; onErrorLine(line: string): void };
}

/**
 * Runs a program in our own process group until it ends. Neither runCommand nor execa will do: they wait until nobody holds
 * the output pipes any more, and a daemon that the child has left behind may do so for ever.
 * @returns its exit status; 128 and the signal's number where one ended it
 * @throws what spawn says where it cannot be started; the signal's reason once it has ended
 */
export async function runChild(file: string, args: readonly string[], options: ChildOptions): Promise<number> {
  const { env, signal, output } = options;
  signal.throwIfAborted();
  const stdio: StdioOptions = output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'];
  const child = spawn(file, [...args], { env, stdio });
  let patience: NodeJS.Timeout | undefined;
  const passOn = () => {
    patience = setTimeout(() => child.kill('SIGTERM'), PASS_ON_AFTER_MS);
  };
  signal.addEventListener('abort', passOn, { once: true });
  try {
    const drained =
      output === 'inherit' ? [] : [readText(child.stdout, output.onStdout), readLines(child.stderr, output)];
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, name) =>
        resolve(code ?? SIGNAL_STATUS + (name === null ? 0 : constants.signals[name])),
      );
    });
    const limit = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
    await Promise.race([Promise.all(drained), limit]);
    signal.throwIfAborted();
    return status;
  } finally {
    clearTimeout(patience);
    signal.removeEventListener('abort', passOn);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

function readText(stream: Readable | null, onText: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    stream?.setEncoding('utf8').on('data', onText).once('close', resolve);
  });
}

function readLines(stream: Readable | null, { onErrorLine }: { onErrorLine(line: string): void }): Promise<void> {
  let begun = '';
  const tell = (line: string) => {
    if (line.trim() !== '') onErrorLine(line.trimEnd());
  };
  return readText(stream, (text) => {
    // A carriage return or a backspace would begin a line of its own in vzdump's log.
    const lines = (begun + text).split(/[\n\r\b]+/);
    begun = (lines.pop() ?? '').slice(0, MOST_LINE_CHARACTERS);
    for (const line of lines) tell(line);
  }).then(() => tell(begun));
}
