import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { changedRelease, hostTree, install, makeRelease, nextRelease, skip, temporary } from './release.js';
import { treeFacts } from './tree-facts.js';

const release = skip ? undefined : await makeRelease();
const { tree = '', version = '' } = release ?? {};
const MANIFEST = 'var/lib/lifeboat/install.manifest';
const PROGRAM = 'usr/local/sbin/lifeboat';

const SHELLS = { dash: ['dash'], busybox: ['busybox', 'sh'], bash: ['bash', '--posix'] };
for (const [name, shell] of Object.entries(SHELLS)) {
  test(`in ${name} it installs, finds nothing to do the second time, and leaves nothing behind`, {
    skip,
  }, async (t) => {
    const root = hostTree(t, { 'etc/vzdump.conf': '# as it was\n' });
    const before = treeFacts(root);
    const first = await install(tree, root, ['--yes', '--hook', '--timer'], { shell });
    assert.equal(first.status, 0, first.said);
    const installed = treeFacts(root);
    const { stdout } = await execa(join(root, PROGRAM), ['--version']);
    assert.equal(stdout, version);
    const second = await install(tree, root, ['--yes', '--hook', '--timer'], { shell });
    assert.equal(second.status, 0, second.said);
    assert.match(second.said, /nothing to do/);
    assert.deepEqual(treeFacts(root), installed);
    const gone = await install(tree, root, ['--uninstall', '--yes'], { shell });
    assert.equal(gone.status, 0, gone.said);
    assert.deepEqual(treeFacts(root), before);
    assert.match((await install(tree, root, ['--uninstall', '--yes'], { shell })).said, /nothing to do/);
  });
}

test('it needs no program but those of busybox', { skip }, async (t) => {
  const bin = temporary(t);
  await execa('busybox', ['--install', '-s', bin]);
  symlinkSync(process.execPath, join(bin, 'node'));
  const text = readFileSync(join(tree, 'install.sh'), 'utf8').replace(/^ {2}PATH=\$\{PATH.*$/m, `  PATH=${bin}`);
  assert.ok(text.includes(`PATH=${bin}\n`));
  const poor = changedRelease(t, release as never, { 'install.sh': text });
  const root = hostTree(t, { 'etc/vzdump.conf': 'script: /usr/local/bin/old\n', 'usr/local/bin/old': '#!/bin/sh\n' });
  const before = treeFacts(root);
  const how = { shell: [join(bin, 'sh')] };
  for (const args of [
    ['--yes', '--hook', '--cron', '@daily'],
    ['--uninstall', '--yes'],
  ]) {
    const ran = await install(poor, root, args, how);
    assert.equal(ran.status, 0, ran.said);
    assert.doesNotMatch(ran.said, /not found|BusyBox/);
  }
  assert.deepEqual(treeFacts(root), before);
});

test('the manifest names every file and directory that came, with its sum, and no other', { skip }, async (t) => {
  const root = hostTree(t);
  const before = new Set(treeFacts(root));
  await install(tree, root, ['--yes', '--cron', '30 2 * * *']);
  const came = treeFacts(root).filter((fact) => !before.has(fact));
  const inTree = came.map((fact) => fact.replace(/^[fdl] (\d+ \d+:\d+ )?([^ ]+).*/, '$2')).sort();
  const lines = readFileSync(join(root, MANIFEST), 'utf8').split('\n');
  const recorded = lines.flatMap((line) => /^[fcld] \S+ (.+)$/.exec(line)?.[1] ?? []);
  assert.deepEqual([...recorded, `/${MANIFEST}`].sort(), inTree);
  for (const line of lines) {
    const [, sum, path] = /^[fc] (\S+) (.+)$/.exec(line) ?? [];
    if (path !== undefined)
      assert.ok(
        came.some((fact) => fact.endsWith(`${path} ${sum}`)),
        line,
      );
  }
  assert.equal(statSync(join(root, 'var/lib/lifeboat')).mode & 0o777, 0o700);
  assert.equal(statSync(join(root, MANIFEST)).mode & 0o777, 0o600);
  assert.equal(statSync(join(root, 'etc/lifeboat')).mode & 0o777, 0o700);
  assert.equal(statSync(join(root, 'etc/lifeboat/config.toml')).mode & 0o777, 0o600);
});

test('a dry run shows all and changes nothing, and without an answer nothing is done', { skip }, async (t) => {
  const root = hostTree(t, { 'etc/vzdump.conf': 'bwlimit: 100\n' });
  const before = treeFacts(root);
  const dry = await install(tree, root, ['--dry-run', '--hook', '--timer']);
  assert.equal(dry.status, 0, dry.said);
  for (const words of [/copy the program/, /config\.toml/, /lifeboat\.timer/, /add to \/etc\/vzdump\.conf/])
    assert.match(dry.said, words);
  assert.deepEqual(treeFacts(root), before);
  const nobody = await install(tree, root, ['--hook']);
  assert.equal(nobody.status, 64, nobody.said);
  assert.match(nobody.said, /--yes/);
  assert.deepEqual(treeFacts(root), before);
  await install(tree, root, ['--yes', '--hook']);
  const installed = treeFacts(root);
  assert.equal((await install(tree, root, ['--uninstall', '--dry-run'])).status, 0);
  assert.equal((await install(tree, root, ['--uninstall'])).status, 64);
  assert.deepEqual(treeFacts(root), installed);
});

test('a person is asked, and only a yes goes on', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  const answered = (word: string) => {
    const command = `sh '${join(tree, 'install.sh')}' --root '${root}'`;
    return execa('script', ['-qec', command, '/dev/null'], { reject: false, all: true, input: `${word}\n` });
  };
  const no = await answered('');
  assert.equal(no.exitCode, 1, no.all);
  assert.match(no.all, /Go on\? \[y\/N\]/);
  assert.deepEqual(treeFacts(root), before);
  const yes = await answered('y');
  assert.equal(yes.exitCode, 0, yes.all);
  assert.ok(existsSync(join(root, PROGRAM)));
});

