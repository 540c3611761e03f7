import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { roundSize } from '../device/sizes.js';
import { EXIT_STATUS, LifeboatError } from '../error.js';
import { type RestoreOptions, type RestoreResult, restoreImage } from '../image/restore.js';
import { restoreRow } from '../image/restore-row.js';
import { decodedOnInWords, rateInWords, stagesInWords, timeInWords } from '../image/summary.js';
import type { Prediction } from '../metrics/recovery-time.js';
import { namesSet } from '../sets/read-set.js';
import { recoveryFacts } from '../sets/recovery-facts.js';
import { type RestoreSetResult, restoreSet, tableInWords } from '../sets/restore-set.js';
import { threadsOf, withCommonOptions } from './common-options.js';
import { decodersOf, withDecodingOptions } from './decoding-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import { loadPredictor } from './predicting.js';
import { recorded } from './recording.js';
import { parseRange } from './sizes.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withDecodingOptions(withCommonOptions(yargs))
    .usage('lifeboat restore IMAGE|SET -o TARGET\n\nPuts an image back on to a disk, or into a file.')
    .positional('image', { type: 'string', demandOption: true, describe: "File, a set's directory, or - for stdin" })
    .option('output', {
      alias: 'o',
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Block device, file, or - for stdout',
    })
    .option('confirm', { type: 'string', requiresArg: true, describe: 'Name of the device that may be overwritten' })
    .option('range', {
      type: 'string',
      requiresArg: true,
      describe: 'OFFSET:LENGTH of the disk only, to the start of TARGET',
    })
    .option('salvage', { type: 'boolean', default: false, describe: 'From a damaged image: all that is good (exit 3)' })
    .option('check', { type: 'boolean', default: false, describe: 'Read TARGET back past the cache and compare' })
    .option('shrink-tail', {
      type: 'boolean',
      default: false,
      describe: 'A set to a smaller disk, if what does not fit is empty',
    })
    .option('force', { alias: 'f', type: 'boolean', default: false, describe: 'Replace a file; accept other sectors' })
    .option('compress', {
      alias: 'c',
      choices: ['auto', 'none'] as const,
      default: 'auto' as 'auto' | 'none',
      requiresArg: true,
      describe: 'none: IMAGE is a raw disk',
    })
    .option('dry-run', { alias: 'n', type: 'boolean', default: false, describe: 'Check everything, write nothing' })
    .example('lifeboat restore sda.img.zst -o /dev/sda --confirm sda', 'on the worst day')
    .example('lifeboat restore /mnt/nas/pve1/2026-11-20T20-30-00Z -o /dev/sda --confirm sda', 'a whole set')
    .example('ssh nas cat sda.img.zst | lifeboat restore - -o /dev/sda --confirm sda', 'from another host')
    .epilogue(EXIT_WORDS);
}

export function addRestore(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Put an image back on to a disk', build, (argv) => {
    const threads = threadsOf(argv.threads);
    const { engine, gpu } = decodersOf(argv);
    const range = argv.range === undefined ? undefined : parseRange(argv.range);
    if (argv.output === '') throw new LifeboatError('USAGE', 'The name after -o is empty');
    if (argv.json && argv.output === '-') throw new LifeboatError('USAGE', '--json and -o - both want stdout');
    choose({
      options: argv,
      async action({ face, signal }) {
        const { image, output: target, confirm, salvage, check, force, dryRun } = argv;
        const how = { target, range, confirm, salvage, check, force, dryRun, threads, engine, gpu, signal };
        if (namesSet(image)) {
          if (argv.compress === 'none') throw new LifeboatError('USAGE', '-c none is for an image, not for a set');
          const [result, predicted] = await compared(image, how, face, () =>
            restoreSet({ ...how, set: image, shrinkTail: argv.shrinkTail }, face),
          );
          face.answer({ ...result, dryRun, predictedMs: predicted?.ms ?? null });
          tell(result, dryRun, face, predicted);
          if (!dryRun) tellSteps(result, face);
          return result.damage.length === 0 ? 0 : EXIT_STATUS.PARTIAL;
        }
        if (argv.shrinkTail) throw new LifeboatError('USAGE', '--shrink-tail is for a set, which tells what is empty');
        const raw = argv.compress === 'none';
        const [result, predicted] = await compared(image, how, face, () => restoreImage({ ...how, image, raw }, face));
        face.answer({ ...result, dryRun, predictedMs: predicted?.ms ?? null });
        tell(result, dryRun, face, predicted);
        return result.damage.length === 0 ? 0 : EXIT_STATUS.PARTIAL;
      },
    });
  });
}

/** What it was predicted to take is told beside what it took, and both are kept. */
async function compared<T extends RestoreResult>(
  image: string,
  { target, range, dryRun, signal }: Pick<RestoreOptions, 'target' | 'range' | 'dryRun' | 'signal'>,
  face: Face,
  act: () => Promise<T>,
): Promise<[T, Prediction | undefined]> {
  const predict = await loadPredictor(face.detail);
  const predicted = range === undefined ? predict(recoveryFacts(image)) : undefined;
  const path = image === '-' ? image : resolve(image);
  const result = await recorded(
    act,
    (ending, done) => (dryRun ? undefined : restoreRow({ ...ending, image: path, target, range, predicted }, done)),
    { face, signal },
  );
  return [result, predicted];
}

function tellSteps(result: RestoreSetResult, face: Face): void {
  for (const line of tableInWords(result)) face.say(line);
  for (const [index, { words, commands }] of result.steps.entries()) {
    if (index === 0) face.say('\nWhat is left to do:');
    face.say(`${index + 1}. ${words}${commands.length > 0 ? ':' : ''}`);
    for (const command of commands) face.say(`     ${command}`);
  }
}

const MAX_LINES = 50;

function tell(result: RestoreResult, dryRun: boolean, face: Face, predicted: Prediction | undefined): void {
  if (dryRun) {
    const time = predicted === undefined ? '' : `, in about ${timeInWords(predicted.ms)}`;
    face.say(
      `would restore ${result.image} (${result.codec}, ${roundSize(result.plainBytes)}) to ${result.target}${time}`,
    );
    return;
  }
  for (const text of result.damage.slice(0, MAX_LINES)) face.warn(`"${result.image}": ${text}`);
  for (const { offset, length } of result.lostRanges.slice(0, MAX_LINES)) {
    face.warn(`lost: ${length} bytes at offset ${offset} of the disk, now zeros`);
  }
  const wallMs = result.times?.wallMs ?? 0;
  const checked = result.checked ? '; read back and compared' : '';
  face.say(`${result.image} -> ${result.target}`);
  face.say(
    `${roundSize(result.plainBytes)} in ${timeInWords(wallMs)}, ${rateInWords(result.plainBytes, wallMs)}; ` +
      `zeros ${roundSize(result.zeroBytes)}; ${result.codec}, ${result.engine} engine, ${result.threads} threads${checked}`,
  );
  if (result.gpu !== null) face.say(decodedOnInWords(result.gpu));
  if (predicted !== undefined) face.say(`predicted: ${timeInWords(predicted.ms)}`);
  if (result.times !== undefined) face.say(stagesInWords(result.times, 'decoding'));
}
