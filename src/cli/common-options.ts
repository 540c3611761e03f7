import { availableParallelism } from 'node:os';
import type { Argv } from 'yargs';
import type { CodecName } from '../codec/codec.js';
import { parseCodecName } from '../codec/index.js';
import { LifeboatError } from '../error.js';
import type { EngineChoice } from '../image/choose-engine.js';

const MAX_THREADS = 256;

/** The flags that every verb has. */
export function withCommonOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('json', { type: 'boolean', default: false, describe: 'One JSON object on stdout' })
    .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Warnings and errors only' })
    .option('verbose', { alias: 'v', type: 'boolean', default: false, describe: 'Say more' });
}

const ENGINES = ['auto', 'native', 'portable'] as const satisfies readonly EngineChoice[];

/** @param engines what of them the verb takes */
export function withThreadOptions<T, E extends string = EngineChoice>(
  yargs: Argv<T>,
  engines: readonly ('auto' | E)[] = ENGINES as unknown as readonly ('auto' | E)[],
) {
  return yargs
    .option('threads', {
      alias: 'p',
      type: 'number',
      requiresArg: true,
      describe: 'Threads to compress or decode with (default: one a processor)',
    })
    .option('engine', {
      choices: engines,
      default: 'auto' as 'auto' | E,
      requiresArg: true,
      describe: "The system's C libraries, or npm packages",
    });
}

/** @param choices what of them the verb takes */
export function withCodecOptions<T, C extends string>(yargs: Argv<T>, choices: readonly ('auto' | C)[]) {
  return yargs
    .option('compress', {
      alias: 'c',
      choices,
      defaultDescription: 'auto',
      requiresArg: true,
      describe: 'Codec; pigz and gzip are the same, auto goes by load, mostly zstd',
    })
    .option('level', {
      alias: 'l',
      type: 'number',
      requiresArg: true,
      describe: 'Compression level, as in the stock tool',
    });
}

/** How much of the disk a run takes from others. */
export function withPaceOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('bwlimit', {
      type: 'number',
      defaultDescription: '0',
      requiresArg: true,
      describe: 'Read at most so many KiB/s',
    })
    .option('ionice', { type: 'number', requiresArg: true, describe: 'I/O priority 0 to 7, 8 for idle' });
}

/** @throws LifeboatError USAGE */
export function paceOf({ bwlimit = 0, ionice }: { bwlimit: number | undefined; ionice: number | undefined }) {
  return {
    bwlimitKiBps: naturalOf('--bwlimit', bwlimit, Number.MAX_SAFE_INTEGER),
    ionice: ionice === undefined ? undefined : naturalOf('--ionice', ionice, 8),
  };
}

/** @throws LifeboatError USAGE */
export function threadsOf(given: number | undefined): number {
  if (given === undefined) return Math.min(availableParallelism(), MAX_THREADS);
  if (Number.isInteger(given) && given >= 1 && given <= MAX_THREADS) return given;
  throw new LifeboatError('USAGE', `--threads takes 1 to ${MAX_THREADS}, not ${given}`);
}

/** @throws LifeboatError USAGE unless it is a whole number from 0 to `max` */
export function naturalOf(flag: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new LifeboatError('USAGE', `${flag} takes 0 to ${max}, not ${value}`);
}

/** `auto` is chosen by the run. */
export function codecOf(given: string | undefined): CodecName | 'auto' {
  return given === undefined || given === 'auto' ? 'auto' : parseCodecName(given);
}

/** A variable that is not set, in a script: yargs would take the empty text for 0. @throws LifeboatError USAGE */
export function refuseEmpty(args: readonly string[]): void {
  const at = args.findIndex((arg) => arg === '' || /^-[^=]*=$/.test(arg));
  if (at < 0) return;
  const flag = args[at] || args[at - 1];
  const after = flag?.startsWith('-') ? ` after ${flag.replace(/=$/, '')}` : '';
  throw new LifeboatError('USAGE', `The argument${after} is empty`);
}

/** yargs makes a list of a flag that is given twice. @throws LifeboatError USAGE */
export function refuseRepeated(argv: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(argv)) {
    if (name !== '_' && Array.isArray(value))
      throw new LifeboatError('USAGE', `${name.length === 1 ? '-' : '--'}${name} was given twice`);
  }
}