test('another prefix takes the program, and /etc/lifeboat stays the place of the configuration', {
  skip,
}, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  assert.equal((await install(tree, root, ['--yes', '--prefix', '/opt/lifeboat', '--timer', '--hook'])).status, 0);
  assert.equal((await execa(join(root, 'opt/lifeboat/sbin/lifeboat'), ['--version'])).stdout, version);
  assert.ok(existsSync(join(root, 'etc/lifeboat/config.toml')));
  const unit = readFileSync(join(root, 'etc/systemd/system/lifeboat.service'), 'utf8');
  assert.match(unit, /^ExecStart=\/opt\/lifeboat\/sbin\/lifeboat boot --quiet$/m);
  assert.match(
    readFileSync(join(root, 'etc/vzdump.conf'), 'utf8'),
    /^script: \/opt\/lifeboat\/lib\/lifeboat\/hooks\/vzdump-hook$/m,
  );
  const other = await install(tree, root, ['--yes', '--prefix', '/usr/local']);
  assert.equal(other.status, 64);
  assert.match(other.said, /installed in "\/opt\/lifeboat"/);
  assert.equal((await install(tree, root, ['--uninstall', '--yes'])).status, 0);
  assert.deepEqual(treeFacts(root), before);
});

test('what is not ours is not replaced', { skip }, async (t) => {
  const root = hostTree(t, { [PROGRAM]: '#!/bin/sh\necho mine\n' });
  const before = treeFacts(root);
  const ran = await install(tree, root, ['--yes']);
  assert.equal(ran.status, 1, ran.said);
  assert.match(ran.said, /did not make it/);
  rmSync(join(root, PROGRAM));
  mkdirSync(join(root, 'usr/local/lib/lifeboat'));
  assert.equal((await install(tree, root, ['--yes'])).status, 1);
  rmSync(join(root, 'usr/local/lib/lifeboat'), { recursive: true });
  writeFileSync(join(root, PROGRAM), '#!/bin/sh\necho mine\n', { mode: 0o755 });
  assert.deepEqual(treeFacts(root), before);
});

test('a release that is not whole is not installed', { skip }, async (t) => {
  const broken = changedRelease(t, release as never, {});
  const root = hostTree(t);
  const before = treeFacts(root);
  writeFileSync(join(broken, 'dist/run.js'), readFileSync(join(tree, 'dist/run.js')).subarray(0, -1));
  const ran = await install(broken, root, ['--yes']);
  assert.equal(ran.status, 1, ran.said);
  assert.match(ran.said, /not whole/);
  rmSync(join(broken, 'SHA256SUMS'));
  assert.equal((await install(broken, root, ['--yes'])).status, 64);
  assert.deepEqual(treeFacts(root), before);
});

test('a damaged installation is put right, and what is not of the release is not copied', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  const more = changedRelease(t, release as never, {});
  writeFileSync(join(more, 'dist/extra.js'), 'not in SHA256SUMS');
  await install(more, root, ['--yes']);
  const installed = treeFacts(root);
  assert.ok(!installed.some((fact) => fact.includes('extra.js')));
  const main = join(root, 'usr/local/lib/lifeboat/dist/main.js');
  writeFileSync(main, 'broken');
  assert.match((await install(tree, root, ['--yes'])).said, /copy the program/);
  assert.deepEqual(treeFacts(root), installed);
  writeFileSync(main, 'changed');
  const gone = await install(tree, root, ['--uninstall', '--yes']);
  assert.match(gone.said, /main\.js stays: it was changed/);
  assert.equal(readFileSync(main.replace('/lifeboat/dist', `/${nameOfTree(installed)}/dist`), 'utf8'), 'changed');
  assert.notDeepEqual(treeFacts(root), before);
});

