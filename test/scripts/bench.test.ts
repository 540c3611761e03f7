import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa, type Options } from 'execa';
import { directory, namesIn, STATUS, until } from '../cli/program.js';
import { elementsOf } from './xml.js';

const BENCH = resolve('scripts/bench');
const MIB = 1024 * 1024;

interface Results {
  smoke: boolean;
  disk: { bytes: number };
  leftOut: string[];
  startUp: { medianMs: number }[];
  comparisons: {
    name: string;
    limits?: { seconds: number };
    rows: {
      name: string;
      ours: boolean;
      failed?: string;
      runs: { seconds: number; processorSeconds: number; peakBytes: number }[];
      summary?: { ratio: number; efficiency: number; processorSecondsPerGib: number };
    }[];
  }[];
}

function start(args: string[], options: Options = {}) {
  return execa(BENCH, args, { reject: false, stdin: 'ignore', timeout: 120_000, ...options });
}

/** A run of the smoke test with a room of its own, and what it left behind. */
async function smoke(t: TestContext, args: string[], env: Record<string, string> = {}) {
  const base = directory(t);
  const [work, out] = [join(base, 'work'), join(base, 'out')];
  mkdirSync(work);
  const ran = await start(['--smoke', '--work', work, '--out', out, ...args], { env });
  const [name = 'none'] = namesIn(join(out, 'results'));
  const results: Results = JSON.parse(readFileSync(join(out, 'results', name), 'utf8'));
  assert.deepEqual(readdirSync(work), [], 'nothing is left in the work directory');
  return { ran, results, out, work };
}

/** A directory for PATH with one program in it. */
function stub(t: TestContext, name: string, script: string): Record<string, string> {
  const path = directory(t);
  writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, name), 0o755);
  return { PATH: `${path}${delimiter}${process.env.PATH}` };
}

test('the smoke test measures, checks and publishes every row', { timeout: 180_000 }, async (t) => {
  const readme = readFileSync('README.md', 'utf8');
  const { ran, results, out, work } = await smoke(t, []);
  assert.equal(ran.exitCode, STATUS.done, String(ran.stderr));
  assert.match(String(ran.stdout), /^smoke: figures mean nothing/);
  assert.match(String(ran.stderr), /round 1 of 1, save gzip 6: pigz -6 \.\.\. \d/);
  assert.equal(results.smoke, true);
  assert.equal(results.disk.bytes, 64 * MIB);

  const rows = results.comparisons.flatMap(({ rows: all }) => all);
  assert.ok(rows.length + results.leftOut.length >= 20, `${rows.length} rows`);
  for (const comparison of results.comparisons) {
    assert.equal(comparison.rows.filter(({ ours }) => ours).length, 1, comparison.name);
    for (const { name, runs, summary, failed } of comparison.rows) {
      const what = `${comparison.name}: ${name}`;
      assert.equal(failed, undefined, what);
      assert.equal(runs.length, 1, what);
      assert.ok(
        runs.every(({ seconds, peakBytes }) => seconds > 0.001 && seconds < 60 && peakBytes > MIB),
        what,
      );
      assert.ok(summary !== undefined && summary.ratio > 1 && summary.ratio < 50, what);
      assert.ok(summary.processorSecondsPerGib >= 0 && summary.processorSecondsPerGib < 1000, what);
      // Neighbours can hold up a limit, too: on a quiet machine it is 1 at most.
      assert.ok(summary.efficiency > 0 && summary.efficiency < 5, `${what}: ${summary.efficiency}`);
    }
  }

  for (const chart of ['saving.svg', 'restoring.svg']) {
    elementsOf(readFileSync(join(out, 'charts', chart), 'utf8'));
  }
  assert.match(readFileSync(join(out, 'README.md'), 'utf8'), /<img src="charts\/saving\.svg"/);
  assert.equal(readFileSync('README.md', 'utf8'), readme);
  // What is published tells nothing of the machine's directories.
  assert.ok(!JSON.stringify(results).includes(work) && !JSON.stringify(results).includes(resolve('.')));
});

test('a peer that fails is a failed row with its reason, no fast time', { timeout: 180_000 }, async (t) => {
  const env = stub(t, 'pigz', 'echo "pigz: cannot today" >&2; exit 1');
  const { ran, results } = await smoke(t, ['--only', 'save gzip 1 pigz|restore gzip pigz'], env);
  assert.equal(ran.exitCode, STATUS.failed, String(ran.stderr));
  const rows = results.comparisons.flatMap(({ rows: all }) => all);
  for (const { failed, runs } of rows.filter(({ name }) => name.startsWith('pigz'))) {
    assert.equal(failed, 'pigz: cannot today');
    assert.deepEqual(runs, []);
  }
  assert.equal(rows.filter(({ ours, failed }) => ours && failed === undefined).length, results.comparisons.length);
  assert.match(String(ran.stdout), /^FAILED: save gzip 1: pigz -1: pigz: cannot today$/m);
});

test('a peer that writes something else is a failed row', { timeout: 180_000 }, async (t) => {
  const env = stub(t, 'pigz', 'cat >/dev/null; echo garbage');
  const { ran, results } = await smoke(t, ['--only', 'save gzip 1 pigz'], env);
  assert.equal(ran.exitCode, STATUS.failed, String(ran.stderr));
  const row = results.comparisons[0]?.rows.find(({ name }) => name === 'pigz -1');
  assert.match(row?.failed ?? '', /^what it wrote is not the disk: (gzip|cmp): /);
  assert.deepEqual(row?.runs, []);
});

test('a signal ends it at once and leaves nothing behind', { timeout: 60_000 }, async (t) => {
  const work = directory(t);
  const run = start(['--size', '64', '--only', 'gzip 9', '--work', work]);
  let said = '';
  run.stderr?.on('data', (data) => {
    said += data;
  });
  await until('a round has begun', () => said.includes('save gzip 9: lifeboat'), 50_000);
  run.kill('SIGTERM');
  const { exitCode } = await run;
  assert.equal(exitCode, 143);
  assert.deepEqual(readdirSync(work), []);
});

test('wrong usage is told, with exit 64', { timeout: 60_000 }, async () => {
  for (const [args, words] of [
    [['--fast'], /Unknown option '--fast'/],
    [['--runs', '2'], /--runs takes a whole number from 3/],
    [['--size', '1e3'], /--size takes/],
    [['--only', '('], /--only: /],
    [['--only', 'nothing like this'], /No row/],
    [['a', 'b'], /one DISK/],
    [['a', '--size', '64'], /--size is for the disk that is made/],
  ] as const) {
    const { exitCode, stderr } = await start([...args]);
    assert.equal(exitCode, STATUS.usage, String(stderr));
    assert.match(String(stderr), words);
    assert.doesNotMatch(String(stderr), /\n {4}at /);
  }
});

test('too little space is told before anything is done, with exit 14', { timeout: 60_000 }, async (t) => {
  const work = directory(t);
  const { exitCode, stderr } = await start(['--size', '16000000', '--work', work]);
  assert.equal(exitCode, STATUS.noSpace, String(stderr));
  assert.match(String(stderr), /Needs \d+ MiB in .*are free; name another place by --work/);
  assert.deepEqual(readdirSync(work), []);
});
