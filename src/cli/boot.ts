import type { Argv } from 'yargs';
import { roundSize, sizeInWords } from '../device/sizes.js';
import { timeInWords } from '../image/summary.js';
import { type BootPlan, type BootResult, runBoot } from '../sets/boot.js';
import { bootDuty } from '../sets/boot-duty.js';
import { bootChoiceOf } from './boot-options.js';
import { bootOutlets } from './boot-outlets.js';
import { withCodecOptions, withCommonOptions, withPaceOptions, withThreadOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import { readKnowledge } from './past-runs.js';
import { withPolicyOptions } from './policy-options.js';
import type { ChosenVerb } from './verb.js';

const CODECS = ['auto', 'pigz', 'gzip', 'zstd', 'lz4', 'xz'] as const;

function build(yargs: Argv) {
  const named = withThreadOptions(withCommonOptions(yargs))
    .usage(
      "lifeboat boot [--to DIR]\n\nSaves this host's boot disk while it runs, with all that is needed to bring the host back, as a set " +
        'DIR/HOSTNAME/TIME. What no flag says is taken from the configuration (lifeboat config show).',
    )
    .option('to', { type: 'string', requiresArg: true, describe: 'Directory that keeps the sets (default: boot.to)' })
    .option('disk', { type: 'string', requiresArg: true, describe: 'Boot disk to save (default: the one under /)' });
  return withPolicyOptions(withPaceOptions(withCodecOptions(named, CODECS)))
    .option('snapshot', {
      choices: ['auto', 'lvm', 'btrfs', 'none'] as const,
      defaultDescription: 'auto',
      requiresArg: true,
      describe: 'auto: LVM snapshots where there is room, btrfs held still; lvm, btrfs: nothing else will do',
    })
    .option('require-consistent', {
      type: 'boolean',
      describe: 'Fail rather than save a mounted file system as after a power cut',
    })
    .option('include-guests', { type: 'boolean', describe: 'Save thin pools and disks of guests too' })
    .option('exclude', { type: 'string', requiresArg: true, describe: 'Volumes to leave out: VG/LV[,VG/LV...]' })
    .option('require-mount', {
      type: 'string',
      describe: 'Refuse if DIR is not on a mount of its own, or not on this one',
    })
    .option('allow-same-disk', { type: 'boolean', describe: 'DIR may lie on the disk that is saved' })
    .option('verify', {
      type: 'boolean',
      defaultDescription: 'true',
      describe: 'Read the image back and prove it (--no-verify: do not)',
    })
    .option('rescue-kit', {
      type: 'boolean',
      defaultDescription: 'true',
      describe: 'Keep a rescue kit beside the sets (--no-rescue-kit: do not)',
    })
    .option('lockwait', {
      type: 'number',
      requiresArg: true,
      describe: 'Wait so many minutes for another run at the disk (default: boot.lockwait; without a configuration 0)',
    })
    .option('prune-backups', {
      type: 'string',
      requiresArg: true,
      describe: 'Then remove old sets of this host, in the words of Proxmox: keep-last=3,keep-daily=7',
    })
    .option('notify', {
      type: 'boolean',
      default: true,
      describe: 'Tell those whom the configuration names (--no-notify: do not)',
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
    choose({
      options: argv,
      async action({ face, signal }) {
        const { readConfig } = await import('../config/read-config.js');
        const read = readConfig();
        const { boot, keep } = bootChoiceOf(argv, read);
        // With --quiet too: nobody should wonder for hours what a job in the night is at.
        const knowledge = () => readKnowledge(read.config.history.directory, face.warn);
        const options = { ...boot, knowledge, signal, onWait: face.warn };
        if (boot.dryRun) {
          const plan = await runBoot({ ...options, onStart: () => undefined }, face);
          face.answer(plan);
          if (!('set' in plan)) sayPlan(plan, face);
          return 0;
        }
        const result = await bootDuty(
          { boot: options, keep, ...bootOutlets(read, { wantsNotify: argv.notify, warn: face.warn }) },
          face,
        );
        face.answer(result);
        sayResult(result, face);
        return 0;
      },
    });
  });
}

function sayPlan({ disk, dataBytes, leftOut }: BootPlan, face: Face): void {
  face.say(`would save ${disk.path}: at most ${sizeInWords(dataBytes)} of ${sizeInWords(disk.sizeBytes)} to be read`);
  for (const { what, bytes, reason } of leftOut) face.say(`left out: ${what}, ${roundSize(bytes)} (${reason})`);
}

function sayResult({ manifest, set }: BootResult, face: Face): void {
  face.say(`${manifest.disk.path} -> ${set}`);
  face.say(
    `${roundSize(manifest.plainBytes)}, of them ${roundSize(manifest.readBytes)} read, in ${timeInWords(manifest.durationMs)}; ` +
      `image ${roundSize(manifest.imageSizeBytes)}; consistency: ${manifest.consistency}; ` +
      (manifest.verifiedAt === undefined ? 'not verified' : 'read back and proven'),
  );
  face.say(`how to bring the host back: ${set}/RECOVERY.md`);
}
