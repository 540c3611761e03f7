import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { makeBootDisk } from '../cli/boot-disk.js';
import { directory, ends, lifeboat, namesIn, STATUS } from '../cli/program.js';
import { noLoops } from '../device/loop.js';
import { makePrefix } from './prefix.js';
import { runJob } from './simulator.js';

/** Whole jobs with the real `lifeboat boot` at their end, on a disk that nobody uses. */
describe('a job and a real boot disk', { skip: noLoops }, () => {
  let disk: Awaited<ReturnType<typeof makeBootDisk>>;
  before(async () => {
    disk = await makeBootDisk();
  });
  after(() => disk.detach());

  function setUp(t: TestContext, more = '') {
    const sets = directory(t);
    const boot = `[boot]\nto = "${sets}"\ndisk = "${disk.device}"\nrescue-kit = false\n${more}`;
    const prefix = makePrefix(t, { boot: `exec '${resolve('bin/lifeboat')}' "$@"`, config: `notify = []\n${boot}` });
    const job = { script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests: [] };
    const names = () =>
      namesIn(sets).flatMap((host) => namesIn(join(sets, host)).map((name) => join(sets, host, name)));
    return { prefix, job, names };
  }

  test('the first job makes a set that verifies, the next finds it young enough', async (t) => {
    const { prefix, job, names } = setUp(t);
    const first = await runJob({ ...job, guests: [{ vmid: 100, type: 'qemu' }] });
    const lines = first.calls.flatMap((call) => call.lines).join('\n');
    assert.equal(first.outcome, 'ok', lines);
    assert.equal(names().length, 1, lines);
    assert.match(lines, /lifeboat: the boot disk is saved: .*, read back and proven/);
    assert.doesNotMatch(lines, /\n\n|[\r\b]/);
    ends(await lifeboat(['verify', names()[0] ?? '']), STATUS.done);
    assert.deepEqual(
      prefix.rows().map(({ kind, outcome }) => [kind, outcome]),
      [
        ['guest', 'ok'],
        // That the disk is not the one this machine boots from is a warning.
        ['boot', 'warning'],
      ],
    );
    const second = await runJob(job);
    assert.match(second.calls.flatMap((call) => call.lines).join('\n'), /the boot disk was saved .* ago/);
    assert.equal(names().length, 1);
  });

  test('cancelled while it images: everything is undone within 5 seconds, and the history says so', async (t) => {
    const { prefix, job, names } = setUp(t, 'bwlimit = 1024');
    const isTime = () => names().some((set) => namesIn(set).some((name) => name.endsWith('.partial')));
    const result = await runJob({ ...job, cancel: { phase: 'job-end', isTime } });
    const end = result.calls.find(({ phase }) => phase === 'job-end');
    assert.equal(result.outcome, 'job failed');
    assert.equal(end?.wasKilled, false);
    assert.ok((end?.cancelMs ?? Number.NaN) < 5000, `${end?.cancelMs} ms`);
    assert.deepEqual(names(), []);
    assert.deepEqual(
      prefix.rows().map(({ kind, outcome, exitStatus }) => [kind, outcome, exitStatus]),
      [['boot', 'failure', 143]],
    );
  });
});
