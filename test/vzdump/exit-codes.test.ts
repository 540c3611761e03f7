import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makePrefix, type Prefix } from './prefix.js';
import { type JobResult, runJob, type SimulatedGuest } from './simulator.js';

/** What a hook's exit status does to guest and job, phase by phase: by a chained hook, and by a failure of our own. */

const VM: SimulatedGuest = { vmid: 100, type: 'qemu' };
const CT: SimulatedGuest = { vmid: 200, type: 'lxc' };
const NEVER = '[hook]\nimage-at = "never"';
const FAILING = `${NEVER}\non-failure = "fail"`;

function failingIn(phase: string, status = 3, guest = ''): string {
  return `case "$1 \${3:-}" in "${phase} ${guest}"*) exit ${status};; esac; exit 0`;
}

function run(prefix: Prefix, guests = [VM, CT], more = {}): Promise<JobResult> {
  return runJob({ script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests, compress: 'none', ...more });
}

function phasesOf({ calls }: JobResult): string[] {
  return calls.map(({ phase }) => phase);
}

function lines(result: JobResult): string {
  return result.calls.flatMap((call) => call.lines).join('\n');
}

describe('a chained hook that fails', { concurrency: 2 }, () => {
  test('in job-init: the job dies, and nothing else is called', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-fail', failingIn('job-init', 7));
    const result = await run(prefix);
    assert.equal(result.outcome, 'died');
    assert.match(result.error ?? '', /job-init' failed: exit code 7$/);
    assert.deepEqual(phasesOf(result), ['job-init']);
  });

  test('in job-start: no guest is backed up, job-abort follows', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-fail', failingIn('job-start', 7));
    const result = await run(prefix);
    assert.equal(result.outcome, 'job failed');
    assert.match(result.error ?? '', /job-start' failed: exit code 7$/);
    assert.deepEqual(phasesOf(result), ['job-init', 'job-start', 'job-abort']);
    assert.equal(result.guests.size, 0);
  });

  for (const phase of ['backup-start', 'pre-stop', 'pre-restart', 'post-restart', 'backup-end'] as const) {
    test(`in ${phase}: that guest fails and backup-abort follows, the next guest and the job go on`, async (t) => {
      const prefix = makePrefix(t, { config: NEVER });
      prefix.chain('10-fail', failingIn(phase, 5, '100'));
      const result = await run(prefix);
      assert.equal(result.outcome, 'job errors');
      assert.match(result.guests.get(100) ?? '', new RegExp(`${phase}' failed: exit code 5$`));
      assert.equal(result.guests.get(200), 'ok');
      const ofVm = result.calls.filter(({ vmid }) => vmid === 100).map((call) => call.phase);
      assert.deepEqual(ofVm.slice(-3), [phase, 'backup-abort', 'log-end']);
      assert.equal(phasesOf(result).at(-1), 'job-end');
      assert.deepEqual(
        prefix.rows().map(({ vmid, outcome }) => [vmid, outcome]),
        [
          [100, 'failed'],
          [200, 'ok'],
        ],
      );
      assert.match(String(prefix.rows()[0]?.reason), new RegExp(`${phase}' failed: exit code 5$`));
    });
  }

  test('in pre-restart of stop mode, when the archive is whole: a warning, the guest is ok', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-fail', failingIn('pre-restart', 5));
    const result = await run(prefix, [VM], { mode: 'stop' });
    assert.equal(result.outcome, 'ok');
    assert.match(result.warnings.join('\n'), /pre-restart' failed: exit code 5/);
  });

  for (const phase of ['backup-abort', 'log-end'] as const) {
    test(`in ${phase}: a warning`, async (t) => {
      const prefix = makePrefix(t, { config: NEVER });
      prefix.chain('10-fail', failingIn(phase, 9));
      const result = await run(prefix, [{ ...VM, fails: 'no space' }, CT]);
      assert.equal(result.outcome, 'job errors');
      assert.equal(result.guests.get(200), 'ok');
      assert.match(result.warnings.join('\n'), new RegExp(`${phase}' failed: exit code 9`));
      assert.equal(prefix.rows().length, 2);
    });
  }

  test('in job-end: the job fails, job-abort follows; the guests are ok', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-fail', failingIn('job-end', 4));
    const result = await run(prefix);
    assert.equal(result.outcome, 'job failed');
    assert.match(result.error ?? '', /job-end' failed: exit code 4$/);
    assert.deepEqual(phasesOf(result).slice(-2), ['job-end', 'job-abort']);
    assert.deepEqual([...result.guests.values()], ['ok', 'ok']);
  });

  test('in job-abort: its text is added', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-fail', 'case "$1" in job-end) exit 4;; job-abort) exit 6;; esac; exit 0');
    const result = await run(prefix);
    assert.match(result.error ?? '', /job-abort' failed: exit code 6 \(.*job-end' failed: exit code 4\)$/);
  });

  test('by a signal: 128 and its number, as a shell tells it', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-fail', '[ "$1" = job-end ] && kill -9 $$; exit 0');
    const result = await run(prefix);
    assert.match(result.error ?? '', /exit code 137$/);
  });

  test('ends a phase that begins something; where something ends, the others run, and the first failure counts', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain(
      '10-fail',
      'echo "10 $1" >>"$NOTES"; case "$1" in backup-start) exit 5;; backup-abort) exit 6;; esac; exit 0',
    );
    prefix.chain('20-other', 'echo "20 $1" >>"$NOTES"; [ "$1" = backup-abort ] && exit 8; exit 0');
    const result = await run(prefix, [VM]);
    assert.deepEqual(
      prefix.notes().filter((note) => note.includes('backup-')),
      ['10 backup-start', '10 backup-abort', '20 backup-abort'],
    );
    assert.match(result.warnings.join('\n'), /backup-abort' failed: exit code 6/);
  });
});

