import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { roundSize } from '../device/sizes.js';
import { EXIT_STATUS, LifeboatError } from '../error.js';
import { decodedOnInWords, rateInWords, timeInWords } from '../image/summary.js';
import { type VerifyResult, verifyImage } from '../image/verify.js';
import { verifyRow } from '../image/verify-row.js';
import { namesSet } from '../sets/read-set.js';
import { type VerifySetResult, verifySet } from '../sets/verify-set.js';
import { threadsOf, withCommonOptions } from './common-options.js';
import { decodersOf, withDecodingOptions } from './decoding-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import { recorded } from './recording.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withDecodingOptions(withCommonOptions(yargs))
    .usage('lifeboat verify IMAGE|SET\n\nDecodes an image and proves that it is whole; of a set, all else too.')
    .positional('image', { type: 'string', demandOption: true, describe: "File, a set's directory, or - for stdin" })
    .option('quick', { type: 'boolean', default: false, describe: 'Sidecar, index, first and last frame only' })
    .option('against', { type: 'string', requiresArg: true, describe: 'Compare with this device or file too' })
    .option('compress', {
      alias: 'c',
      choices: ['auto', 'none'] as const,
      default: 'auto' as 'auto' | 'none',
      requiresArg: true,
      describe: 'none: it is a raw disk',
    })
    .example('lifeboat verify /mnt/nas/sda.img.zst', 'is it whole')
    .example('lifeboat verify sda.img.zst --against /dev/sda', 'and is it still what the disk holds')
    .epilogue(EXIT_WORDS);
}

export function addVerify(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Prove that an image is whole', build, (argv) => {
    const threads = threadsOf(argv.threads);
    if (argv.quick && argv.against !== undefined)
      throw new LifeboatError('USAGE', '--quick compares nothing with --against');
    if (argv.quick && argv.image === '-')
      throw new LifeboatError('USAGE', '--quick needs a file: the index is at its end');
    const { engine, gpu } = decodersOf(argv);
    if (argv.quick && gpu !== undefined)
      throw new LifeboatError('USAGE', '--quick looks at two frames only: no graphics card is taken for that');
    choose({
      options: argv,
      async action({ face, signal }) {
        const { image, quick, against } = argv;
        if (namesSet(image)) {
          if (argv.compress === 'none') throw new LifeboatError('USAGE', '-c none is for an image, not for a set');
          const result = await recorded(
            () => verifySet({ set: image, quick, against, threads, engine, gpu, signal }, face),
            (ending, done) => verifyRow({ ...ending, image: resolve(image) }, done),
            { face, signal },
          );
          face.answer(result);
          tell(result, against, face);
          tellFiles(result, face);
          return result.damage.length === 0 ? 0 : EXIT_STATUS.DAMAGE;
        }
        const raw = argv.compress === 'none';
        const result = await recorded(
          () => verifyImage({ image, raw, quick, against, threads, engine, gpu, signal }, face),
          (ending, done) => (image === '-' ? undefined : verifyRow({ ...ending, image: resolve(image) }, done)),
          { face, signal },
        );
        face.answer(result);
        tell(result, against, face);
        return result.damage.length === 0 ? 0 : EXIT_STATUS.DAMAGE;
      },
    });
  });
}

function tellFiles({ set, unknownFiles, checkedBytes, damage }: VerifySetResult, face: Face): void {
  for (const path of unknownFiles.slice(0, MAX_LINES)) face.warn(`"${set}": SHA256SUMS does not know ${path}`);
  if (damage.length === 0) face.say(`${set}: all other files are as they were made, ${roundSize(checkedBytes)}`);
}

const MAX_LINES = 20;

function tell(result: VerifyResult, against: string | undefined, face: Face): void {
  if (result.damage.length > 0) {
    for (const text of result.damage.slice(0, MAX_LINES)) face.warn(`"${result.image}": ${text}`);
    const more = result.damage.length - MAX_LINES;
    if (more > 0) face.warn(`and ${more} more; --json lists them all`);
    face.warn(`"${result.image}" is damaged; restore --salvage gets out of it what is good`);
    return;
  }
  const proof = {
    index: 'every bit is proven by its index and checksums',
    checksums: 'its checksums are right (it has no index, so a cut between two frames would not show)',
    'structure only': 'STRUCTURE ONLY: it decodes, but has no checksums that prove it right',
    quick: 'quick: only its index and its ends were looked at',
  }[result.proof];
  const time =
    result.times === undefined
      ? ''
      : ` in ${timeInWords(result.times.wallMs)}, ${rateInWords(result.plainBytes, result.times.wallMs)}`;
  face.say(`${result.image}: whole, ${result.codec}, ${roundSize(result.plainBytes)}${time}; ${proof}`);
  if (result.gpu !== null) face.say(decodedOnInWords(result.gpu));
  if (against !== undefined) face.say(`"${against}" holds the same, byte for byte`);
}