test('what does not fit together is wrong usage', { skip }, async (t) => {
  const root = hostTree(t);
  for (const args of [
    ['--purge'],
    ['--what'],
    ['--cron'],
    ['--prefix', 'relative'],
    ['--prefix', '/with blank'],
    ['--prefix', '/a/../b'],
    ['--prefix', '/usr'],
    ['--uninstall', '--hook'],
    ['--uninstall', '--cron', '@daily'],
    ['--cron', '@daily', '--timer'],
  ]) {
    const ran = await install(tree, root, ['--yes', ...args]);
    assert.equal(ran.status, 64, `${args.join(' ')}: ${ran.said}`);
  }
  assert.equal((await install(tree, root, ['--help'])).status, 0);
});

test('what a host lacks is found before anything is changed', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  const bin = temporary(t);
  writeFileSync(join(bin, 'node'), '#!/bin/sh\necho v18.19.0\n', { mode: 0o755 });
  const old = await install(tree, root, ['--yes'], { env: { PATH: `${bin}:${process.env.PATH}` } });
  assert.equal(old.status, 1, old.said);
  assert.match(old.said, /node" is Node\.js v18\.19\.0; 20\.19 or later is needed\n.*apt install nodejs/);

  const small = `mount -t tmpfs -o size=2m none '${root}/usr/local'; exec sh "$@"`;
  const full = await install(tree, root, ['--yes'], { shell: ['unshare', '--mount', 'sh', '-ec', small, 'sh'] });
  assert.equal(full.status, 14, full.said);

  mkdirSync(join(root, 'usr/lib/lifeboat'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/lifeboat/package.json'), '{}');
  const debian = await install(tree, root, ['--yes']);
  assert.equal(debian.status, 1, debian.said);
  assert.match(debian.said, /apt remove lifeboat/);
  rmSync(join(root, 'usr/lib'), { recursive: true });
  assert.deepEqual(treeFacts(root), before);

  const nobody = ['--reuid=65534', '--clear-groups', 'sh', '-s', '--', '--dry-run'];
  const input = readFileSync(join(tree, 'install.sh'));
  const ran = await execa('setpriv', nobody, { reject: false, all: true, input, cwd: '/' });
  assert.equal(ran.exitCode, 77, ran.all);
});

test('two at once: the second is told to wait', { skip }, async (t) => {
  const root = hostTree(t);
  const holder = execa('flock', [root, 'sleep', '30'], { reject: false });
  t.after(() => holder.kill());
  let ran = await install(tree, root, ['--dry-run']);
  for (let turn = 0; turn < 50 && ran.status !== 11; turn++) ran = await install(tree, root, ['--dry-run']);
  assert.equal(ran.status, 11, ran.said);
});

test('from a checkout that is built it installs the same', { skip }, async (t) => {
  const fromRelease = hostTree(t);
  const fromCheckout = hostTree(t);
  await install(tree, fromRelease, ['--yes']);
  assert.equal((await install('.', fromCheckout, ['--yes'])).status, 0);
  assert.deepEqual(treeFacts(fromCheckout), treeFacts(fromRelease));
});

test('the installed install.sh adds to what is there, and uninstalls itself', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  await install(tree, root, ['--yes']);
  const own = join(root, 'usr/local/lib/lifeboat');
  const added = await install(own, root, ['--yes', '--timer']);
  assert.equal(added.status, 0, added.said);
  assert.doesNotMatch(added.said, /copy the program/);
  assert.ok(existsSync(join(root, 'etc/systemd/system/lifeboat.timer')));
  assert.equal((await install(own, root, ['--yes', '--uninstall'])).status, 0);
  assert.deepEqual(treeFacts(root), before);
});

test('webgpu comes by npm only when it is asked for, stays over an upgrade, and goes again', { skip }, async (t) => {
  const root = hostTree(t);
  const before = treeFacts(root);
  const bin = temporary(t);
  writeFileSync(
    join(bin, 'npm'),
    '#!/bin/sh\nmkdir -p node_modules/webgpu/dist node_modules/.bin\necho "$*" >node_modules/webgpu/dist/x.node\n',
    { mode: 0o755 },
  );
  const env = { PATH: `${bin}:${process.env.PATH}` };
  await install(tree, root, ['--yes'], { env });
  assert.ok(!existsSync(join(root, 'usr/local/lib/lifeboat/node_modules/webgpu')));
  for (const [source, args] of [
    [tree, ['--with-gpu']],
    [nextRelease(t, release as never, '0.1.1'), []],
  ] as const) {
    const ran = await install(source, root, ['--yes', ...args], { env });
    assert.equal(ran.status, 0, ran.said);
    assert.match(ran.said, /130 MB from the network/);
    const said = readFileSync(join(root, 'usr/local/lib/lifeboat/node_modules/webgpu/dist/x.node'), 'utf8');
    assert.match(said, /^install .*--ignore-scripts.* webgpu@/);
    assert.match((await install(source, root, ['--yes'], { env })).said, /nothing to do/);
  }
  assert.equal((await install(tree, root, ['--uninstall', '--yes'])).status, 0);
  assert.deepEqual(treeFacts(root), before);
});

function nameOfTree(facts: string[]): string {
  return facts.flatMap((fact) => /\/(lifeboat-[^/]+)$/.exec(fact)?.[1] ?? [])[0] ?? '';
}