describe('a failure of our own', { concurrency: 2 }, () => {
  const NO_TARGET = '[boot]\nto = "/nowhere/at/all"';

  test('fails nothing by default: a bad target is told before the guests, and no set after them', async (t) => {
    const prefix = makePrefix(t, { config: NO_TARGET, boot: 'exit 1' });
    const result = await run(prefix);
    assert.equal(result.outcome, 'ok');
    assert.deepEqual(result.warnings, []);
    const start = result.calls.find(({ phase }) => phase === 'job-start');
    assert.deepEqual(start?.lines, [
      'lifeboat: warning: Cannot put a set in "/nowhere/at/all": there is no such directory',
      'lifeboat: mount what belongs there, or make it: mkdir -p "/nowhere/at/all"',
    ]);
    assert.match(result.calls.at(-1)?.lines.join('\n') ?? '', /warning: Cannot save the boot disk: .* status 1$/m);
  });

  test('with on-failure fail in job-start: no guest is backed up', async (t) => {
    const prefix = makePrefix(t, { config: `${NO_TARGET}\n[hook]\non-failure = "fail"` });
    const result = await run(prefix);
    assert.equal(result.outcome, 'job failed');
    assert.deepEqual(phasesOf(result), ['job-init', 'job-start', 'job-abort']);
    assert.match(lines(result), /^lifeboat: error: Cannot put a set in "\/nowhere\/at\/all"/m);
  });

  test('check-target = false: nothing is said before the guests', async (t) => {
    const prefix = makePrefix(t, { config: `${NO_TARGET}\n[hook]\ncheck-target = false\non-failure = "fail"` });
    const result = await run(prefix);
    assert.deepEqual([...result.guests.values()], ['ok', 'ok']);
  });

  test('with on-failure fail in job-end: the job fails, job-abort follows', async (t) => {
    const prefix = makePrefix(t, { config: '[hook]\non-failure = "fail"\ncheck-target = false' });
    const result = await run(prefix);
    assert.equal(result.outcome, 'job failed');
    assert.deepEqual(phasesOf(result).slice(-2), ['job-end', 'job-abort']);
    assert.match(lines(result), /error: Cannot save the boot disk: ".*config\.toml" names no target/);
  });

  for (const [onFailure, outcome, warned] of [
    ['warn', 'ok', false],
    ['fail', 'job failed', true],
  ] as const) {
    test(`a history that cannot be written, with on-failure ${onFailure}`, async (t) => {
      const prefix = makePrefix(t, { config: `${NEVER}\non-failure = "${onFailure}"` });
      // Even root can make no directory where a file is.
      writeFileSync(prefix.historyDirectory, '');
      const result = await run(prefix);
      assert.deepEqual([...result.guests.values()], ['ok', 'ok']);
      assert.equal(/log-end' failed: exit code 1/.test(result.warnings.join('\n')), warned);
      assert.match(lines(result), onFailure === 'warn' ? /lifeboat: warning: / : /lifeboat: error: /);
      assert.equal(result.outcome, outcome);
    });
  }

  test('a wrong configuration is told before and after the guests, and fails nothing', async (t) => {
    const prefix = makePrefix(t, { config: '[hook]\nimage-at = "tomorrow"' });
    const result = await run(prefix);
    assert.equal(result.outcome, 'ok');
    const told = result.calls.filter((call) => call.lines.length > 0).map(({ phase }) => phase);
    assert.deepEqual(told, ['job-init', 'job-end']);
    assert.match(lines(result), /^lifeboat: warning: .*config\.toml/m);
  });

  test('a wrong configuration that has on-failure fail: the job dies in job-init', async (t) => {
    const prefix = makePrefix(t, { config: '[hook]\non-failure = "fail"\nimage-at = "tomorrow"' });
    const result = await run(prefix);
    assert.equal(result.outcome, 'died');
    assert.match(result.error ?? '', /exit code 1$/);
  });

  test('chained hooks run although our configuration is wrong', async (t) => {
    const prefix = makePrefix(t, { config: 'what?' });
    prefix.chain('10-record', 'echo "$1" >>"$NOTES"');
    const result = await run(prefix, []);
    assert.equal(result.outcome, 'ok');
    assert.deepEqual(prefix.notes(), ['job-init', 'job-start', 'job-end']);
  });

  test('no configuration at all: a word on what to set, and nothing else', async (t) => {
    const prefix = makePrefix(t);
    const result = await run(prefix, []);
    assert.equal(result.outcome, 'ok');
    assert.match(
      lines(result),
      /warning: Cannot save the boot disk: there is no ".*config\.toml"\nlifeboat: .*under \[boot\]/,
    );
  });
});

describe('hooks that others than root could have written', { concurrency: 2 }, () => {
  const isRoot = process.getuid?.() === 0;

  for (const [onFailure, outcome] of [
    ['warn', 'ok'],
    ['fail', 'died'],
  ] as const) {
    test(`a hook is named and not run, with on-failure ${onFailure}`, async (t) => {
      const prefix = makePrefix(t, { config: `${NEVER}\non-failure = "${onFailure}"` });
      const path = prefix.chain('10-open', 'echo open >>"$NOTES"');
      prefix.chain('20-closed', 'echo closed >>"$NOTES"');
      chmodSync(path, 0o757);
      const result = await run(prefix, []);
      assert.equal(result.outcome, outcome);
      assert.equal(prefix.notes().includes('open'), false);
      assert.equal(prefix.notes().includes('closed'), true);
      assert.match(
        lines(result),
        /Cannot trust ".*\/10-open": others than its owner can write to it \(mode 0757\)\nlifeboat: .*chmod go-w ".*10-open"/,
      );
    });
  }

  test('a directory: none of its hooks is run', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    prefix.chain('10-record', 'echo run >>"$NOTES"');
    chmodSync(prefix.hooksDirectory, 0o777);
    const result = await run(prefix, []);
    assert.deepEqual(prefix.notes(), []);
    assert.match(lines(result), /Cannot trust ".*\/hooks\.d": others than its owner can write to it/);
  });

  test('a link to what somebody else can change on the way', { skip: !isRoot && 'needs root' }, async (t) => {
    const prefix = makePrefix(t, { config: FAILING });
    const open = join(prefix.directory, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    writeFileSync(join(open, 'hook'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    symlinkSync(join(open, 'hook'), join(prefix.hooksDirectory, '00-previous'));
    const result = await run(prefix, []);
    assert.equal(result.outcome, 'died');
    assert.match(
      lines(result),
      /error: Cannot run the hook ".*\/00-previous": Cannot trust ".*\/open": others than its owner can write to it/,
    );
  });
});
