import type { Argv } from 'yargs';
import { parseCodecName } from '../codec/index.js';
import { ancestors, KERNEL, nodePath } from '../device/block-tree.js';
import { devicesOf } from '../device/mount-devices.js';
import { readMounts } from '../device/mounts.js';
import { roundSize } from '../device/sizes.js';
import { fromSystem, LifeboatError } from '../error.js';
import { type BenchCodec, type BenchResult, type BenchRow, runBench } from '../image/bench.js';
import type { DirectorySpeeds } from '../image/bench-directory.js';
import { timeInWords } from '../image/summary.js';
import { printable } from './columns.js';
import { threadsOf, withCommonOptions, withThreadOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import { gpusOf } from './gpu-option.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withThreadOptions(withCommonOptions(yargs))
    .usage(
      'lifeboat bench [SOURCE]\n\nTries every codec and some levels on a sample of SOURCE, spread over all of it, and tells ' +
        'how long saving and restoring it would take. Writes nothing but what --save keeps.',
    )
    .positional('source', { type: 'string', describe: 'Block device or file (default: the disk under /)' })
    .option('save', {
      type: 'boolean',
      default: false,
      describe: 'Measure this disk and where sets are kept too, and keep it all: list and report predict by it',
    })
    .option('gpu', {
      type: 'string',
      default: 'all',
      requiresArg: true,
      describe: 'Graphics cards to try: name or number in lifeboat gpu; all: every one but software',
    })
    .option('codecs', { type: 'string', requiresArg: true, describe: 'Try only these: lz4,gpu-lz4' })
    .example('lifeboat bench /dev/sda', 'which codec for this disk')
    .example('lifeboat bench --save', 'what this host can do, once, when it is idle')
    .epilogue(EXIT_WORDS);
}

/** @returns the file */
async function save(result: BenchResult, face: Face, signal: AbortSignal): Promise<string> {
  const { readConfig } = await import('../config/read-config.js');
  const { config } = readConfig();
  const { directory } = config.history;
  const { mkdirSync } = await import('node:fs');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fromSystem(error, 'make the directory', directory);
  }
  const { measureDirectory } = await import('../image/bench-directory.js');
  const disk = await measureDirectory(directory, signal);
  const target = config.boot.to === undefined ? undefined : await tryTarget(config.boot.to, face, signal);
  const { calibrationOf } = await import('../image/bench-calibration.js');
  const { writeCalibration } = await import('../metrics/calibration-file.js');
  return writeCalibration(directory, calibrationOf(result, { disk, target }, new Date()));
}

/** A share that is away does not spoil what was measured by then. */
async function tryTarget(directory: string, face: Face, signal: AbortSignal): Promise<DirectorySpeeds | undefined> {
  try {
    const { measureDirectory } = await import('../image/bench-directory.js');
    return await measureDirectory(directory, signal);
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    face.warn(`where sets are kept was not measured: ${error.message}`);
    return undefined;
  }
}

export function addBench(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Try every codec on your own data', build, (argv) => {
    const threads = threadsOf(argv.threads);
    if (argv.source === '-') throw new LifeboatError('USAGE', 'bench needs a device or file: it reads here and there');
    choose({
      options: argv,
      async action({ face, signal }) {
        const source = argv.source ?? rootDisk();
        const gpus = argv.engine === 'auto' ? gpusOf(argv.gpu) : undefined;
        const codecs = codecsOf(argv.codecs);
        if (argv.save && codecs !== undefined)
          throw new LifeboatError('USAGE', '--save keeps what every codec does: leave --codecs out');
        const print = (text: string) => {
          if (!argv.json && !argv.quiet) process.stdout.write(`${text}\n`);
        };
        const result = await runBench(
          { source, threads, engine: argv.engine, gpus, codecs, signal },
          { onSample: (facts) => print(head(facts)), onRow: (row) => print(line(cells(row))) },
        );
        for (const text of cardsInWords(result)) print(text);
        for (const text of result.skipped) print(`left out: ${text}`);
        print(
          '\nTo save: reading and compressing side by side. To restore: decoding; a slower target decides otherwise.',
        );
        const saved = argv.save ? await save(result, face, signal) : undefined;
        if (saved !== undefined) print(`saved: ${saved}`);
        face.answer({ ...result, saved: saved ?? null });
        return 0;
      },
    });
  });
}

/** @throws LifeboatError USAGE */
function codecsOf(text: string | undefined): BenchCodec[] | undefined {
  return text?.split(',').map((name) => (name === 'gpu-lz4' ? name : parseCodecName(name)));
}

function cardsInWords({ rows }: BenchResult): string[] {
  return rows.flatMap(({ card }) => {
    if (card === undefined) return [];
    const threads = card.feeders === 1 ? 'one thread' : `${card.feeders} threads`;
    const software = ', which is software: never saved, and taken by nothing unless it is named';
    return [`gpu-lz4: ${printable(card.name)}, fed by ${threads}${card.isSoftware ? software : ''}`];
  });
}

/** The whole disk that the root file system is on. */
function rootDisk(): string {
  const root = readMounts()
    .filter(({ mountpoint }) => mountpoint === '/')
    .flatMap((mount) => devicesOf(mount, KERNEL))
    .at(-1);
  const disk = root === undefined ? undefined : ancestors(root).at(-1);
  if (disk !== undefined) return nodePath(disk);
  throw new LifeboatError('USAGE', 'Cannot tell which disk / is on', { hint: 'name one: lifeboat bench /dev/sda' });
}

const COLUMNS = [
  ['codec', 7],
  ['level', 5],
  ['engine', 8],
  ['MB/s in', 7],
  ['ratio', 6],
  ['MB/s out', 8],
  ['to save', 12],
  ['to restore', 12],
] as const;
/** Columns of words; numbers stand to the right. */
const WORD_COLUMNS = 3;

function head({ source, sourceBytes, sampleBytes, zeroBytes, readBytesPerSecond, threads }: BenchResult): string {
  const zeros = zeroBytes === 0 ? '' : ` (${roundSize(zeroBytes)} of it zeros, left out below)`;
  const facts = `${roundSize(sourceBytes)}, sample ${roundSize(sampleBytes)}${zeros}, read at ${speed(readBytesPerSecond)} MB/s`;
  return `${source}: ${facts}, ${threads} threads\n\n${line(COLUMNS.map(([title]) => title))}`;
}

function cells(row: BenchRow): string[] {
  return [
    row.codec,
    String(row.level),
    row.engine,
    speed(row.compressBytesPerSecond),
    row.ratio.toFixed(2),
    speed(row.decompressBytesPerSecond),
    timeInWords(row.saveSeconds * 1000),
    timeInWords(row.restoreSeconds * 1000),
  ];
}

function line(row: readonly string[]): string {
  return row
    .map((cell, at) => (at < WORD_COLUMNS ? cell.padEnd(COLUMNS[at]?.[1] ?? 0) : cell.padStart(COLUMNS[at]?.[1] ?? 0)))
    .join('  ')
    .trimEnd();
}

function speed(bytesPerSecond: number): string {
  return (bytesPerSecond / 1e6).toFixed(bytesPerSecond < 1e7 ? 1 : 0);
}
