import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostTree, install, makeRelease, nextRelease, skip } from './release.js';
import { treeFacts } from './tree-facts.js';

const release = skip ? undefined : await makeRelease();
const { tree = '' } = release ?? {};
const OURS = 'script: /usr/local/lib/lifeboat/hooks/vzdump-hook\n';
const OLD = 'usr/local/bin/old-hook';
const CONF = 'etc/vzdump.conf';
const PREVIOUS = 'etc/lifeboat/hooks.d/00-previous';

test('a hook that is there is chained, its line comes back, and all else of the file stays', { skip }, async (t) => {
  const text = `# vzdump default settings\n\ntmpdir: /var/tmp\nscript:   /${OLD}  \n#script: /commented/out\nbwlimit: 3\n`;
  const root = hostTree(t, { [CONF]: text, [OLD]: '#!/bin/sh\n' });
  chmodSync(join(root, CONF), 0o640);
  chownSync(join(root, CONF), 0, 33);
  const before = treeFacts(root);
  const ran = await install(tree, root, ['--yes', '--hook']);
  assert.equal(ran.status, 0, ran.said);
  assert.match(ran.said, /goes on calling the hook that was there/);
  assert.equal(readFileSync(join(root, CONF), 'utf8'), text.replace(/^script:.*\n/m, OURS));
  const { mode, gid } = statSync(join(root, CONF));
  assert.deepEqual([mode & 0o777, gid], [0o640, 33]);
  assert.equal(readlinkSync(join(root, PREVIOUS)), `/${OLD}`);
  assert.match((await install(tree, root, ['--yes', '--hook'])).said, /nothing to do/);
  await install(nextRelease(t, release as never, '0.1.1'), root, ['--yes']);
  const gone = await install(tree, root, ['--uninstall', '--yes']);
  assert.match(gone.said, /put back into \/etc\/vzdump\.conf: script: {3}\/usr\/local\/bin\/old-hook/);
  assert.deepEqual(treeFacts(root), before);
});

for (const [what, files] of Object.entries({
  'no file': {},
  'an empty file': { [CONF]: '' },
  'no hook': { [CONF]: 'bwlimit: 3\n# script: none\n' },
})) {
  test(`with ${what} the line is added, and goes again`, { skip }, async (t) => {
    const root = hostTree(t, files as Record<string, string>);
    const before = treeFacts(root);
    await install(tree, root, ['--yes', '--hook']);
    assert.equal(readFileSync(join(root, CONF), 'utf8'), `${(files as Record<string, string>)[CONF] ?? ''}${OURS}`);
    assert.ok(!existsSync(join(root, PREVIOUS)));
    await install(tree, root, ['--uninstall', '--yes']);
    assert.deepEqual(treeFacts(root), before);
  });
}

test('a line that somebody else put there since stays when Lifeboat goes', { skip }, async (t) => {
  const root = hostTree(t, { [CONF]: `script: /${OLD}\n`, [OLD]: '#!/bin/sh\n' });
  await install(tree, root, ['--yes', '--hook']);
  writeFileSync(join(root, CONF), 'script: /usr/local/bin/third\n');
  const gone = await install(tree, root, ['--uninstall', '--yes']);
  assert.match(gone.said, /not Lifeboat's any more/);
  assert.equal(readFileSync(join(root, CONF), 'utf8'), 'script: /usr/local/bin/third\n');
  assert.ok(!existsSync(join(root, PREVIOUS)));
});

test('a hook that others can write, or that is none, is refused, and nothing is changed', { skip }, async (t) => {
  const root = hostTree(t, { [CONF]: `script: /${OLD}\n`, [OLD]: '#!/bin/sh\n' });
  const hook = join(root, OLD);
  const refuses = async (words: RegExp, undo: () => void) => {
    const before = treeFacts(root);
    const ran = await install(tree, root, ['--yes', '--hook']);
    assert.equal(ran.status, 78, ran.said);
    assert.match(ran.said, words);
    assert.deepEqual(treeFacts(root), before);
    undo();
  };
  for (const mode of [0o775, 0o757, 0o776]) {
    chmodSync(hook, mode);
    await refuses(/others than root can write/, () => chmodSync(hook, 0o755));
  }
  chownSync(hook, 1000, 0);
  await refuses(/others than root can write/, () => chownSync(hook, 0, 0));
  chmodSync(join(root, 'usr/local/bin'), 0o777);
  await refuses(/can write "\/usr\/local\/bin"/, () => chmodSync(join(root, 'usr/local/bin'), 0o755));
  chmodSync(hook, 0o644);
  await refuses(/is no program/, () => chmodSync(hook, 0o755));
  writeFileSync(join(root, CONF), 'script: /a\nscript: /b\n');
  await refuses(/more than one line/, () => writeFileSync(join(root, CONF), 'script: /nowhere\n'));
  await refuses(/is no program/, () => writeFileSync(join(root, CONF), "script: /it's here\n"));
  await refuses(/cannot be chained/, () => undefined);
});

test('a configuration of vzdump that is a link is left alone', { skip }, async (t) => {
  const root = hostTree(t);
  symlinkSync('elsewhere.conf', join(root, CONF));
  const ran = await install(tree, root, ['--yes', '--hook']);
  assert.equal(ran.status, 78, ran.said);
});

test('jobs with a hook of their own are named', { skip }, async (t) => {
  const jobs = 'vzdump: backup-1\n\tschedule 21:00\n\tscript /usr/local/bin/own\n\nvzdump: backup-2\n\tall 1\n';
  const root = hostTree(t, { 'etc/pve/jobs.cfg': jobs });
  const ran = await install(tree, root, ['--yes', '--hook']);
  assert.match(ran.said, /job "backup-1" has a hook of its own, \/usr\/local\/bin\/own/);
  assert.doesNotMatch(ran.said, /backup-2/);
  writeFileSync(join(root, 'etc/pve/jobs.cfg'), jobs.replace('/usr/local/bin/own', OURS.slice(8, -1)));
  assert.match(
    (await install(tree, root, ['--uninstall', '--yes'])).said,
    /job "backup-1" calls .* will fail without it/,
  );
});
