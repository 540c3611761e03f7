import type { Argv } from 'yargs';
import { roundSize } from '../device/sizes.js';
import { LifeboatError } from '../error.js';
import type { Prediction } from '../metrics/recovery-time.js';
import { type FoundSet, findSets } from '../sets/find-sets.js';
import { columns, printable } from './columns.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import { loadPredictor } from './predicting.js';
import { ageInWords, recoveryInWords, recoveryOf, setAnswer } from './set-words.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage('lifeboat list [DIR]\n\nShows the sets in a directory, those that are broken too, and why. Changes nothing.')
    .positional('dir', { type: 'string', describe: 'Where sets are kept (default: boot.to)' })
    .example('lifeboat list /mnt/nas', 'which sets are there')
    .epilogue(EXIT_WORDS);
}

export function addList(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Show the sets in a directory', build, (argv) => {
    choose({
      options: argv,
      async action({ face, signal }) {
        const directory = await directoryOf(argv.dir, 'list');
        const sets = await findSets(directory, signal);
        const now = new Date();
        const predict = await loadPredictor(face.detail);
        const recovery = new Map(sets.map((set) => [set, recoveryOf(set, predict)]));
        face.answer({ directory, sets: sets.map((set) => setAnswer(set, now, recovery.get(set))) });
        if (argv.json) return 0;
        if (sets.length === 0) face.say(`lifeboat: no sets are in "${directory}": lifeboat boot --to DIR makes one`);
        else process.stdout.write(tableOf(rows(sets, now, recovery)));
        return 0;
      },
    });
  });
}

/**
 * Where sets are kept: as given, or as configured.
 * @throws LifeboatError USAGE where neither says, CONFIG
 */
export async function directoryOf(given: string | undefined, verb: string): Promise<string> {
  if (given !== undefined && given !== '-') return given;
  const { readConfig } = await import('../config/read-config.js');
  const { config, path } = readConfig();
  if (given === undefined && config.boot.to !== undefined) return config.boot.to;
  throw new LifeboatError('USAGE', `lifeboat ${verb} needs the directory that sets are kept in`, {
    hint: `lifeboat ${verb} /mnt/nas; or write to = "/mnt/nas" under [boot] in ${path}`,
  });
}

const HEADS = ['HOST', 'SET', 'DISK', 'SIZE', 'RATIO', 'AGE', 'VERIFIED', 'RESTORE', 'NOTES'];

/** A host that was not calibrated has nothing to say of restores. */
function tableOf(all: readonly string[][]): string {
  const at = HEADS.indexOf('RESTORE');
  const isKnown = all.some((row) => row[at] !== '');
  const without = (row: readonly string[]) => (isKnown ? row : row.toSpliced(at, 1));
  return columns(without(HEADS), all.map(without));
}

/** Hosts by name, of each the newest first. */
function rows(
  sets: readonly FoundSet[],
  now: Date,
  recovery: ReadonlyMap<FoundSet, Prediction | undefined>,
): string[][] {
  const hostOf = (set: FoundSet) => set.manifest?.hostname ?? set.hostDirectory;
  const sorted = [...sets].sort((a, b) => (hostOf(a) === hostOf(b) ? 0 : hostOf(a) < hostOf(b) ? -1 : 1));
  return sorted.map((set) => {
    const { manifest } = set;
    return [
      printable(hostOf(set)),
      printable(set.name),
      printable(manifest?.disk.path ?? ''),
      roundSize(set.sizeBytes),
      manifest === undefined || manifest.imageSizeBytes === 0
        ? ''
        : (manifest.plainBytes / manifest.imageSizeBytes).toFixed(1),
      ageInWords(set.time, now),
      set.state === 'good' ? (set.verifiedAt === undefined ? 'never' : ageInWords(set.verifiedAt, now)) : '',
      recoveryInWords(recovery.get(set)) ?? '',
      notes(set),
    ];
  });
}

function notes({ state, broken, protected: isProtected, manifest }: FoundSet): string {
  return [
    ...(state === 'good' ? [] : [`${state.toUpperCase()}: ${printable(broken ?? '')}`]),
    ...(isProtected ? ['protected'] : []),
    ...(manifest?.consistency === 'crash' ? ['read while it changed'] : []),
    ...(manifest?.guests === 'left out' ? ['without guests'] : []),
  ].join('; ');
}
