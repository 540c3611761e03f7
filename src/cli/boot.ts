import type { Argv } from 'yargs';
import { roundSize, sizeInWords } from '../device/sizes.js';
import { LifeboatError } from '../error.js';
import { timeInWords } from '../image/summary.js';
import { type BootOptions, runBoot } from '../sets/boot.js';
import {
  codecOf,
  paceOf,
  threadsOf,
  withCodecOptions,
  withCommonOptions,
  withPaceOptions,
  withThreadOptions,
} from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { ChosenVerb } from './verb.js';

const CODECS = ['auto', 'pigz', 'gzip', 'zstd', 'lz4', 'xz'] as const;

function build(yargs: Argv) {
  const named = withThreadOptions(withCommonOptions(yargs))
    .usage(
      "lifeboat boot --to DIR\n\nSaves this host's boot disk while it runs, with all that is needed to bring the host back, as a set " +
        'DIR/HOSTNAME/TIME.',
    )
    .option('to', { type: 'string', demandOption: true, requiresArg: true, describe: 'Directory that keeps the sets' })
    .option('disk', { type: 'string', requiresArg: true, describe: 'Boot disk to save (default: the one under /)' });
  return withPaceOptions(withCodecOptions(named, CODECS))
    .option('snapshot', {
      choices: ['auto', 'lvm', 'none'] as const,
      default: 'auto' as 'auto' | 'lvm' | 'none',
      requiresArg: true,
      describe: 'auto: LVM snapshots where there is room; lvm: nothing else will do',
    })
    .option('require-consistent', {
      type: 'boolean',
      default: false,
      describe: 'Fail rather than save a mounted file system as after a power cut',
    })
    .option('include-guests', { type: 'boolean', default: false, describe: 'Save thin pools and disks of guests too' })
    .option('exclude', { type: 'string', requiresArg: true, describe: 'Volumes to leave out: VG/LV[,VG/LV...]' })
    .option('require-mount', {
      type: 'string',
      describe: 'Refuse if DIR is not on a mount of its own, or not on this one',
    })
    .option('allow-same-disk', { type: 'boolean', default: false, describe: 'DIR may lie on the disk that is saved' })
    .option('verify', {
      type: 'boolean',
      default: true,
      describe: 'Read the image back and prove it (--no-verify: do not)',
    })
    .option('rescue-kit', {
      type: 'boolean',
      default: true,
      describe: 'Keep a rescue kit beside the sets (--no-rescue-kit: do not)',
    })
    .option('dry-run', {
      alias: 'n',
      type: 'boolean',
      default: false,
      describe: 'Say what would be saved, save nothing',
    })
    .example('lifeboat boot --to /mnt/nas/lifeboat', "this host's boot disk")
    .example('lifeboat boot --to /mnt/nas/lifeboat --require-mount /mnt/nas', 'and not on to / when the share is away')
    .epilogue(EXIT_WORDS);
}

export function addBoot(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, "Save this host's boot disk as a set", build, (argv) => {
    if (argv.to === '') throw new LifeboatError('USAGE', 'The name after --to is empty');
    const options: Omit<BootOptions, 'signal'> = {
      to: argv.to,
      disk: argv.disk,
      codec: codecOf(argv.compress),
      level: argv.level,
      engine: argv.engine,
      threads: threadsOf(argv.threads),
      ...paceOf(argv),
      snapshot: argv.snapshot,
      requireConsistent: argv.requireConsistent,
      includeGuests: argv.includeGuests,
      exclude: argv.exclude?.split(',').filter((name) => name !== '') ?? [],
      requireMount: argv.requireMount === undefined ? false : argv.requireMount || true,
      allowSameDisk: argv.allowSameDisk,
      verify: argv.verify,
      rescueKit: argv.rescueKit,
      dryRun: argv.dryRun,
    };
    choose({
      options: argv,
      async action({ face, signal }) {
        const result = await runBoot({ ...options, signal }, face);
        face.answer(result);
        if (!('set' in result)) {
          const { disk, dataBytes, leftOut } = result;
          face.say(
            `would save ${disk.path}: at most ${sizeInWords(dataBytes)} of ${sizeInWords(disk.sizeBytes)} to be read`,
          );
          for (const { what, bytes, reason } of leftOut) face.say(`left out: ${what}, ${roundSize(bytes)} (${reason})`);
          return 0;
        }
        const { manifest, set } = result;
        face.say(`${manifest.disk.path} -> ${set}`);
        face.say(
          `${roundSize(manifest.plainBytes)}, of them ${roundSize(manifest.readBytes)} read, in ${timeInWords(manifest.durationMs)}; ` +
            `image ${roundSize(manifest.imageSizeBytes)}; consistency: ${manifest.consistency}; ` +
            (manifest.verifiedAt === undefined ? 'not verified' : 'read back and proven'),
        );
        face.say(`how to bring the host back: ${set}/RECOVERY.md`);
        return 0;
      },
    });
  });
}
