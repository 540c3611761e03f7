import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { until } from '../cli/program.js';
import { makePrefix, type Prefix } from './prefix.js';
import { runJob } from './simulator.js';

/** vzdump's cancel: SIGTERM to the process group, SIGKILL 5 s later. */

const CONFIG = 'boot.to = "/tmp"\n[hook]\ncheck-target = false';
const PATIENCE_MS = 5000;

/** Cleans up for a second when it is told to end, as a run that removes its snapshots, and tells how often it was told. */
const CLEANING = `trap 'echo asked >>"$NOTES"' TERM
echo $$ >"$HERE/pid"
i=0
while [ $i -lt 300 ] && ! grep -q asked "$NOTES" 2>/dev/null; do sleep 0.1; i=$((i+1)); done
sleep 1
echo cleaned >>"$NOTES"
exit 143`;

function hasBegun(prefix: Prefix, name = 'pid'): () => boolean {
  return () => existsSync(join(prefix.directory, name));
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

describe('a job that is cancelled', { concurrency: 2 }, () => {
  test('while the boot disk is saved: the run cleans up once, in time, and the hook ends by the signal', async (t) => {
    const prefix = makePrefix(t, { config: CONFIG, boot: CLEANING });
    const { hook: script, dumpDirectory } = prefix;
    const result = await runJob({
      script,
      dumpDirectory,
      guests: [],
      cancel: { phase: 'job-end', isTime: hasBegun(prefix) },
    });
    assert.equal(result.outcome, 'job failed');
    assert.equal(result.error, 'interrupted by signal');
    const end = result.calls.find(({ phase }) => phase === 'job-end');
    assert.equal(end?.signal, 'SIGTERM');
    assert.equal(end?.wasKilled, false);
    assert.ok((end?.cancelMs ?? PATIENCE_MS) < PATIENCE_MS);
    assert.deepEqual(prefix.notes(), ['asked', 'cleaned']);
    assert.match(end?.lines.join('\n') ?? '', /^lifeboat: stopped by SIGTERM$/m);
    assert.equal(result.calls.at(-1)?.phase, 'job-abort');
    assert.equal(existsSync(join(prefix.historyDirectory, 'vzdump-job.json')), false);
  });

  test('and the run does not heed it: the hook ends in time all the same, and vzdump waits for nobody', async (t) => {
    const prefix = makePrefix(t, { config: CONFIG, boot: `trap '' TERM\necho $$ >"$HERE/pid"\nsleep 60` });
    const { hook: script, dumpDirectory } = prefix;
    const { calls } = await runJob({
      script,
      dumpDirectory,
      guests: [],
      cancel: { phase: 'job-end', isTime: hasBegun(prefix) },
    });
    const end = calls.find(({ phase }) => phase === 'job-end');
    assert.ok((end?.cancelMs ?? Number.NaN) < PATIENCE_MS + 500, `${end?.cancelMs} ms`);
    const pid = Number(readFileSync(join(prefix.directory, 'pid'), 'utf8'));
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    assert.ok((end?.heldMs ?? Number.NaN) < 3000);
  });

  test('while a chained hook runs: it has the signal from the group, and the next one is not begun', async (t) => {
    const prefix = makePrefix(t, { config: '[hook]\nimage-at = "never"' });
    prefix.chain(
      '10-slow',
      `[ "$1" = backup-end ] || exit 0\ntrap 'echo asked >>"$NOTES"; exit 1' TERM\nsleep 30 &\nsleep 0.3\n: >"$HERE/pid"\nwait`,
    );
    prefix.chain('20-next', '[ "$1" = backup-end ] && echo next >>"$NOTES"; exit 0');
    const { hook: script, dumpDirectory } = prefix;
    const cancel = { phase: 'backup-end', isTime: hasBegun(prefix) };
    const result = await runJob({
      script,
      dumpDirectory,
      guests: [{ vmid: 100, type: 'qemu' }],
      compress: 'none',
      cancel,
    });
    assert.equal(result.outcome, 'job failed');
    assert.deepEqual(prefix.notes(), ['asked']);
    assert.deepEqual(
      result.calls.slice(-3).map(({ phase }) => phase),
      ['backup-abort', 'log-end', 'job-abort'],
    );
    assert.equal(result.calls.at(-4)?.signal, 'SIGTERM');
    assert.ok((result.calls.at(-4)?.heldMs ?? Number.NaN) < 3000);
    assert.equal(prefix.rows()[0]?.outcome, 'failed');
    assert.equal(prefix.rows()[0]?.reason, 'interrupted by signal');
  });

  test('while archives are verified', async (t) => {
    const prefix = makePrefix(t, { config: '[hook]\nimage-at = "never"\nverify-guests = true' });
    const { hook: script, dumpDirectory } = prefix;
    const guests = Array.from({ length: 4 }, (_, index) => ({
      vmid: 100 + index,
      type: 'lxc' as const,
      content: Buffer.alloc(64 * 1024 * 1024, `guest ${index}`),
    }));
    // The first row of a verification is written when the first archive is done.
    const isTime = () => prefix.rows().some(({ kind }) => kind === 'verify-guest');
    const result = await runJob({
      script,
      dumpDirectory,
      guests,
      compress: 'gz',
      cancel: { phase: 'job-end', isTime },
    });
    const end = result.calls.find(({ phase }) => phase === 'job-end');
    assert.equal(end?.signal, 'SIGTERM');
    assert.ok((end?.cancelMs ?? PATIENCE_MS) < PATIENCE_MS);
    assert.ok(prefix.rows().filter(({ kind }) => kind === 'verify-guest').length < 4);
  });
});

test('a hook that alone is told to end passes it on, so that no run is left without anybody', async (t) => {
  const prefix = makePrefix(t, { config: CONFIG, boot: CLEANING });
  const child = spawn(prefix.hook, ['job-end'], { env: {}, stdio: 'ignore', detached: true });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  await until('the run has begun', hasBegun(prefix));
  child.kill('SIGTERM');
  assert.equal(await ended, 'SIGTERM');
  const pid = Number(readFileSync(join(prefix.directory, 'pid'), 'utf8'));
  await until('the run has ended', () => !isAlive(pid));
  assert.deepEqual(prefix.notes(), ['asked', 'cleaned']);
  assert.equal(readdirSync(prefix.directory).includes('vzdump-job.json'), false);
});
