import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makePrefix } from './prefix.js';
import { type JobResult, runJob, type SimulatedGuest } from './simulator.js';

const VM: SimulatedGuest = { vmid: 100, type: 'qemu', hostname: 'mail' };
const CT: SimulatedGuest = { vmid: 200, type: 'lxc', hostname: 'proxy' };
const NEVER = '[hook]\nimage-at = "never"';
const RECORDING = 'echo "$*" >>"$NOTES"';

function phasesOf(result: JobResult): string[] {
  return result.calls.map(({ phase }) => phase);
}

function linesOf(result: JobResult, phase: string): string[] {
  return result.calls.filter((call) => call.phase === phase).flatMap(({ lines }) => lines);
}

/** What every call has to keep to, whatever was asked of it. */
function assertManners(result: JobResult): void {
  for (const { phase, lines, heldMs } of result.calls) {
    assert.ok(lines.length <= 6, `${phase}: ${lines.join('\n')}`);
    for (const line of lines) assert.match(line, /^lifeboat: /, phase);
    assert.ok(heldMs < 3000, `${phase}: vzdump's pipes were held for ${heldMs} ms`);
  }
}

describe('what a job leaves in the history', { concurrency: 2 }, () => {
  test('a VM in snapshot mode, with all that log and archive tell, and not a word in the log', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const { dumpDirectory, hook: script } = prefix;
    const result = await runJob({ script, dumpDirectory, guests: [VM] });
    assert.equal(result.outcome, 'ok');
    assert.deepEqual(phasesOf(result), [
      'job-init',
      'job-start',
      'backup-start',
      'pre-stop',
      'pre-restart',
      'post-restart',
      'backup-end',
      'log-end',
      'job-end',
    ]);
    assert.deepEqual(
      result.calls.flatMap(({ lines }) => lines),
      [],
    );
    const target = join(dumpDirectory, 'vzdump-qemu-100-2026_11_20-01_00_02.vma.zst');
    const archiveBytes = statSync(target).size;
    const bytes = Math.round(2.21 * 2 ** 30);
    const [row, ...others] = prefix.rows();
    const { time, ...facts } = row ?? {};
    assert.match(String(time), /^20\d\d-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(facts, {
      kind: 'guest',
      vmid: 100,
      type: 'qemu',
      hostname: 'mail',
      mode: 'snapshot',
      storage: 'nas',
      target,
      outcome: 'ok',
      compression: 'zst',
      bytes,
      sparseBytes: Math.round(1.61 * 2 ** 30),
      archiveBytes,
      ratio: Math.round((bytes / archiveBytes) * 1000) / 1000,
      durationMs: 83_000,
      MBps: 103.2,
    });
    assert.deepEqual(others, []);
    assert.equal(existsSync(join(prefix.historyDirectory, 'vzdump-job.json')), false);
  });

  test('a container in suspend mode, and a VM that was stopped and so is saved in stop mode', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const { dumpDirectory, hook: script } = prefix;
    const guests = [CT, { ...VM, isRunning: false }];
    const result = await runJob({ script, dumpDirectory, guests, mode: 'suspend', compress: 'gz', to: 'dumpdir' });
    assert.equal(result.outcome, 'ok');
    const [container, vm] = prefix.rows();
    const { bytes, MBps, mode, compression, hostname } = container ?? {};
    assert.deepEqual(
      { bytes, MBps, mode, compression, hostname },
      { bytes: 611_809_280, MBps: 28.3, mode: 'suspend', compression: 'gz', hostname: 'proxy' },
    );
    for (const absent of ['sparseBytes', 'storage', 'reason']) assert.equal(container?.[absent], undefined, absent);
    assert.equal(vm?.mode, 'stop');
    assert.deepEqual(
      result.calls.filter(({ vmid }) => vmid === 100).map(({ phase }) => phase),
      ['backup-start', 'backup-end', 'log-end'],
    );
    assertManners(result);
  });

  test('a guest that fails is recorded as failed with the reason, the next one and the job go on', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const { dumpDirectory, hook: script } = prefix;
    const failing = { ...VM, fails: 'job failed with err -28 - No space left on device' };
    const result = await runJob({
      script,
      dumpDirectory,
      guests: [failing, CT, { vmid: 999, type: 'qemu', isMissing: true }],
    });
    assert.equal(result.outcome, 'job errors');
    const [vm, container, missing] = prefix.rows();
    assert.equal(vm?.outcome, 'failed');
    assert.equal(vm?.reason, 'job failed with err -28 - No space left on device');
    for (const absent of ['archiveBytes', 'bytes', 'ratio', 'durationMs', 'MBps'])
      assert.equal(vm?.[absent], undefined);
    assert.equal(container?.outcome, 'ok');
    // vzdump gives neither VMTYPE nor TARGET nor LOGFILE for a guest that it does not find.
    const { time: _, ...facts } = missing ?? {};
    assert.deepEqual(facts, { kind: 'guest', vmid: 999, mode: 'snapshot', storage: 'nas', outcome: 'failed' });
    assertManners(result);
  });

  test('a backup server gives no log and no file: what they would tell is left out, and success and failure are told apart', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const { dumpDirectory, hook: script } = prefix;
    const guests = [VM, { ...CT, fails: 'connection refused' }];
    const result = await runJob({ script, dumpDirectory, guests, to: 'backup-server' });
    assert.equal(result.outcome, 'job errors');
    assert.deepEqual(
      prefix.rows().map(({ time: _, ...facts }) => facts),
      [
        {
          kind: 'guest',
          vmid: 100,
          type: 'qemu',
          hostname: 'mail',
          mode: 'snapshot',
          storage: 'nas',
          target: 'vm/100/2026-11-20T00:00:02Z',
          outcome: 'ok',
        },
        {
          kind: 'guest',
          vmid: 200,
          type: 'lxc',
          hostname: 'proxy',
          mode: 'snapshot',
          storage: 'nas',
          target: 'ct/200/2026-11-20T00:00:02Z',
          outcome: 'failed',
        },
      ],
    );
    assertManners(result);
  });

  test('a guest that has failed and comes again in the same job is judged anew', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const { dumpDirectory, hook: script } = prefix;
    const guests = [{ ...CT, fails: 'connection refused' }, CT];
    await runJob({ script, dumpDirectory, guests, to: 'backup-server' });
    assert.deepEqual(
      prefix.rows().map(({ outcome }) => outcome),
      ['failed', 'ok'],
    );
  });

  test('standard output as target has a log and no archive; a log that is missing is no failure', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const { dumpDirectory, hook: script } = prefix;
    await runJob({ script, dumpDirectory, guests: [VM], to: 'stdout' });
    const lost = await runJob({ script, dumpDirectory, guests: [CT], losesLogs: true });
    const [piped, withoutLog] = prefix.rows();
    assert.equal(piped?.target, '-');
    assert.equal(piped?.bytes, Math.round(2.21 * 2 ** 30));
    for (const absent of ['archiveBytes', 'ratio', 'compression']) assert.equal(piped?.[absent], undefined, absent);
    assert.equal(withoutLog?.outcome, 'ok');
    assert.equal(typeof withoutLog?.archiveBytes, 'number');
    for (const absent of ['bytes', 'ratio', 'durationMs', 'MBps'])
      assert.equal(withoutLog?.[absent], undefined, absent);
    assert.deepEqual(linesOf(lost, 'log-end'), []);
  });

  test('the history is only for root', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    await runJob({ script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests: [CT] });
    assert.equal(statSync(prefix.historyDirectory).mode & 0o777, 0o700);
    assert.equal(statSync(join(prefix.historyDirectory, 'history.jsonl')).mode & 0o777, 0o600);
  });
});

