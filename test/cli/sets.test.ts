import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { PruneResult } from '../../src/sets/prune.js';
import { dailyTimes, makeSet } from '../sets/fake-set.js';
import { directory, ends, lifeboat, STATUS } from './program.js';

const [NEW = new Date(), OLD = new Date(), OLDEST = new Date()] = dailyTimes(3);

/** A configuration that names the directory. @returns the environment that names it */
function configured(base: string, keep: string): { env: { LIFEBOAT_CONFIG: string } } {
  const path = join(base, 'config.toml');
  writeFileSync(path, `[boot]\nto = "${base}"\nprune-backups = "${keep}"\n`, { mode: 0o600 });
  return { env: { LIFEBOAT_CONFIG: path } };
}

describe('list', () => {
  test('without DIR it is the directory of the configuration', async (t) => {
    const base = directory(t);
    makeSet(base, { time: NEW });
    const ran = await lifeboat(['list'], configured(base, 'keep-all=1'));
    ends(ran, STATUS.done);
    assert.match(ran.stdout, /^pve1 +2026-11-20T12-00-00Z/m);
  });

  test('shows each set on a line of its own, and why one is broken', async (t) => {
    const base = directory(t);
    makeSet(base, { time: NEW });
    makeSet(base, { time: OLD, isProtected: true });
    const broken = makeSet(base, { time: NEW, hostname: 'pve2' });
    truncateSync(join(broken, 'boot-disk.img.zst'), 3);
    const ran = await lifeboat(['list', base]);
    ends(ran, STATUS.done);
    const lines = ran.stdout.trimEnd().split('\n');
    assert.match(lines[0] ?? '', /^HOST +SET +DISK +SIZE +RATIO +AGE +VERIFIED +NOTES$/);
    assert.match(lines[1] ?? '', /^pve1 +2026-11-20T12-00-00Z +\/dev\/sda +\S+ KiB +8589934\.6 .* without guests$/);
    assert.match(lines[2] ?? '', /^pve1 +2026-11-19T12-00-00Z .* protected; without guests$/);
    assert.match(lines[3] ?? '', /^pve2 .* BROKEN: "boot-disk\.img\.zst" is 3 bytes long, not 1000; without guests$/);
    assert.equal(lines.length, 4);
  });

  test('--json has the same for programs', async (t) => {
    const base = directory(t);
    const path = makeSet(base, { time: NEW });
    const ran = await lifeboat(['list', base, '--json']);
    ends(ran, STATUS.done);
    const { sets } = JSON.parse(ran.stdout) as { sets: Record<string, unknown>[] };
    assert.equal(sets.length, 1);
    const { path: found, state, hostname, disk, broken, verifiedAt } = sets[0] ?? {};
    assert.deepEqual(
      { found, state, hostname, disk, broken, verifiedAt },
      {
        found: path,
        state: 'good',
        hostname: 'pve1',
        disk: '/dev/sda',
        broken: null,
        verifiedAt: '2026-11-20T20:40:00.000Z',
      },
    );
  });

  test('nothing, a missing directory, none at all', async (t) => {
    const base = directory(t);
    ends(await lifeboat(['list', base]), STATUS.done, /no sets are in/);
    ends(await lifeboat(['list', join(base, 'nas')]), STATUS.failed, /Cannot list/);
    ends(await lifeboat(['list']), STATUS.usage, /needs the directory[\s\S]*lifeboat list \/mnt\/nas/);
  });
});

