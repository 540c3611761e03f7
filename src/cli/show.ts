import type { Argv } from 'yargs';
import { roundSize, sizeInWords } from '../device/sizes.js';
import { LifeboatError } from '../error.js';
import { timeInWords } from '../image/summary.js';
import type { Prediction } from '../metrics/recovery-time.js';
import { type FoundSet, readSet } from '../sets/find-sets.js';
import { type SetFile, setFiles } from '../sets/set-files.js';
import type { SetManifest } from '../sets/set-manifest.js';
import { printable } from './columns.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import { loadPredictor } from './predicting.js';
import { ageInWords, recoveryInWords, recoveryOf, setAnswer } from './set-words.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage('lifeboat show SET\n\nShows what a set holds, how it was made, and what was left out. Changes nothing.')
    .positional('set', { type: 'string', demandOption: true, describe: 'Directory of a set' })
    .example('lifeboat show /mnt/nas/pve1/2026-11-20T20-30-00Z', 'what is in this set')
    .epilogue(EXIT_WORDS);
}

export function addShow(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Show what a set holds', build, (argv) => {
    choose({
      options: argv,
      async action({ face }) {
        const set = await readSet(argv.set);
        if (set === undefined)
          throw new LifeboatError('FAILED', `"${argv.set}" is no set: nothing of lifeboat is in it`, {
            hint: `lifeboat list "${argv.set}" shows the sets in it, if there are any`,
          });
        const now = new Date();
        const files = setFiles(set);
        const recovery = recoveryOf(set, await loadPredictor(face.detail));
        face.answer({ ...setAnswer(set, now, recovery), files, manifest: set.manifest ?? null });
        if (!argv.json) {
          const lines = [
            ...head(set, now, recovery),
            '',
            ...tree(set, files),
            ...(set.manifest ? facts(set.manifest) : []),
          ];
          process.stdout.write(`${lines.map(printable).join('\n')}\n`);
        }
        return 0;
      },
    });
  });
}

function head(set: FoundSet, now: Date, recovery: Prediction | undefined): string[] {
  const { manifest } = set;
  const state = set.state === 'good' ? 'good' : `${set.state.toUpperCase()}: ${set.broken ?? ''}`;
  const lines: [string, string][] = [
    ['set', set.path],
    ['state', `${state}${set.protected ? ', protected' : ''}`],
    ['made', `${manifest?.createdAt ?? set.time.toISOString()}, ${ageInWords(set.time, now)} ago`],
  ];
  if (manifest !== undefined) {
    const { disk } = manifest;
    const verified =
      set.verifiedAt === undefined
        ? 'never: lifeboat verify does it'
        : `${set.verifiedAt.toISOString()}, ${ageInWords(set.verifiedAt, now)} ago`;
    const read = `${roundSize(manifest.readBytes)} read, in ${timeInWords(manifest.durationMs)}`;
    lines.push(
      ['verified', verified],
      ['host', `${manifest.hostname}, starts by ${manifest.bootMode === 'uefi' ? 'UEFI' : 'BIOS'}`],
      ['disk', `${disk.path}${disk.model === undefined ? '' : `, ${disk.model}`}, ${sizeInWords(disk.sizeBytes)}`],
      ['image', `${roundSize(manifest.imageSizeBytes)}, ${manifest.codec}, ratio ${ratio(manifest)}; ${read}`],
      ['is', CONSISTENCY[manifest.consistency]],
      ...restoreLine(recovery),
      ['guests', manifest.guests],
    );
  }
  return lines.map(([name, words]) => `${name.padEnd(9)} ${words}`);
}

function restoreLine(recovery: Prediction | undefined): [string, string][] {
  if (recovery === undefined) return [];
  const learnt = recovery.restores === 0 ? '' : `, as ${recovery.restores} earlier restores took`;
  return [['restore', `${recoveryInWords(recovery)} on this host, ${recovery.slowest} is slowest${learnt}`]];
}

const CONSISTENCY = {
  snapshot: 'as at one moment (snapshot)',
  still: 'as it was: nothing changed it meanwhile',
  crash: 'read while it changed: there was no snapshot',
} as const;

function ratio({ plainBytes, imageSizeBytes }: SetManifest): string {
  return imageSizeBytes === 0 ? '-' : (plainBytes / imageSizeBytes).toFixed(2);
}

/** As `tree` draws it. */
function tree(set: FoundSet, files: readonly SetFile[]): string[] {
  const lines = [`${set.hostDirectory}/${set.name}/  ${roundSize(set.sizeBytes)}`];
  const draw = (below: string, indent: string) => {
    const inside = files.filter(({ path }) => path.startsWith(below));
    const names = [...new Set(inside.map(({ path }) => path.slice(below.length).split('/')[0] ?? ''))];
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const file = inside.find(({ path }) => path === below + name);
      const branch = `${indent}${isLast ? '└── ' : '├── '}`;
      if (file === undefined) {
        lines.push(`${branch}${name}/`);
        draw(`${below}${name}/`, `${indent}${isLast ? '    ' : '│   '}`);
      } else lines.push(`${branch}${name}  ${fileWords(file)}`);
    }
  };
  draw('', '');
  return lines;
}

function fileWords({ sizeBytes, madeBy, isOurs }: SetFile): string {
  if (sizeBytes === undefined) return 'MISSING';
  const what = isOurs ? (madeBy === undefined ? '' : `  (${madeBy})`) : "  (not lifeboat's)";
  return `${roundSize(sizeBytes)}${what}`;
}

function facts({ leftOut, missingHostFiles, warnings }: SetManifest): string[] {
  const parts: [string, string[]][] = [
    [
      'Left out of the image (zeros)',
      leftOut.map(({ what, bytes, reason }) => `${what}: ${roundSize(bytes)} (${reason})`),
    ],
    ['The host did not have', missingHostFiles.map(({ name, reason }) => `${name}: ${reason}`)],
    ['Warnings of the run', warnings],
  ];
  return parts.flatMap(([title, lines]) =>
    lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)],
  );
}