describe('verify-guests', { concurrency: 2 }, () => {
  const VERIFYING = `${NEVER}\nverify-guests = true`;

  for (const compress of ['zst', 'gz'] as const) {
    test(`decodes each ${compress} archive at job-end`, async (t) => {
      const prefix = makePrefix(t, { config: VERIFYING });
      const { dumpDirectory, hook: script } = prefix;
      const result = await runJob({ script, dumpDirectory, guests: [VM, CT], compress });
      assert.equal(result.outcome, 'ok');
      const rows = prefix.rows().filter(({ kind }) => kind === 'verify-guest');
      assert.deepEqual(
        rows.map(({ vmid, outcome, plainBytes }) => ({ vmid, outcome, plainBytes })),
        [100, 200].map((vmid) => ({ vmid, outcome: 'whole', plainBytes: 300_000 })),
      );
      assert.match(
        linesOf(result, 'job-end').join('\n'),
        /^lifeboat: the archives of 2 guests are whole, .* decoded in /,
      );
      assert.equal(existsSync(join(prefix.historyDirectory, 'vzdump-job.json')), false);
    });
  }

  for (const [onFailure, outcome] of [
    ['warn', 'ok'],
    ['fail', 'job failed'],
  ] as const) {
    test(`damage is an error line, and with on-failure ${onFailure} the job is ${outcome}`, async (t) => {
      const prefix = makePrefix(t, { config: `${VERIFYING}\non-failure = "${onFailure}"` });
      const { dumpDirectory, hook: script } = prefix;
      const cut: SimulatedGuest = { ...VM, afterwards: (path) => truncateSync(path, statSync(path).size - 7) };
      const result = await runJob({ script, dumpDirectory, guests: [cut, CT] });
      assert.equal(result.outcome, outcome);
      assert.match(
        linesOf(result, 'job-end').join('\n'),
        /^lifeboat: error: The archive of guest 100 is damaged: "\/.*vma\.zst": /m,
      );
      const rows = prefix.rows().filter(({ kind }) => kind === 'verify-guest');
      assert.deepEqual(
        rows.map((row) => row.outcome),
        ['damaged', 'whole'],
      );
      assert.ok(rows[0]?.reason);
      assertManners(result);
    });
  }

  for (const [what, options, reason] of [
    ['lzo', { compress: 'lzo' }, /lzo is not known to lifeboat/],
    ['an archive that is not compressed', { compress: 'none' }, /it is not compressed/],
    ['a backup server', { to: 'backup-server' }, /Proxmox Backup Server/],
    ['standard output', { to: 'stdout' }, /standard output/],
  ] as const) {
    test(`of ${what} it says that it was not verified`, async (t) => {
      const prefix = makePrefix(t, { config: `${VERIFYING}\non-failure = "fail"` });
      const { dumpDirectory, hook: script } = prefix;
      const result = await runJob({ script, dumpDirectory, guests: [CT], ...options });
      assert.equal(result.outcome, 'ok');
      assert.match(linesOf(result, 'job-end').join('\n'), new RegExp(`guest 200 was not verified: .*${reason.source}`));
      const [row] = prefix.rows().filter(({ kind }) => kind === 'verify-guest');
      assert.equal(row?.outcome, 'not verified');
      assert.equal(row?.plainBytes, undefined);
    });
  }

  test('an archive that is gone by then is a failure of the verification, not damage', async (t) => {
    const prefix = makePrefix(t, { config: `${VERIFYING}\non-failure = "fail"` });
    const { dumpDirectory, hook: script } = prefix;
    prefix.chain('10-remove', `[ "$1" = log-end ] && rm -f '${dumpDirectory}'/*.zst; exit 0`);
    const result = await runJob({ script, dumpDirectory, guests: [CT] });
    assert.equal(result.outcome, 'job failed');
    assert.match(linesOf(result, 'job-end').join('\n'), /error: Cannot verify the archive of guest 200: /);
    assert.equal(prefix.rows().find(({ kind }) => kind === 'verify-guest')?.outcome, 'failed');
  });

  test('what another job has left behind, whose process was killed, is not verified again', async (t) => {
    const prefix = makePrefix(t, { config: VERIFYING });
    const { dumpDirectory, hook: script, historyDirectory } = prefix;
    await runJob({ script, dumpDirectory, guests: [CT] });
    const state = {
      job: { pid: process.pid, startTicks: 1 },
      archives: [{ vmid: '1', target: '/x' }],
      aborted: ['200'],
    };
    writeFileSync(join(historyDirectory, 'vzdump-job.json'), JSON.stringify(state));
    const result = await runJob({ script, dumpDirectory, guests: [CT] });
    assert.equal(result.outcome, 'ok');
    assert.deepEqual(
      prefix.rows().map(({ vmid, outcome }) => [vmid, outcome]),
      [
        [200, 'ok'],
        [200, 'whole'],
        [200, 'ok'],
        [200, 'whole'],
      ],
    );
  });
});

