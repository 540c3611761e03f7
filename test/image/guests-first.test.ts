import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** What a guest's stand-in keeps of its speed while a run goes on beside it, and how often a noisy machine may try. */
const LEAST_KEPT = 0.8;
const ATTEMPTS = 3;
const STRESS_SECONDS = 8;
const FILE_BYTES = 128 * 1024 ** 2;
const PROGRAM = fileURLToPath(new URL('./endless-run.js', import.meta.url));

function whyNot(): string | false {
  try {
    execFileSync('stress-ng', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'no stress-ng on this host: apt install stress-ng';
  }
  try {
    readFileSync('/proc/pressure/cpu');
  } catch {
    return 'no /proc/pressure on this kernel';
  }
  return false;
}

/** Operations a second of real time that stress-ng comes to on two processors. */
async function stress(): Promise<number> {
  const child = spawn(
    'stress-ng',
    ['--cpu', '2', '--cpu-method', 'int64', '--timeout', `${STRESS_SECONDS}s`, '--metrics-brief'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const words = await outputOf(child);
  // "... metrc: [1] cpu  12345  8.00  15.9  0.01  1543.1  775.9": operations, seconds, user, system, a second of real time
  const match = /\bcpu +(\d+) +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+)/.exec(words);
  assert.ok(match, words);
  return Number(match[2]);
}

async function outputOf(child: ChildProcess): Promise<string> {
  let words = '';
  child.stdout?.on('data', (data) => (words += data));
  child.stderr?.on('data', (data) => (words += data));
  await new Promise((resolve) => child.on('close', resolve));
  return words;
}

/** Compressible, and not always the same: pieces of this machine's own programs. */
function programs(directory: string): string {
  const file = join(directory, 'programs');
  const piece = Buffer.alloc(FILE_BYTES);
  const fd = openSync(process.execPath, 'r');
  const size = Math.min(FILE_BYTES, statSync(process.execPath).size);
  for (let at = 0; at < FILE_BYTES; at += size) readSync(fd, piece, at, Math.min(size, FILE_BYTES - at), 0);
  writeFileSync(file, piece);
  return file;
}

test("a guest's stand-in on all processors keeps 80 % of its speed while a run goes on", {
  skip: whyNot(),
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-guests-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = programs(directory);
  const kept: number[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const alone = await stress();
    const run = spawn(process.execPath, [PROGRAM, directory, file, String(FILE_BYTES)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let decisions = '';
    let doneBytes = 0;
    run.stderr.on('data', (data) => (decisions += data));
    run.stdout.on('data', (data) => (doneBytes = Number(String(data).trim().split('\n').at(-1))));
    try {
      await new Promise((resolve) => run.stdout.once('data', resolve));
      const before = doneBytes;
      const beside = await stress();
      assert.equal(run.exitCode, null, 'the run was over before the guest was');
      assert.ok(doneBytes > before, 'the run stood still');
      kept.push(beside / alone);
      t.diagnostic(
        `alone ${alone.toFixed(0)}, beside a run ${beside.toFixed(0)} operations a second: ${kept.at(-1)?.toFixed(2)}`,
      );
      t.diagnostic(`the run did ${((doneBytes - before) / 1e6 / STRESS_SECONDS).toFixed(0)} MB/s meanwhile`);
      for (const line of decisions.split('\n').filter((words) => words.startsWith('policy'))) t.diagnostic(line);
    } finally {
      run.kill('SIGKILL');
      await new Promise((resolve) => run.on('close', resolve));
    }
    if ((kept.at(-1) ?? 0) >= LEAST_KEPT) return;
  }
  assert.fail(`it kept ${kept.map((share) => share.toFixed(2)).join(', ')}`);
});
