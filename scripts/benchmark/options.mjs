import path from 'node:path';
import { parseArgs } from 'node:util';

export const HELP = `scripts/bench [DISK] [options]

Measures lifeboat and the stock tools turn about on the same disk, cores and file system, and checks what each of them
wrote. DISK is a block device or a file, which is only read; without it a disk is made of this machine's own files.

  --runs N        rounds; each runs every row once (5; at least 3)
  --size MIB      size of the disk that is made (4096)
  --cores N       processors that every row may use (all)
  --only REGEX    only rows whose name matches, and lifeboat's beside them: "save zstd", "igzip"
  --work DIR      for the disk, the images and what is restored (TMPDIR, or /tmp): this file system is measured too
  --out DIR       where results/ and charts/ go (bench)
  --readme        write the table into README.md (with --out: a copy in DIR) and draw the charts
  --from FILE     measure nothing: take these results for the table, and for --readme
  --smoke         64 MiB and one round, to see whether it works; figures mean nothing
  --help

Exit status: 0 done   1 a row failed   14 not enough space   64 wrong usage   129, 130, 143 stopped
The full run takes about an hour on two processors.`;

export const STATUS = { done: 0, failed: 1, noSpace: 14, usage: 64 };

const SMOKE_MIB = 64;
const LEAST_MIB = 64;
const LEAST_RUNS = 3;

/** An end with an exit status and words for the user, no stack. */
export class BenchError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function wrongUsage(message) {
  return new BenchError(STATUS.usage, `${message}; scripts/bench --help tells what there is`);
}

/**
 * @param {string[]} args
 * @param {{ from: string, root: string, temporary: string, processors: number }} place `from`: what paths are relative to
 * @throws BenchError with status 64
 */
export function parseOptions(args, { from, root, temporary, processors }) {
  const { values, positionals } = parse(args);
  if (values.help) return { help: true };
  if (positionals.length > 1) throw wrongUsage(`one DISK, not ${positionals.length}`);
  const disk = positionals[0] === undefined ? undefined : path.resolve(from, positionals[0]);
  if (disk !== undefined && values.size !== undefined)
    throw wrongUsage('--size is for the disk that is made, not for DISK');
  if (values.smoke && disk !== undefined) throw wrongUsage('--smoke makes its own disk');
  const smoke = values.smoke === true;
  return {
    disk,
    smoke,
    runs: smoke ? 1 : count('runs', values.runs ?? '5', LEAST_RUNS, 1000),
    sizeMib: smoke ? SMOKE_MIB : count('size', values.size ?? '4096', LEAST_MIB, 2 ** 24),
    cores: count('cores', values.cores ?? String(processors), 1, processors),
    only: regex(values.only ?? ''),
    work: path.resolve(from, values.work ?? temporary),
    // A smoke test's figures must not end up among the real ones.
    out:
      values.out !== undefined
        ? path.resolve(from, values.out)
        : smoke && values.from === undefined
          ? undefined
          : path.join(root, 'bench'),
    readme: values.readme === true || smoke,
    resultsFile: values.from === undefined ? undefined : path.resolve(from, values.from),
  };
}

function parse(args) {
  const text = { type: 'string' };
  const flag = { type: 'boolean' };
  const options = { runs: text, size: text, cores: text, only: text, work: text, out: text, from: text };
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { ...options, readme: flag, smoke: flag, help: { ...flag, short: 'h' } },
    });
  } catch (error) {
    throw wrongUsage(error.message.split('. ')[0]);
  }
}

function count(name, text, least, most) {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw wrongUsage(`--${name} takes a whole number from ${least} to ${most}, not "${text}"`);
}

function regex(text) {
  try {
    return new RegExp(text);
  } catch (error) {
    throw wrongUsage(`--only: ${error.message}`);
  }
}