describe('show', () => {
  test('a tree with sizes, and all that is to be known', async (t) => {
    const path = makeSet(directory(t), { time: NEW });
    writeFileSync(join(path, 'notes.txt'), 'mine');
    rmSync(join(path, 'host/fstab'));
    const ran = await lifeboat(['show', path]);
    ends(ran, STATUS.done);
    for (const part of [
      /^state +BROKEN: "host\/fstab" is missing$/m,
      /^verified +2026-11-20T20:40:00\.000Z, .* ago$/m,
      /^disk +\/dev\/sda, Samsung SSD 870, 8\.0 GiB/m,
      /^is +as at one moment \(snapshot\)$/m,
      /^pve1\/2026-11-20T12-00-00Z\/ {2}/m,
      /^├── boot-disk\.img\.zst {2}1000 bytes$/m,
      /^├── host\/\n│ {3}├── config\.db {2}9 bytes {2}\(SQLite's backup of config\.db\)\n│ {3}└── fstab {2}MISSING$/m,
      /^├── notes\.txt {2}4 bytes {2}\(not lifeboat's\)$/m,
      /^Left out of the image \(zeros\):\n {2}thin pool pve\/data: 2\.0 GiB \(guests\)$/m,
      /^The host did not have:\n {2}zfs-list\.txt: there is no ZFS$/m,
    ])
      assert.match(ran.stdout, part);
  });

  test('--json', async (t) => {
    const path = makeSet(directory(t), { time: NEW });
    const ran = await lifeboat(['show', path, '--json']);
    ends(ran, STATUS.done);
    const shown = JSON.parse(ran.stdout) as {
      manifest: { hostname: string };
      files: { path: string; isOurs: boolean }[];
    };
    assert.equal(shown.manifest.hostname, 'pve1');
    assert.ok(shown.files.every(({ isOurs }) => isOurs));
  });

  test('what is no set says so', async (t) => {
    const base = directory(t);
    ends(await lifeboat(['show', base]), STATUS.failed, /is no set[\s\S]*lifeboat list/);
    ends(await lifeboat(['show', join(base, 'nothing')]), STATUS.failed, /Cannot list/);
  });
});

describe('prune', () => {
  test("the configuration says where and what to keep, of this host's sets only; flags say otherwise", async (t) => {
    const base = directory(t);
    const own = [NEW, OLD, OLDEST].map((time) => makeSet(base, { time, hostname: hostname() }));
    const others = [NEW, OLD].map((time) => makeSet(base, { time, hostname: 'pve-other' }));
    const options = configured(base, 'keep-last=2');
    ends(await lifeboat(['prune'], options), STATUS.done, /removed 1 set,/);
    assert.deepEqual(
      own.map((path) => existsSync(path)),
      [true, true, false],
    );
    assert.ok(others.every((path) => existsSync(path)));
    ends(await lifeboat(['prune', '--keep-last', '1', '--host', 'pve-other'], options), STATUS.done, /removed 1 set,/);
    assert.deepEqual(
      others.map((path) => existsSync(path)),
      [true, false],
    );
    ends(await lifeboat(['prune', '--keep-last', '0'], options), STATUS.done, /nothing is removed/);
  });

  test('a configuration that is wrong removes nothing', async (t) => {
    const base = directory(t);
    const paths = [NEW, OLD].map((time) => makeSet(base, { time, hostname: hostname() }));
    const options = configured(base, 'keep-lsat=1');
    ends(await lifeboat(['prune'], options), 78, /config\.toml:3: boot\.prune-backups takes/);
    ends(await lifeboat(['prune', base], options), 78);
    assert.ok(paths.every((path) => existsSync(path)));
  });

  test('tells of each set why, and removes what is not covered', async (t) => {
    const base = directory(t);
    const paths = [NEW, OLD, OLDEST].map((time) => makeSet(base, { time }));
    const dry = await lifeboat(['prune', base, '--keep-last', '1', '-n']);
    ends(dry, STATUS.done, /would remove 2 sets/);
    assert.match(dry.stdout, /^keep +pve1 +\/dev\/sda +.*2026-11-20T12-00-00Z .* keep-last \(1\)$/m);
    assert.match(dry.stdout, /^remove +pve1 .*2026-11-19T12-00-00Z .* not covered by any keep option$/m);
    assert.ok(paths.every((path) => existsSync(path)));
    ends(await lifeboat(['prune', base, '--keep-last', '1']), STATUS.done, /removed 2 sets/);
    assert.deepEqual(
      paths.map((path) => existsSync(path)),
      [true, false, false],
    );
  });

  test('no keep option: nothing goes', async (t) => {
    const base = directory(t);
    const paths = [NEW, OLD].map((time) => makeSet(base, { time }));
    ends(await lifeboat(['prune', base]), STATUS.done, /no keep option is given, so nothing is removed/);
    ends(await lifeboat(['prune', base, '--keep-last', '0', '--keep-daily', '0']), STATUS.done, /nothing is removed/);
    assert.ok(paths.every((path) => existsSync(path)));
  });

  test('--json, and --host', async (t) => {
    const base = directory(t);
    for (const hostname of ['pve1', 'pve2']) for (const time of [NEW, OLD]) makeSet(base, { time, hostname });
    const ran = await lifeboat(['prune', base, '--keep-daily', '1', '--host', 'pve2', '--json']);
    ends(ran, STATUS.done);
    const result = JSON.parse(ran.stdout) as PruneResult;
    assert.deepEqual([result.removed, result.sets.length, result.dryRun], [1, 2, false]);
    assert.ok(existsSync(join(base, 'pve1', '2026-11-19T12-00-00Z')));
  });

  test('wrong numbers are wrong usage, and remove nothing', async (t) => {
    const base = directory(t);
    const paths = [NEW, OLD].map((time) => makeSet(base, { time }));
    for (const wrong of ['x', '-1', '1.5', '1e99'])
      ends(await lifeboat(['prune', base, `--keep-last=${wrong}`]), STATUS.usage, /--keep-last takes a whole number/);
    ends(await lifeboat(['prune', base, '--keep-lsat', '1']), STATUS.usage);
    ends(await lifeboat(['prune', '--keep-last', '1']), STATUS.usage, /needs the directory/);
    assert.ok(paths.every((path) => existsSync(path)));
  });

  test("what is somebody else's is named on the way", async (t) => {
    const base = directory(t);
    makeSet(base, { time: NEW });
    const old = makeSet(base, { time: OLD });
    mkdirSync(join(old, 'mine'));
    ends(await lifeboat(['prune', base, '--keep-last', '1', '-q']), STATUS.done, /warning: ".*" stays, .*: mine/);
    assert.ok(existsSync(join(old, 'mine')));
  });
});
