import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { hostTree, install, makeRelease, skip } from './release.js';
import { treeFacts } from './tree-facts.js';

const { tree = '' } = skip ? {} : await makeRelease();
const CRON = 'etc/cron.d/lifeboat';
const UNITS = 'etc/systemd/system';
const hasSystemd = existsSync('/usr/bin/systemd-analyze');

test("cron's line has the time that was given, and says nothing once the program is gone", { skip }, async (t) => {
  const root = hostTree(t);
  assert.equal((await install(tree, root, ['--yes', '--cron', '15 1 * * 1-5'])).status, 0);
  const text = readFileSync(join(root, CRON), 'utf8');
  assert.equal(statSync(join(root, CRON)).mode & 0o777, 0o644);
  const line = text.split('\n').filter((each) => / root /.test(each));
  assert.equal(line.length, 1);
  const [, spec, command = ''] = /^(\S+ \S+ \S+ \S+ \S+) root (.*)$/.exec(line[0] ?? '') ?? [];
  assert.equal(spec, '15 1 * * 1-5');
  assert.match(command, /nice -n 10 \/usr\/local\/sbin\/lifeboat boot --quiet$/);
  assert.match(text, /^PATH=.*\/usr\/sbin/m);
  const gone = await execa('sh', ['-c', command.replaceAll('/usr/local/sbin', '/nowhere')], {
    reject: false,
    all: true,
  });
  assert.deepEqual([gone.exitCode, gone.all], [0, '']);
  assert.equal((await install(tree, root, ['--yes', '--cron', '@weekly'])).status, 0);
  assert.match(readFileSync(join(root, CRON), 'utf8'), /^@weekly root /m);
});

test('what is no time is refused', { skip }, async (t) => {
  const root = hostTree(t);
  for (const spec of [
    '',
    'daily',
    '@reboot',
    '30 2 * *',
    '30 2 * * * root',
    '30 2 * * *\n* * * * *',
    '$(id) 2 * * *',
    '%',
  ])
    assert.equal((await install(tree, root, ['--yes', '--cron', spec])).status, 64, spec);
  assert.ok(!existsSync(join(root, CRON)));
});

test('a line that was changed stays as it is', { skip }, async (t) => {
  const root = hostTree(t);
  await install(tree, root, ['--yes', '--cron', '@daily']);
  writeFileSync(join(root, CRON), '# mine\n');
  const ran = await install(tree, root, ['--yes', '--cron', '@weekly']);
  assert.match(ran.said, /not as install\.sh left it/);
  assert.equal(readFileSync(join(root, CRON), 'utf8'), '# mine\n');
  assert.match((await install(tree, root, ['--yes', '--uninstall'])).said, /cron\.d\/lifeboat stays: it was changed/);
});

test('the timer is enabled, and goes again', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  assert.equal((await install(tree, root, ['--yes', '--timer'])).status, 0);
  assert.equal(
    readlinkSync(join(root, UNITS, 'timers.target.wants/lifeboat.timer')),
    '/etc/systemd/system/lifeboat.timer',
  );
  if (hasSystemd) {
    const { stdout } = await execa('systemctl', ['--root', root, 'is-enabled', 'lifeboat.timer']);
    assert.equal(stdout, 'enabled');
  }
  await install(tree, root, ['--yes', '--uninstall']);
  assert.deepEqual(treeFacts(root), before);
});

test('one of both: the other is refused, with what to type', { skip }, async (t) => {
  const root = hostTree(t);
  await install(tree, root, ['--yes', '--timer']);
  const cron = await install(tree, root, ['--yes', '--cron', '@daily']);
  assert.equal(cron.status, 64);
  assert.match(cron.said, /a timer is there.*\n.*systemctl disable --now lifeboat\.timer/);
  rmSync(join(root, UNITS, 'lifeboat.timer'));
  assert.equal((await install(tree, root, ['--yes', '--cron', '@daily'])).status, 0);
  assert.equal((await install(tree, root, ['--yes', '--timer'])).status, 64);
});

test('systemd finds nothing wrong with the units', {
  skip: skip || (hasSystemd ? false : 'systemd is not installed'),
}, async (t) => {
  const root = hostTree(t);
  await install(tree, root, ['--yes', '--timer']);
  const service = join(root, UNITS, 'lifeboat.service');
  // It wants to see the program itself.
  writeFileSync(service, readFileSync(service, 'utf8').replace('/usr/local/sbin/lifeboat', '/bin/true'));
  const units = [service, join(root, UNITS, 'lifeboat.timer')];
  const ran = await execa('systemd-analyze', ['verify', '--man=no', ...units], { reject: false, all: true });
  assert.deepEqual([ran.exitCode, ran.all], [0, '']);
});

test('the service has no mounts of its own, and closes no disk', { skip }, () => {
  const text = readFileSync(join(tree, 'hooks/lifeboat.service'), 'utf8').replaceAll(/^#.*$/gm, '');
  const traps =
    /^(Protect(System|Home|Kernel\w+|Clock|ControlGroups|Proc)|Private\w+|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|DevicePolicy|DeviceAllow|DynamicUser|MemoryDenyWriteExecute|StateDirectory)=/m;
  assert.doesNotMatch(text, traps);
  assert.match(text, /^KillMode=mixed$/m);
  assert.match(text, /^TimeoutStopSec=10$/m);
});
