import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { shell } from './shell.mjs';

const KIB = 1024;

// GNU time gives user and system seconds and the peak of each part of a pipe, with all that the part waited for. The clock
// is bash's own, so that starting bash counts on no side. A sync costs processor time too, and next to no memory.
const PRELUDE = `e() { command time -q -a -o "$TALLY" -f '%U %S %M' -- "$@"; }
s() { command time -q -a -o "$TALLY" -f '%U %S 0' -- sync -- "$@"; }
from=$EPOCHREALTIME
`;
const ENDING = ` || exit
printf '%s %s\\n' "$from" "$EPOCHREALTIME"`;

/**
 * Runs a row's script once, on the chosen processors.
 * @param {string} script from comparisons.mjs
 * @param {Record<string, string>} env its variables
 * @param place `{ directory, processorList }`
 * @returns `{ seconds, processorSeconds, peakBytes }`, or `{ failed }` with the reason
 */
export async function measure(script, env, { directory, processorList }) {
  const tally = path.join(directory, 'tally');
  await rm(tally, { force: true });
  const ran = await pinned(PRELUDE + script + ENDING, { ...env, TALLY: tally }, processorList);
  if (!ran.ok) return { failed: ran.reason };
  return { seconds: between(ran.stdout), ...readTally(await readFile(tally, 'utf8')) };
}

/** The time alone that a script takes on those processors, in seconds. @throws Error if it fails */
export async function timeAlone(what, script, env, { processorList }) {
  const ran = await pinned(`from=$EPOCHREALTIME\n${script}${ENDING}`, env, processorList);
  if (!ran.ok) throw new Error(`Cannot ${what}: ${ran.reason}`);
  return between(ran.stdout);
}

/** Runs a script on the chosen processors only. */
export function pinned(script, env, processorList) {
  return shell('exec taskset -c "$PROCESSOR_LIST" bash -o pipefail -c "$PINNED_SCRIPT"', {
    ...env,
    PROCESSOR_LIST: processorList,
    PINNED_SCRIPT: script,
  });
}

/** Has the next reader of a file find nothing of it in memory, and no earlier row's writes in its way. */
export async function makeCold(file, directory) {
  const { ok, reason } = await shell('sync -f -- "$DIRECTORY"; dd if="$FILE" iflag=nocache count=0 status=none', {
    FILE: file,
    DIRECTORY: directory,
  });
  if (!ok) throw new Error(`Cannot drop the cache of a file: ${reason}`);
}

/** Removes all that rows wrote, sidecars too, and gives the next one an empty room. */
export async function emptyOutput(directory) {
  const room = path.join(directory, 'out');
  await rm(room, { recursive: true, force: true });
  await mkdir(room);
  return path.join(room, 'out');
}

/** @param {string} text two clock readings, in seconds */
function between(text) {
  const [from, to] = text.trim().split('\n').at(-1).split(' ').map(Number);
  // Microseconds are all that bash tells.
  return Math.round((to - from) * 1e6) / 1e6;
}

/** @param {string} text of GNU time: user seconds, system seconds, peak in KiB, a line for each part */
export function readTally(text) {
  const parts = text
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  return {
    processorSeconds: parts.reduce((sum, [user, system]) => sum + user + system, 0),
    // All parts of a pipe run at the same time, so what the machine must have is their sum.
    peakBytes: parts.reduce((sum, [, , kib]) => sum + kib * KIB, 0),
  };
}
