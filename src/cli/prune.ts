import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { type KeepOptions, parsePruneBackups } from '../config/prune-backups.js';
import { roundSize } from '../device/sizes.js';
import { EXIT_STATUS, LifeboatError } from '../error.js';
import { type PruneResult, pruneSets } from '../sets/prune.js';
import { hasKeepOption } from '../sets/retention.js';
import { columns, printable } from './columns.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import { directoryOf } from './list.js';
import type { ChosenVerb } from './verb.js';

const PERIODS = {
  last: 'last sets, whenever they were made',
  hourly: 'hours that have a set: the newest of each',
  daily: 'days',
  weekly: 'weeks (from Monday)',
  monthly: 'months',
  yearly: 'years',
} as const;

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage(
      'lifeboat prune [DIR] [keep options]\n\nRemoves the sets that no keep option covers. The options mean what they mean in ' +
        "Proxmox's prune-backups. Each disk of each host is judged by itself; its newest good set stays in any case, and so " +
        'do sets that hold a file named "protected". Only files that lifeboat made are removed. Without keep options those of the ' +
        "configuration (boot.prune-backups) hold, for this host's sets.",
    )
    .positional('dir', { type: 'string', describe: 'Where sets are kept (default: boot.to)' })
    .options(
      Object.fromEntries(
        Object.entries(PERIODS).map(([period, words]) => [
          `keep-${period}`,
          { type: 'number' as const, requiresArg: true, describe: `Keep so many ${words}` },
        ]),
      ) as Record<`keep-${keyof typeof PERIODS}`, { type: 'number'; requiresArg: true; describe: string }>,
    )
    .option('keep-all', { type: 'boolean', default: false, describe: 'Keep everything' })
    .option('host', { type: 'string', requiresArg: true, describe: 'Sets of this host only' })
    .option('dry-run', { alias: 'n', type: 'boolean', default: false, describe: 'Say what would be removed, only' })
    .example('lifeboat prune /mnt/nas --keep-last 3 --keep-daily 7 --keep-weekly 4 -n', 'what would go')
    .epilogue(EXIT_WORDS);
}

export function addPrune(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Remove old sets', build, (argv) => {
    const given: KeepOptions = {
      keepAll: argv.keepAll,
      keepLast: countOf(argv['keep-last'], 'last'),
      keepHourly: countOf(argv['keep-hourly'], 'hourly'),
      keepDaily: countOf(argv['keep-daily'], 'daily'),
      keepWeekly: countOf(argv['keep-weekly'], 'weekly'),
      keepMonthly: countOf(argv['keep-monthly'], 'monthly'),
      keepYearly: countOf(argv['keep-yearly'], 'yearly'),
    };
    const isGiven =
      argv.keepAll || Object.keys(PERIODS).some((period) => argv[`keep-${period}` as keyof typeof argv] !== undefined);
    choose({
      options: argv,
      async action({ face, signal }) {
        const directory = await directoryOf(argv.dir, 'prune');
        const configured = isGiven ? undefined : await configuredKeep();
        const keep = configured ?? given;
        // A host's configuration does not judge what others keep in the same directory.
        const host = argv.host ?? (configured === undefined ? undefined : hostname());
        const options = { directory, keep, dryRun: argv.dryRun, signal };
        const result = await pruneSets(host === undefined ? options : { ...options, hostname: host }, face);
        face.answer(result);
        tell(result, keep, face, argv.json || argv.quiet);
        return result.failed.length === 0 ? 0 : EXIT_STATUS.PARTIAL;
      },
    });
  });
}

/** @returns undefined where there is no configuration */
async function configuredKeep(): Promise<KeepOptions | undefined> {
  const { readConfig } = await import('../config/read-config.js');
  const { config, exists } = readConfig();
  return exists ? parsePruneBackups(config.boot['prune-backups']) : undefined;
}

/** @throws LifeboatError USAGE */
function countOf(given: number | undefined, period: string): number {
  if (given === undefined) return 0;
  if (Number.isSafeInteger(given) && given >= 0) return given;
  throw new LifeboatError('USAGE', `--keep-${period} takes a whole number, 0 or more`);
}

function tell(result: PruneResult, keep: KeepOptions, face: Face, isSilent: boolean): void {
  if (isSilent) return;
  const rows = result.sets.map(({ path, hostname, disk, sizeBytes, verdict, why }) =>
    [verdict, hostname, disk, path, roundSize(sizeBytes), why].map(printable),
  );
  if (rows.length > 0) process.stdout.write(columns(['', 'HOST', 'DISK', 'SET', 'SIZE', 'WHY'], rows));
  if (!hasKeepOption(keep)) {
    face.say('lifeboat: no keep option is given, so nothing is removed: --keep-last 3 --keep-daily 7, say');
    return;
  }
  const words = result.dryRun ? 'would remove' : 'removed';
  const count = result.removed === 1 ? '1 set' : `${result.removed} sets`;
  face.say(`lifeboat: ${words} ${count}, ${roundSize(result.freedBytes)}`);
}
