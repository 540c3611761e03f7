import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { directory, ends, fileOf, lifeboat, STATUS } from './program.js';

describe('config check', () => {
  test('a right one is one line and exit 0', async (t) => {
    const path = fileOf(join(directory(t), 'config.toml'), '[boot]\nto = "/mnt/nas"\n');
    const ran = await lifeboat(['config', 'check', path]);
    ends(ran, STATUS.done);
    assert.equal(ran.stderr, `lifeboat: "${path}" is right\n`);
    assert.equal(ran.stdout, '');
  });

  test('all problems are told, with lines, and the exit status is 78', async (t) => {
    const path = fileOf(join(directory(t), 'config.toml'), '[boot]\nbwlimit = "fast"\nlokwait = 3\n');
    const ran = await lifeboat(['config', 'check'], { env: { LIFEBOAT_CONFIG: path } });
    ends(ran, STATUS.config);
    assert.deepEqual(ran.stderr.trimEnd().split('\n'), [
      `${path}:2: boot.bwlimit takes a whole number, not "fast"`,
      `${path}:3: boot has no "lokwait": did you mean "lockwait"?`,
    ]);
    const { stdout } = await lifeboat(['config', 'check', path, '--json']);
    const { problems, exists } = JSON.parse(stdout);
    assert.deepEqual(
      [exists, problems.map(({ line, key }: { line: number; key: string }) => [line, key])],
      [
        true,
        [
          [2, 'boot.bwlimit'],
          [3, 'boot.lokwait'],
        ],
      ],
    );
  });

  test('what will not do is a warning, and no failure', async (t) => {
    const path = fileOf(join(directory(t), 'config.toml'), '');
    ends(await lifeboat(['config', 'check', path]), STATUS.done, /warning: boot\.to is not set/);
  });

  test('none at all is right; a named one has to be there', async (t) => {
    const path = join(directory(t), 'config.toml');
    ends(
      await lifeboat(['config', 'check'], { env: { LIFEBOAT_CONFIG: path } }),
      STATUS.done,
      /everything is as by default/,
    );
    ends(await lifeboat(['config', 'check', path]), STATUS.config, /there is no such file/);
  });

  test('one that others can write to is refused', async (t) => {
    const path = fileOf(join(directory(t), 'config.toml'), '');
    chmodSync(path, 0o666);
    ends(await lifeboat(['config', 'check', path]), STATUS.config, /Cannot trust .*\n.*chmod go-w/);
  });

  test('wrong usage', async () => {
    ends(await lifeboat(['config']), STATUS.usage);
    ends(await lifeboat(['config', 'chek']), STATUS.usage, /"check", "show"/);
  });
});

describe('config show', () => {
  test('prints what is in force, and where it comes from', async (t) => {
    const path = fileOf(
      join(directory(t), 'config.toml'),
      '[boot]\nto = "/mnt/nas"\n[[notify]]\ntype = "ntfy"\nurl = "https://ntfy.sh/s3cret"\n',
    );
    const ran = await lifeboat(['config', 'show'], { env: { LIFEBOAT_CONFIG: path } });
    ends(ran, STATUS.done);
    assert.match(ran.stdout, new RegExp(`^to = "/mnt/nas" +# ${path}:2$`, 'm'));
    assert.match(ran.stdout, /^lockwait = 180 +# default$/m);
    assert.doesNotMatch(ran.stdout, /s3cret/);
    const { stdout } = await lifeboat(['config', 'show', path, '--json']);
    const { keys } = JSON.parse(stdout) as { keys: { key: string; value: unknown; line?: number }[] };
    assert.deepEqual(
      keys.find(({ key }) => key === 'boot.to'),
      { key: 'boot.to', value: '/mnt/nas', line: 2 },
    );
    assert.deepEqual(
      keys.find(({ key }) => key === 'hook.image-every'),
      { key: 'hook.image-every', value: '20h' },
    );
    assert.doesNotMatch(stdout, /s3cret/);
  });

  test('a wrong one is not shown', async (t) => {
    const path = fileOf(join(directory(t), 'config.toml'), 'x = 1\n');
    const ran = await lifeboat(['config', 'show', path]);
    ends(ran, STATUS.config, /:1: there is no key or table "x"/);
    assert.equal(ran.stdout, '');
  });
});
