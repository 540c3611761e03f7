import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { fileOf, until } from '../cli/program.js';
import { hostTree, install, makeRelease, nextRelease, skip, temporary } from './release.js';
import { treeFacts } from './tree-facts.js';

const release = skip ? undefined : await makeRelease();
const { tree = '' } = release ?? {};
const PROGRAM = 'usr/local/sbin/lifeboat';
const CURRENT = 'usr/local/lib/lifeboat';
const CONFIG = 'etc/lifeboat/config.toml';

test('an upgrade replaces the program, keeps what was asked for, and leaves no old tree', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  await install(tree, root, ['--yes', '--hook', '--cron', '0 3 * * 6']);
  const old = readlinkSync(join(root, CURRENT));
  const next = nextRelease(t, release as never, '0.1.1', { 'CHANGELOG.md': 'another\n' });
  const ran = await install(next, root, ['--yes']);
  assert.equal(ran.status, 0, ran.said);
  assert.match(readlinkSync(join(root, CURRENT)), /^lifeboat-0\.1\.1-/);
  assert.ok(!existsSync(join(root, 'usr/local/lib', old)));
  assert.match(readFileSync(join(root, 'etc/cron.d/lifeboat'), 'utf8'), /^0 3 \* \* 6 root /m);
  assert.match(readFileSync(join(root, 'etc/vzdump.conf'), 'utf8'), /vzdump-hook/);
  assert.match((await install(next, root, ['--yes'])).said, /nothing to do/);
  assert.equal((await install(next, root, ['--uninstall', '--yes'])).status, 0);
  assert.deepEqual(treeFacts(root), before);
});

test('a run that has begun goes on with the files it began with', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  const work = temporary(t);
  await install(tree, root, ['--yes']);
  const old = join(root, 'usr/local/lib', readlinkSync(join(root, CURRENT)));
  const running = execa(join(root, PROGRAM), ['image', '-', '-o', join(work, 'out.zst')], { reject: false });
  t.after(() => running.kill('SIGKILL'));
  await until('it writes', () => existsSync(join(work, 'out.zst.partial')));
  const next = nextRelease(t, release as never, '0.1.1');
  const upgrade = await install(next, root, ['--yes']);
  assert.equal(upgrade.status, 0, upgrade.said);
  assert.match(upgrade.said, /stays: a run began with it/);
  assert.ok(existsSync(join(old, 'dist/worker.js')));
  const busy = await install(next, root, ['--uninstall', '--yes']);
  assert.equal(busy.status, 11, busy.said);
  running.stdin.end(Buffer.alloc(20 << 20, 'from before'));
  const { exitCode, stderr } = await running;
  assert.equal(exitCode, 0, stderr);
  assert.equal((await execa(join(root, PROGRAM), ['verify', join(work, 'out.zst')])).exitCode, 0);
  const after = await install(next, root, ['--yes']);
  assert.equal(after.status, 0, after.said);
  assert.ok(!existsSync(old));
  assert.equal((await install(next, root, ['--uninstall', '--yes'])).status, 0);
  assert.deepEqual(treeFacts(root), before);
});

test('a configuration that was changed stays; a new default comes beside it, once', { skip }, async (t) => {
  const root = hostTree(t);
  const config = join(root, CONFIG);
  const read = (path: string) => readFileSync(path, 'utf8');
  await install(tree, root, ['--yes']);
  const mine = `${read(config)}# mine\n`;
  fileOf(config, mine);
  await install(nextRelease(t, release as never, '0.1.1'), root, ['--yes']);
  assert.equal(read(config), mine);
  assert.ok(!existsSync(`${config}.new`), 'the default did not change');
  const newer = nextRelease(t, release as never, '0.1.2', { 'hooks/config.toml': '# the new default\n' });
  const ran = await install(newer, root, ['--yes']);
  assert.match(ran.said, /keep your .*config\.toml\.new/);
  assert.equal(read(config), mine);
  assert.equal(read(`${config}.new`), '# the new default\n');
  assert.equal(statSync(`${config}.new`).mode & 0o777, 0o600);
  rmSync(`${config}.new`);
  assert.match((await install(newer, root, ['--yes'])).said, /nothing to do|install\.manifest anew/);
  assert.ok(!existsSync(`${config}.new`), 'it was looked at and removed, and does not come again');
  const gone = await install(newer, root, ['--uninstall', '--yes']);
  assert.match(gone.said, /config\.toml stays: it was changed/);
  assert.equal(read(config), mine);
});

