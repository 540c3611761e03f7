import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { limitsOf, summarise } from './figures.mjs';
import { BenchError, STATUS } from './options.mjs';

const FORMAT = 1;

/** Adds to what was measured what follows from it, so that nobody has to work it out again. */
export function withSummaries(comparisons, cores) {
  return comparisons.map((comparison) => {
    const isKnown = comparison.alone.codecProcessorSeconds.length > 0;
    const limits = isKnown ? limitsOf(comparison.alone, cores) : undefined;
    const rows = comparison.rows.map((row) =>
      row.runs.length === 0 ? row : { ...row, summary: summarise(row.runs, comparison.bytes, limits) },
    );
    return { ...comparison, ...(limits === undefined ? {} : { limits }), rows };
  });
}

/** @param {object} facts everything else that stands in a file of results */
export function composeResults(facts, comparisons, cores) {
  return { format: FORMAT, ...facts, comparisons: withSummaries(comparisons, cores) };
}

export function failedRows({ comparisons }) {
  return comparisons.flatMap(({ name, rows }) =>
    rows.flatMap((row) => (row.failed === undefined ? [] : [`${name}: ${row.name}: ${row.failed}`])),
  );
}

/** DATE-CPU-CORES, with a number for the second run of a day and those after it. */
export function resultsName({ date, machine }, number) {
  const cpu = machine.cpu
    .toLowerCase()
    .replace(/\((r|tm)\)/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return `${date.slice(0, 10)}-${cpu}-${machine.cores}${number === 1 ? '' : `.${number}`}.json`;
}

/** Never replaces the results of another run. @returns the new file's path */
export async function writeResults(directory, results) {
  await mkdir(directory, { recursive: true });
  for (let number = 1; ; number++) {
    const file = path.join(directory, resultsName(results, number));
    try {
      await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`, { flag: 'wx' });
      return file;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}

export async function readResults(file) {
  try {
    const results = JSON.parse(await readFile(file, 'utf8'));
    if (results.format === FORMAT) return results;
  } catch (error) {
    throw new BenchError(STATUS.failed, `Cannot read results from "${file}": ${error.message}`);
  }
  throw new BenchError(STATUS.failed, `"${file}" does not hold results of scripts/bench, format ${FORMAT}`);
}
