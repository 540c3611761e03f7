import type { Argv } from 'yargs';
import { EXIT_STATUS, LifeboatError } from '../error.js';
import { MAX_CHUNK_BYTES, runImage } from '../image/image.js';
import type { ImageOptions } from '../image/image-options.js';
import { imageRow } from '../image/image-row.js';
import { imageSummary } from '../image/summary.js';
import {
  codecOf,
  paceOf,
  threadsOf,
  withCodecOptions,
  withCommonOptions,
  withPaceOptions,
  withThreadOptions,
} from './common-options.js';
import { ENGINES_AND_GPU } from './decoding-options.js';
import { EXIT_WORDS } from './exit-words.js';
import { gpusOf } from './gpu-option.js';
import { readKnowledge } from './past-runs.js';
import { wishesOf, withPolicyOptions } from './policy-options.js';
import { recorded } from './recording.js';
import { parseSize } from './sizes.js';
import { roomBeside } from './target-room.js';
import type { ChosenVerb } from './verb.js';

const CODEC_CHOICES = ['auto', 'pigz', 'gzip', 'zstd', 'lz4', 'gpu-lz4', 'xz', 'bzip2', 'none'] as const;
const MIN_CHUNK_BYTES = 4096;
/** As the configuration has it by default: reading that would cost each image 30 ms of zod. */
const HISTORY_DIRECTORY = '/var/lib/lifeboat';

function build(yargs: Argv) {
  const named = withThreadOptions(withCommonOptions(yargs), ENGINES_AND_GPU)
    .usage('lifeboat image SOURCE -o OUT\n\nMakes an image of a block device, a file, or stdin (-).')
    .positional('source', { type: 'string', demandOption: true, describe: 'Block device, file, or - for stdin' })
    .option('output', {
      alias: 'o',
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'File, or - for stdout',
    });
  const coded = withCodecOptions(named, CODEC_CHOICES).option('chunk', {
    type: 'string',
    requiresArg: true,
    describe: 'Plaintext per frame: 4KiB to 64MiB (default 4MiB, zstd 8MiB, gzip 1MiB)',
  });
  return withPolicyOptions(withPaceOptions(coded))
    .option('gpu', {
      type: 'string',
      default: 'auto',
      requiresArg: true,
      describe: 'Graphics cards: name or number in lifeboat gpu, several as 0,1, or all',
    })
    .option('verify', {
      type: 'boolean',
      default: false,
      describe: 'Read the image back and prove it before it gets its name',
    })
    .option('sha256', { type: 'boolean', default: true, describe: 'Write OUT.sha256 (--no-sha256: do not)' })
    .option('on-read-error', {
      choices: ['fail', 'zero'] as const,
      default: 'fail' as 'fail' | 'zero',
      requiresArg: true,
      describe: 'zero: save what can be read, list the rest in OUT.map, exit 3',
    })
    .option('force', { alias: 'f', type: 'boolean', default: false, describe: 'Replace an existing OUT' })
    .option('dry-run', { alias: 'n', type: 'boolean', default: false, describe: 'Check everything, write nothing' })
    .example('lifeboat image /dev/sda -o /mnt/nas/sda.img.zst', 'the boot disk, on all processors')
    .example('lifeboat image /dev/sda -o - | ssh nas "cat > sda.img.zst"', 'to another host')
    .epilogue(EXIT_WORDS);
}

export function addImage(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Make an image of a disk', build, (argv) => {
    const { codec, engine, gpu, autoGpus } = engineOf(argv);
    const out = argv.output;
    const options: Omit<ImageOptions, 'signal'> = {
      source: argv.source,
      out,
      codec,
      level: argv.level,
      engine,
      gpu,
      autoGpus,
      threads: threadsOf(argv.threads),
      chunkBytes: chunkOf(argv.chunk),
      ...paceOf(argv),
      wishes: wishesOf(argv),
      yields: codec === 'auto',
      verify: argv.verify,
      sha256: argv.sha256,
      onReadError: argv.onReadError,
      force: argv.force,
      dryRun: argv.dryRun,
    };
    if (out === '') throw new LifeboatError('USAGE', 'The name after -o is empty');
    if (argv.json && out === '-') {
      throw new LifeboatError('USAGE', '--json and -o - both want stdout');
    }
    choose({
      options: argv,
      async action({ face, signal }) {
        const { source, bwlimitKiBps } = options;
        const knowledge = () => readKnowledge(HISTORY_DIRECTORY, face.detail);
        const result = await recorded(
          () => runImage({ ...options, knowledge, signal }, face),
          async (ending, made) => {
            if (options.dryRun) return undefined;
            const facts = { ...ending, source, out, codec, bwlimitKiBps };
            if (typeof made === 'string') return imageRow(facts, made);
            return 'dryRun' in made ? undefined : { ...imageRow(facts, made.manifest), ...(await roomBeside(out)) };
          },
          { face, signal },
        );
        if ('dryRun' in result) {
          const { codec, level, engine, threads, gpus } = result;
          const cards = gpus.length === 0 ? '' : `, graphics card ${[...new Set(gpus)].join(', ')}`;
          face.say(
            `would image ${source} to ${out} with ${codec} ${level}, ${engine} engine, ${threads} threads${cards}`,
          );
          face.answer({ dryRun: true, source, out, codec, level, engine, threads, gpus });
          return 0;
        }
        face.say(`${source} -> ${out}`);
        for (const line of imageSummary(result.manifest)) face.say(line);
        face.answer({ out: result.out, ...result.manifest });
        return result.partial ? EXIT_STATUS.PARTIAL : 0;
      },
    });
  });
}

function chunkOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseSize(text, '--chunk');
  if (bytes >= MIN_CHUNK_BYTES && bytes <= MAX_CHUNK_BYTES && bytes % MIN_CHUNK_BYTES === 0) return bytes;
  throw new LifeboatError('USAGE', `--chunk takes 4KiB to 64MiB in steps of 4KiB, not "${text}"`);
}

/**
 * `-c gpu-lz4` is lz4 with a graphics card beside the processors; with `--engine gpu` the card does it alone.
 * @throws LifeboatError USAGE
 */
function engineOf(argv: {
  compress?: string | undefined;
  engine: (typeof ENGINES_AND_GPU)[number];
  gpu: string;
}): Pick<ImageOptions, 'codec' | 'engine' | 'gpu' | 'autoGpus'> {
  const { compress = 'auto', engine } = argv;
  const wanted = gpusOf(argv.gpu);
  const isRequired = engine === 'gpu';
  if (!isRequired && compress !== 'gpu-lz4') return { codec: codecOf(compress), engine, autoGpus: wanted };
  if (!['auto', 'lz4', 'gpu-lz4'].includes(compress))
    throw new LifeboatError('USAGE', `--engine gpu compresses to lz4, not to ${compress}`, { hint: 'use -c gpu-lz4' });
  return {
    codec: 'lz4',
    engine: isRequired ? 'auto' : engine,
    gpu: { wanted, isHybrid: engine === 'auto', isRequired },
  };
}