test('a configuration as it came is replaced by the new default', { skip }, async (t) => {
  const root = hostTree(t);
  await install(tree, root, ['--yes']);
  const newer = nextRelease(t, release as never, '0.1.2', { 'hooks/config.toml': '# the new default\n' });
  await install(newer, root, ['--yes']);
  assert.equal(readFileSync(join(root, CONFIG), 'utf8'), '# the new default\n');
  assert.ok(!existsSync(join(root, `${CONFIG}.new`)));
});

test('uninstalling leaves history, secrets and sets; --purge takes the history and the configuration', {
  skip,
}, async (t) => {
  const own = {
    'etc/lifeboat/token': 'a secret\n',
    'var/lib/lifeboat/pve/2026-11-20T20-30-00Z/manifest.json': '{}\n',
  };
  const root = hostTree(t);
  const put = (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
  };
  await install(tree, root, ['--yes']);
  put({ ...own, [CONFIG]: '# mine\n', 'var/lib/lifeboat/history.jsonl': '{}\n' });
  await install(tree, root, ['--uninstall', '--yes']);
  const kept = { ...own, [CONFIG]: '# mine\n', 'var/lib/lifeboat/history.jsonl': '{}\n' };
  for (const [name, content] of Object.entries(kept)) assert.equal(readFileSync(join(root, name), 'utf8'), content);
  const purged = await install(tree, root, ['--uninstall', '--purge', '--yes']);
  assert.equal(purged.status, 0, purged.said);
  for (const [name, content] of Object.entries(own)) assert.equal(readFileSync(join(root, name), 'utf8'), content);
  assert.ok(!existsSync(join(root, CONFIG)));
  assert.ok(!existsSync(join(root, 'var/lib/lifeboat/history.jsonl')));
  assert.match(purged.said, /\/var\/lib\/lifeboat stays: it is not empty/);
});

test('an installation that is killed at any step can be done again, and undone', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const text = readFileSync(join(tree, 'install.sh'), 'utf8');
  // After each of its steps, and in the middle of the copy.
  const places: [string, string][] = [1, 2, 4, 6].map((count) => [
    '    "do_$step" $arguments\n',
    `    "do_$step" $arguments\n    [ "\${count=0}" -lt ${count - 1} ] || kill -9 $$\n    count=$((count + 1))\n`,
  ]);
  places.push(['    cp "$TREE/$name" "$PARTIAL/$name"\n', '    [ "$name" != dist/run.js ] || kill -9 $$\n']);
  for (const [line, instead] of places) {
    assert.ok(text.includes(line));
    const dying = nextRelease(t, release as never, '0.1.0', { 'install.sh': text.replace(line, () => instead) });
    for (const again of [false, true]) {
      const root = hostTree(t);
      const before = treeFacts(root);
      const killed = await install(dying, root, ['--yes', '--timer', '--hook'], { env: { TMPDIR: temporary(t) } });
      assert.equal(killed.status, undefined, killed.said);
      if (again) {
        const ran = await install(tree, root, ['--yes', '--timer', '--hook']);
        assert.equal(ran.status, 0, ran.said);
        assert.equal((await execa(join(root, PROGRAM), ['--version'])).exitCode, 0);
      }
      const gone = await install(tree, root, ['--uninstall', '--yes']);
      assert.equal(gone.status, 0, gone.said);
      assert.deepEqual(treeFacts(root), before, instead);
    }
  }
});
