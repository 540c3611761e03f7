import { mkdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { codecProcessorSeconds } from './bare-codec.mjs';
import { findMaker } from './comparisons.mjs';
import { allocatedBytes, readAlone, WAYS, writeAlone } from './limits.mjs';
import { emptyOutput, makeCold, measure, pinned } from './measure.mjs';
import { begin, say } from './progress.mjs';

const STOCK_SUFFIX = { gzip: 'gz', zstd: 'zst', lz4: 'lz4', xz: 'xz' };

/**
 * Runs every row once a round, lifeboat and its peers turn about, and after lifeboat's what the hardware can do at most.
 * A row that fails is not run again, and has no figures.
 * @param comparisons from comparisons.mjs
 * @param context what all rows have in common: `disk` and `piece` (each `{ file, bytes }`), `place`, `threads`, `env`,
 *   `codecProgram`, and `withoutPaths` for what is published
 * @returns the comparisons as measured, with every single number
 */
export async function runRounds(comparisons, context, runs) {
  const images = await makeImages(comparisons, context);
  const measured = comparisons.map((comparison) => describe(comparison, context));
  for (let round = 0; round < runs; round++) {
    const aloneOfRound = { read: new Map(), codec: new Map() };
    for (const [index, comparison] of comparisons.entries()) {
      if (round >= comparison.mostRuns) continue;
      const turn = { comparison, result: measured[index], images, aloneOfRound, round, runs };
      for (const number of comparison.rows.keys()) await takeTurn(turn, number, context);
    }
  }
  return measured;
}

function describe(comparison, context) {
  const { name, kind, codec, level, isForeign, mostRuns } = comparison;
  const data = dataOf(comparison, context);
  const isPart = data.bytes !== context.disk.bytes;
  const notes = [
    ...(isPart ? [`the first ${Math.round(data.bytes / 1024 ** 2)} MiB only`] : []),
    ...(mostRuns === Infinity ? [] : [`${mostRuns} rounds at most`]),
    ...(isForeign ? ['one gzip stream, as pigz wrote it: lifeboat did not choose how it is cut'] : []),
  ];
  const ways = () => Object.fromEntries(WAYS.map((way) => [way, []]));
  return {
    name,
    kind,
    codec,
    level,
    bytes: data.bytes,
    isPart,
    notes,
    alone: { read: ways(), write: ways(), codecProcessorSeconds: [] },
    rows: comparison.rows.map((row) => ({
      name: row.name,
      ours: row.ours,
      script: row.script,
      ...(row.note === undefined ? {} : { note: row.note }),
      runs: [],
    })),
  };
}

function dataOf({ onPiece }, { disk, piece }) {
  return onPiece ? piece : disk;
}

/** What the restores read, made once by the same commands whose time is taken elsewhere. */
async function makeImages(comparisons, context) {
  const images = new Map();
  await mkdir(path.join(context.place.directory, 'images'));
  for (const comparison of comparisons.filter(({ kind }) => kind === 'restore')) {
    for (const row of comparison.rows) {
      const key = imageKey(comparison, row);
      if (images.has(key)) continue;
      say(`making what is restored: ${comparison.codec} by ${row.from}`);
      const out = await emptyOutput(context.place.directory);
      const data = dataOf(comparison, context);
      const made = await measure(findMaker(comparison, row).script, envOf(context, data, out), context.place);
      const name = `${images.size}.${STOCK_SUFFIX[comparison.codec]}`;
      const file = path.join(context.place.directory, 'images', name);
      if (made.failed === undefined) await rename(out, file);
      images.set(key, made.failed === undefined ? { file, bytes: (await stat(file)).size } : { failed: made.failed });
    }
  }
  return images;
}

function imageKey({ madeBy }, { from }) {
  return `${madeBy}, ${from}`;
}

function envOf({ env }, data, out, image) {
  return { ...env, SRC: data.file, BYTES: String(data.bytes), OUT: out, IMAGE: image?.file ?? '' };
}

async function takeTurn(turn, number, context) {
  const { comparison, result, images, round, runs } = turn;
  const row = comparison.rows[number];
  const outcome = result.rows[number];
  if (outcome.failed !== undefined) return;
  const end = begin(`round ${round + 1} of ${runs}, ${comparison.name}: ${row.name}`);
  const image = row.from === undefined ? undefined : images.get(imageKey(comparison, row));
  const run = image?.failed === undefined ? await runRow(turn, row, image, context) : image;
  if (run.failed !== undefined) {
    outcome.failed = context.withoutPaths(run.failed);
    outcome.runs = [];
    end(`FAILED: ${outcome.failed}`);
    return;
  }
  outcome.runs.push(run);
  end(`${run.seconds.toFixed(2)} s`);
  if (row.ours) await measureLimits(turn, image, context);
}

async function runRow({ comparison, round }, row, image, context) {
  const { place } = context;
  const data = dataOf(comparison, context);
  const out = await emptyOutput(place.directory);
  const env = envOf(context, data, out, image);
  await makeCold(image?.file ?? data.file, place.directory);
  const run = await measure(row.script, env, place);
  if (run.failed !== undefined) return run;
  const imageBytes = image?.bytes ?? (await stat(out)).size;
  // What is saved is decoded once; what is restored is compared every time, for that is cheap.
  if (round === 0 || comparison.kind === 'restore') {
    const checked = await pinned(row.check, env, place.processorList);
    if (!checked.ok) return { failed: `what it wrote is not the disk: ${checked.reason}` };
  }
  return { ...run, imageBytes };
}

/** Stands right behind lifeboat's turn: its output is still there, and tells how much there is to write. */
async function measureLimits({ comparison, result, aloneOfRound }, image, context) {
  const { place } = context;
  const end = begin('  the same by its parts alone');
  const data = dataOf(comparison, context);
  const input = image ?? data;
  const out = path.join(place.directory, 'out', 'out');
  const cold = () => makeCold(input.file, place.directory);

  const read = await once(aloneOfRound.read, input.file, () => readAlone(input.file, input.bytes, place, cold));
  const again = path.join(place.directory, 'out', 'again');
  const write = await writeAlone(out, await allocatedBytes(out), again, place, () => makeCold(out, place.directory));
  const codec = await codecAlone(comparison, comparison.isForeign ? input : data, aloneOfRound.codec, context);

  for (const way of WAYS) {
    result.alone.read[way].push(read[way]);
    result.alone.write[way].push(write[way]);
  }
  const processorSeconds = comparison.kind === 'save' ? codec.encode : codec.decode;
  result.alone.codecProcessorSeconds.push(processorSeconds);
  end(`read ${shown(read)}, write ${shown(write)}, codec ${processorSeconds.toFixed(2)} processor seconds`);
}

/** Saving and restoring take their figures from one run of the codec in both directions. */
function codecAlone({ codec, level, isForeign }, { file, bytes }, known, { place, threads, codecProgram }) {
  const task = { file, bytes, codec, level, isForeign, threads };
  return once(known, JSON.stringify(task), () => codecProcessorSeconds(codecProgram, task, place));
}

async function once(known, key, find) {
  if (!known.has(key)) known.set(key, await find());
  return known.get(key);
}

function shown(ways) {
  return `${Math.min(...Object.values(ways)).toFixed(2)} s`;
}
