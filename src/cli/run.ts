import { setImmediate as nextTurn } from 'node:timers/promises';
import yargs from 'yargs';
import { LifeboatError } from '../error.js';
import { exitNow } from '../native/libc.js';
import { VERSION } from '../version.js';
import { addBench } from './bench.js';
import { addBoot } from './boot.js';
import { refuseEmpty, refuseRepeated } from './common-options.js';
import { addConfig } from './config.js';
import { addDoctor } from './doctor.js';
import { EXIT_WORDS } from './exit-words.js';
import { createFace, errorInWords } from './face.js';
import { addGpu } from './gpu.js';
import { addImage } from './image.js';
import { addList } from './list.js';
import { addPrune } from './prune.js';
import { addReport } from './report.js';
import { addRescueKit } from './rescue-kit.js';
import { addRestore } from './restore.js';
import { addShow } from './show.js';
import { listenForSignals, StoppedBySignal } from './stopping.js';
import type { ChosenVerb } from './verb.js';
import { addVerify } from './verify.js';

/** As a shell reports a process that SIGPIPE ended. */
const EPIPE_STATUS = 141;
const SUCCESS = 0;
/** yargs makes an empty string of a positional `-`, so it travels under a name that no argument can have. */
const HIDDEN_DASH = '\0-';

const VERBS = {
  image: { places: '<source>', add: addImage },
  verify: { places: '<image>', add: addVerify },
  restore: { places: '<image>', add: addRestore },
  boot: { places: '', add: addBoot },
  list: { places: '[dir]', add: addList },
  show: { places: '<set>', add: addShow },
  prune: { places: '[dir]', add: addPrune },
  'rescue-kit': { places: '<directory>', add: addRescueKit },
  config: { places: '<action> [file]', add: addConfig },
  report: { places: '', add: addReport },
  doctor: { places: '', add: addDoctor },
  bench: { places: '[source]', add: addBench },
  gpu: { places: '', add: addGpu },
};

/** Parses the command line, does what it says, and sets the exit status. Never rejects. */
export async function run(args: string[]): Promise<void> {
  const stopping = listenForSignals();
  let stdoutStatus = SUCCESS;
  let hasWorked = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    stdoutStatus = error.code === 'EPIPE' ? EPIPE_STATUS : 1;
  });
  // A backup goes on although nobody reads its words any more.
  process.stderr.on('error', () => undefined);
  try {
    const verb = await parse(args);
    hasWorked = verb !== undefined;
    if (verb === undefined) process.exitCode = SUCCESS;
    else process.exitCode = await verb.action({ face: createFace(verb.options), signal: stopping.signal });
  } catch (error) {
    process.exitCode = tellError(error, args.includes('--json'));
  }
  stopping.endBySignal();
  // What went wrong on stdout is told a turn later; data that did not get out is no success.
  await nextTurn();
  if (process.exitCode === SUCCESS) process.exitCode = stdoutStatus;
  if (process.stdout.writableLength > 0) await new Promise((resolve) => process.stdout.write('', resolve));
  if (hasWorked) exitNow(Number(process.exitCode));
  process.exit();
}

/** @returns undefined if help or the version was asked for, which is printed by then */
async function parse(args: string[]): Promise<ChosenVerb | undefined> {
  let chosen: ChosenVerb | undefined;
  const choose = (verb: ChosenVerb) => {
    chosen = verb;
  };
  refuseEmpty(args);
  // As the only command and the default one: for any other yargs lays out its help in advance, 18 ms that nobody reads.
  const wantsHelp = args.includes('--help') || args.includes('-h');
  const alone = !wantsHelp && Object.hasOwn(VERBS, args[0] ?? '') ? VERBS[args[0] as keyof typeof VERBS] : undefined;
  const parser = yargs(
    withoutDoubleDash(alone === undefined ? args : args.slice(1)).map((arg) => (arg === '-' ? HIDDEN_DASH : arg)),
  )
    .scriptName('lifeboat')
    .usage("lifeboat COMMAND\n\nImages a host's boot disk in parallel, proves the image, and restores it.")
    .version(VERSION)
    .help()
    .alias('help', 'h')
    .strict()
    .demandCommand(1, 'Say what to do')
    .recommendCommands()
    .exitProcess(false)
    .wrap(100)
    .parserConfiguration({ 'duplicate-arguments-array': true, 'strip-dashed': false })
    .middleware((argv) => {
      refuseRepeated(argv);
      for (const [name, value] of Object.entries(argv)) if (value === HIDDEN_DASH) argv[name] = '-';
    })
    .epilogue(EXIT_WORDS)
    .fail((message, error) => {
      if (error instanceof LifeboatError) throw error;
      const words = message ?? error?.message ?? 'wrong usage';
      throw new LifeboatError('USAGE', words.replaceAll(HIDDEN_DASH, '-').replaceAll('\\u0000-', '-'), {
        hint: 'lifeboat --help shows how',
      });
    });
  if (alone !== undefined) alone.add(parser, `$0 ${alone.places}`.trim(), choose);
  else {
    for (const [name, { places, add }] of Object.entries(VERBS)) add(parser, `${name} ${places}`.trim(), choose);
    // Only for the list: main.ts sees to it before yargs is loaded.
    parser.command('hook <phase> [mode] [vmid]', 'What vzdump calls');
  }
  await parser.parseAsync();
  return chosen;
}

/** What follows `--` are paths, which yargs would not take for the places of a command. */
function withoutDoubleDash(args: string[]): string[] {
  const at = args.indexOf('--');
  if (at < 0) return args;
  const paths = args.slice(at + 1).map((arg) => (/^-./.test(arg) ? `./${arg}` : arg));
  return [...args.slice(0, at), ...paths];
}

/** @returns the exit status */
function tellError(error: unknown, json: boolean): number {
  if (error instanceof StoppedBySignal) {
    process.stderr.write(`lifeboat: ${error.message}\n`);
    return 1;
  }
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') return EPIPE_STATUS;
  const known =
    error instanceof LifeboatError
      ? error
      : new LifeboatError(
          'FAILED',
          `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
  process.stderr.write(errorInWords(known));
  const { code, exitStatus, message, hint, offset } = known;
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, exitStatus, message, hint, offset } })}\n`);
  return exitStatus;
}
