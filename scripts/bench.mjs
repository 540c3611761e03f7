// Lifeboat and the stock tools on the same disk, turn about, step by step. Run it through scripts/bench.
import os from 'node:os';
import path from 'node:path';
import { echo } from 'zx';
import { buildCodecAlone } from './benchmark/bare-codec.mjs';
import { chooseComparisons } from './benchmark/comparisons.mjs';
import { cutPiece, hasDirectIo, prepareDisk } from './benchmark/disk.mjs';
import { machineFacts, processorList, versions } from './benchmark/machine.mjs';
import { BenchError, HELP, parseOptions, STATUS } from './benchmark/options.mjs';
import { say } from './benchmark/progress.mjs';
import { publish } from './benchmark/publish.mjs';
import { requireTools, withoutMissing } from './benchmark/requirements.mjs';
import { composeResults, failedRows, readResults, writeResults } from './benchmark/results.mjs';
import { runRounds } from './benchmark/rounds.mjs';
import { measureStartUp } from './benchmark/start-up.mjs';
import { inWorkDirectory } from './benchmark/work-directory.mjs';

const root = path.resolve(import.meta.dirname, '..');

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`scripts/bench: ${error instanceof BenchError ? error.message : error.stack}\n`);
  process.exitCode = error instanceof BenchError ? error.status : STATUS.failed;
}

async function main() {
  const options = parseOptions(process.argv.slice(2), {
    from: process.env.LIFEBOAT_BENCH_FROM ?? process.cwd(),
    root,
    temporary: os.tmpdir(),
    processors: os.availableParallelism(),
  });
  if (options.help) {
    echo(HELP);
    return STATUS.done;
  }
  if (options.resultsFile !== undefined) {
    await publish(await readResults(options.resultsFile), options.resultsFile, { ...options, root });
    return STATUS.done;
  }
  return inWorkDirectory(options.work, async (directory) => {
    const results = await measureAll(options, directory);
    const out = options.out ?? path.join(directory, 'results-of-smoke');
    const file = await writeResults(path.join(out, 'results'), results);
    await publish(results, file, { ...options, out, root });
    if (options.out !== undefined) say(`results: ${file}`);
    return failedRows(results).length === 0 ? STATUS.done : STATUS.failed;
  });
}

async function measureAll(options, directory) {
  const chosen = chooseComparisons(options);
  if (chosen.length === 0) throw new BenchError(STATUS.usage, `No row matches --only "${options.only.source}"`);
  await requireTools();
  const place = { directory, processorList: await processorList(options.cores), direct: '' };
  const disk = await prepareDisk(options, chosen, directory);
  place.direct = (await hasDirectIo(disk.file, directory)) ? 'iflag=direct' : '';
  const { comparisons, leftOut } = await withoutMissing(chosen, disk.facts.fileSystem);
  if (comparisons.length === 0) throw new BenchError(STATUS.failed, `Nothing is left to be run: ${leftOut.join('; ')}`);
  const piece = comparisons.some(({ onPiece }) => onPiece) ? await cutPiece(disk, options.cores, directory) : disk;

  say('what starting takes');
  const startUp = await measureStartUp({ root, runs: options.smoke ? 3 : 20, ...place });
  const measured = await runRounds(
    comparisons,
    {
      disk,
      piece,
      place,
      threads: options.cores,
      codecProgram: await buildCodecAlone(root, directory),
      env: {
        LIFEBOAT: path.join(root, 'bin/lifeboat'),
        THREADS: String(options.cores),
        DIRECT: place.direct,
        FILE_SYSTEM: disk.facts.fileSystem ?? '',
        IS_GENERATED: options.disk === undefined ? 'yes' : 'no',
      },
      // Results are published, and nobody's directories with them.
      withoutPaths: (text) => text.replaceAll(directory, '').replaceAll(disk.file, 'DISK').replaceAll(`${root}/`, ''),
    },
    options.runs,
  );
  const machine = { ...(await machineFacts(directory, options.cores)), direct: place.direct !== '' };
  const facts = { date: new Date().toISOString(), smoke: options.smoke, runs: options.runs, machine };
  const rest = { versions: await versions(root), disk: { ...disk.facts, bytes: disk.bytes }, startUp, leftOut };
  return composeResults({ ...facts, ...rest }, measured, options.cores);
}