test('a chained hook is called in every phase as vzdump calls it, in all modes, for VMs and containers', async (t) => {
  const prefix = makePrefix(t, { config: NEVER });
  prefix.chain('50-record', RECORDING);
  const { dumpDirectory, hook: script } = prefix;
  const wanted: string[] = [];
  for (const mode of ['snapshot', 'suspend', 'stop'] as const) {
    const result = await runJob({ script, dumpDirectory, mode, guests: [VM, CT], compress: 'none' });
    assert.equal(result.outcome, 'ok');
    for (const { phase, mode: used, vmid } of result.calls)
      wanted.push(vmid === undefined ? phase : `${phase} ${used} ${vmid}`);
  }
  assert.equal(wanted.length, 3 * (3 + 2 * 6));
  assert.deepEqual(prefix.notes(), wanted);
});

test('vzdump --all on a node without guests runs the phases of the job', async (t) => {
  const prefix = makePrefix(t, { config: NEVER });
  prefix.chain('50-record', RECORDING);
  const result = await runJob({ script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests: [] });
  assert.equal(result.outcome, 'ok');
  assert.deepEqual(prefix.notes(), ['job-init', 'job-start', 'job-end']);
});

test('a log that tells its hooks of a finished backup is not believed before vzdump itself', async (t) => {
  const prefix = makePrefix(t, { config: NEVER });
  prefix.chain('50-chatty', '[ "$1" = backup-end ] && echo "Finished Backup of VM 100 (99:00:00)"; exit 0');
  const { dumpDirectory, hook: script } = prefix;
  await runJob({ script, dumpDirectory, guests: [VM] });
  assert.equal(prefix.rows()[0]?.durationMs, 83_000);
  assert.match(readFileSync(join(dumpDirectory, 'vzdump-qemu-100-2026_11_20-01_00_02.log'), 'utf8'), /99:00:00/);
});
