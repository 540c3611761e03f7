import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findBootDisks } from '../../src/device/boot-disk.js';
import { lockDisk } from '../../src/sets/lock.js';
import { directory, ends, lifeboat, namesIn, STATUS, start, until } from './program.js';

/** Of this machine; only ever asked for in a dry run. */
const disk = await findBootDisks().then(
  ({ disks }) => disks[0],
  () => undefined,
);
const noDisk = process.getuid?.() !== 0 ? 'needs root' : disk === undefined ? 'no boot disk is seen here' : false;

describe('boot', () => {
  test('--help names its flags, and those of list, prune and config what they take from the configuration', async () => {
    const { stdout } = await lifeboat(['boot', '--help']);
    for (const flag of [
      '--to',
      '--lockwait',
      '--prune-backups',
      '--notify',
      '--no-notify',
      '--require-mount',
      '--bwlimit',
    ])
      assert.ok(stdout.includes(flag), flag);
    assert.match(stdout, /78 wrong configuration/);
    for (const verb of ['list', 'prune']) assert.match((await lifeboat([verb, '--help'])).stdout, /boot\.to/);
    assert.match((await lifeboat(['config', '--help'])).stdout, /check\|show/);
  });

  test('nowhere to put the set: both ways are said', async () => {
    ends(await lifeboat(['boot']), STATUS.usage, /lifeboat boot --to \/mnt.*or write to = "\/mnt.*under \[boot\]/);
  });

  test('a wrong configuration ends it before anything is done, whatever flags say', async (t) => {
    const base = directory(t);
    const path = join(base, 'config.toml');
    writeFileSync(path, '[boot]\nlevel = "best"\n', { mode: 0o600 });
    const ran = await lifeboat(['boot', '--to', base], { env: { LIFEBOAT_CONFIG: path } });
    ends(ran, STATUS.config, /config\.toml:2: boot\.level takes a whole number, not "best"/);
    assert.deepEqual(namesIn(base), ['config.toml']);
  });

  test('wrong flags are wrong usage', async (t) => {
    const base = directory(t);
    for (const [flags, words] of [
      [['--prune-backups', 'keep-lsat=3'], /--prune-backups takes keep-all=1, or some of keep-last/],
      [['--lockwait', 'long'], /--lockwait takes 0 to 10080, not NaN/],
      [['--lockwait'], /Not enough arguments following: lockwait/],
      [['--compress', 'bzip2'], /Choices:/],
    ] as const)
      ends(await lifeboat(['boot', '--to', base, ...flags]), STATUS.usage, words);
    assert.deepEqual(namesIn(base), []);
  });

  test('it waits for the disk, says once for whom, and SIGTERM ends the wait at once', { skip: noDisk }, async (t) => {
    const base = directory(t);
    const lock = lockDisk(disk?.name ?? '');
    t.after(lock.release);
    const run = start(['boot', '--to', base, '--dry-run', '--quiet', '--lockwait', '5']);
    let said = '';
    run.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await until('it waits', () => said.includes('waiting'));
    assert.match(
      said,
      new RegExp(
        `^lifeboat: warning: waiting 5 minutes at the most for ".*": another run is at it \\(pid ${process.pid} `,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const since = performance.now();
    run.kill('SIGTERM');
    const { signal } = await run;
    assert.ok(performance.now() - since < 4500);
    assert.equal(signal, 'SIGTERM');
    assert.equal(said.split('\n').filter((line) => line.includes('waiting')).length, 1);
    assert.match(said, /lifeboat: stopped by SIGTERM\n$/);
    assert.ok(existsSync(base) && namesIn(base).length === 0);
  });

  test('without a configuration it waits for nobody', { skip: noDisk }, async (t) => {
    const lock = lockDisk(disk?.name ?? '');
    t.after(lock.release);
    const ran = await lifeboat(['boot', '--to', directory(t), '--dry-run']);
    ends(ran, STATUS.busy, /Cannot image ".*": another run is at it/);
  });
});
