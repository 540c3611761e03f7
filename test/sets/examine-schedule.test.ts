import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { examineSchedule } from '../../src/sets/examine-schedule.js';
import { directory } from '../cli/program.js';
import { dailyTimes, makeSet } from './fake-set.js';

const [NEW = new Date(), OLD = new Date()] = dailyTimes(2);

/** A tree with these files, and what is found in it. */
function examine(t: TestContext, files: Record<string, string>, root = directory(t)) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o600 });
  }
  return examineSchedule(new AbortController().signal, root, join(root, 'etc/lifeboat/config.toml'));
}

test('what starts a run is found where installing puts it, and where people put it', async (t) => {
  const found = await examine(t, {
    'etc/vzdump.conf': 'tmpdir: /tmp\nscript: /usr/local/lib/lifeboat/hooks/vzdump-hook\n',
    'etc/cron.d/lifeboat': '# nightly\n30 2 * * * root /usr/local/sbin/lifeboat boot --quiet\n',
    'var/spool/cron/crontabs/root': '@daily lifeboat boot --to /mnt/nas\n',
    'etc/systemd/system/timers.target.wants/lifeboat.timer': '',
  });
  assert.deepEqual(found.callers, [
    'vzdump (/etc/vzdump.conf)',
    'cron (/etc/cron.d/lifeboat)',
    "cron (root's crontab)",
    'systemd (lifeboat.timer)',
  ]);
});

test('lines that are commented out, and the hooks of others, start nothing', async (t) => {
  const found = await examine(t, {
    'etc/vzdump.conf': '#script: /usr/local/lib/lifeboat/hooks/vzdump-hook\nscript: /root/mine.pl\n',
    'var/spool/cron/crontabs/root': '# @daily lifeboat boot\n',
  });
  assert.deepEqual(found.callers, []);
  assert.equal(found.hasConfig, false);
});

test('the newest good set of the target is named, and when it was proven', async (t) => {
  const root = directory(t);
  const sets = join(root, 'sets');
  mkdirSync(sets);
  makeSet(sets, { time: OLD });
  const newest = makeSet(sets, { time: NEW });
  const found = await examine(t, { 'etc/lifeboat/config.toml': `notify = []\n[boot]\nto = "${sets}"\n` }, root);
  assert.equal(found.target, sets);
  assert.equal(found.newest?.path, newest);
  assert.equal(found.newest?.time, NEW.toISOString());
  assert.deepEqual(found.problems, []);
});

test('a target that is away, a configuration that is wrong, and mail without a mail server are problems', async (t) => {
  const away = await examine(t, {
    'etc/lifeboat/config.toml': 'notify = []\n[boot]\nto = "/nonexistent/sets"\nrequire-mount = true\n',
  });
  assert.match(away.problems.join(), /nonexistent/);
  const wrong = await examine(t, { 'etc/lifeboat/config.toml': '[boot]\nbwlimt = 3\n' });
  assert.match(wrong.problems.join(), /config\.toml:2: .*bwlimit/);
  const noMail = await examine(t, { 'etc/lifeboat/config.toml': '[boot]\n' });
  assert.match(noMail.problems.join(), /no \/usr\/sbin\/sendmail/);
  assert.match(noMail.problems.join(), /boot\.to is not set/);
});

test('a configuration that others may write is a problem', async (t) => {
  const root = directory(t);
  await examine(t, { 'etc/lifeboat/config.toml': '' }, root);
  chmodSync(join(root, 'etc/lifeboat/config.toml'), 0o666);
  const { problems } = await examine(t, {}, root);
  assert.match(problems.join(), /others than its owner can write/);
});
