import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { findBootDisks } from '../../src/device/boot-disk.js';
import { encodeSetManifest } from '../../src/sets/set-manifest.js';
import { isDue } from '../../src/vzdump/last-set.js';
import { HOUR_MS, makeSet, manifestOf } from '../sets/fake-set.js';
import { makePrefix, type Prefix } from './prefix.js';
import { runJob } from './simulator.js';

/** What the end of a job does for the host's own disk. `lifeboat boot` is one of the test's. */

const ANSWER = JSON.stringify({
  set: '/mnt/nas/pve1/2026-11-20T01-00-00Z',
  manifest: { imageSizeBytes: 3 * 2 ** 30, durationMs: 185_000, verifiedAt: '2026-11-20T01:03:05.000Z' },
});
const BOOT = `echo "$* stdin=$(cat | wc -c) $LIFEBOAT_CONFIG" >>"$NOTES"\necho '${ANSWER}'`;

function configOf(to: string, more = ''): string {
  return `boot.to = "${to}"\n[hook]\n${more}`;
}

async function linesOfJob(prefix: Prefix, phase = 'job-end'): Promise<string[]> {
  const { hook: script, dumpDirectory } = prefix;
  const { calls } = await runJob({ script, dumpDirectory, guests: [] });
  return calls.filter((call) => call.phase === phase).flatMap(({ lines }) => lines);
}

/** The disk that this machine boots from; undefined in most containers. */
const OWN_DISK = await findBootDisks().then(
  ({ disks: [first] }) => first,
  () => undefined,
);
const NO_DISK = OWN_DISK === undefined && 'the disk that this machine boots from cannot be told';

/** A good set of this very machine's disk. */
function makeOwnSet(top: string, ageMs: number): void {
  const time = new Date(Date.now() - ageMs);
  const path = makeSet(top, { time, hostname: hostname() });
  const manifest = manifestOf({ createdAt: time.toISOString(), hostname: hostname() });
  const { path: device = '', model, serial } = OWN_DISK ?? {};
  const disk = { ...manifest.disk, path: device, model, serial };
  writeFileSync(join(path, 'manifest.json'), encodeSetManifest({ ...manifest, disk }));
}

describe('the boot disk at the end of a job', { concurrency: 2 }, () => {
  test('is saved if there is no set of it, as cron would, and one line tells of it', async (t) => {
    const prefix = makePrefix(t, { config: configOf('/tmp', 'check-target = false'), boot: BOOT });
    assert.deepEqual(await linesOfJob(prefix), [
      'lifeboat: the boot disk is saved: /mnt/nas/pve1/2026-11-20T01-00-00Z, image 3.0 GiB, 3 min 5 s, read back and proven',
    ]);
    assert.deepEqual(prefix.notes(), [`boot --json --quiet stdin=0 ${prefix.directory}/etc/config.toml`]);
  });

  test('is left alone with image-at = "never"', async (t) => {
    const prefix = makePrefix(t, { config: configOf('/tmp', 'image-at = "never"'), boot: BOOT });
    assert.deepEqual(await linesOfJob(prefix), []);
    assert.deepEqual(prefix.notes(), []);
  });

  test('is left alone as long as its last good set is younger than image-every', { skip: NO_DISK }, async (t) => {
    const prefix = makePrefix(t, { config: configOf('/tmp'), boot: BOOT });
    const sets = join(prefix.directory, 'sets');
    makeOwnSet(sets, 5 * HOUR_MS);
    const young = makePrefix(t, { config: configOf(sets, 'image-every = "6h"'), boot: BOOT });
    assert.match(
      (await linesOfJob(young)).join(),
      /^lifeboat: the boot disk was saved 5 h 0 min ago, the next time is after 6h$/,
    );
    assert.deepEqual(young.notes(), []);
    const old = makePrefix(t, { config: configOf(sets, 'image-every = "4h"'), boot: BOOT });
    await linesOfJob(old);
    assert.equal(old.notes().length, 1);
  });

  test('sets of other hosts and disks do not count', { skip: NO_DISK }, async (t) => {
    const sets = join(makePrefix(t).directory, 'sets');
    const time = new Date(Date.now() - HOUR_MS);
    makeSet(sets, { time, hostname: `${hostname()}-2` });
    makeSet(sets, { time, hostname: hostname(), serial: 'another disk' });
    const prefix = makePrefix(t, { config: configOf(sets), boot: BOOT });
    await linesOfJob(prefix);
    assert.equal(prefix.notes().length, 1);
  });

  test("what the run says is in vzdump's log without progress, and its failure is told", async (t) => {
    const boot = `printf 'image: 10%%\\rimage: 20%%\\b\\b\\nlifeboat: error: Cannot read\\nlifeboat: look at dmesg\\n\\n' >&2\nexit 14`;
    const prefix = makePrefix(t, { config: configOf('/tmp', 'check-target = false'), boot });
    assert.deepEqual(await linesOfJob(prefix), [
      'lifeboat: image: 10%',
      'lifeboat: image: 20%',
      'lifeboat: error: Cannot read',
      'lifeboat: look at dmesg',
      'lifeboat: warning: Cannot save the boot disk: lifeboat boot ended with status 14',
      'lifeboat: its own words stand above; run it by hand to see more: lifeboat boot --verbose',
    ]);
  });

  test('a set that is not all there is a warning and no failure', async (t) => {
    const config = configOf('/tmp', 'check-target = false\non-failure = "fail"');
    const prefix = makePrefix(t, { config, boot: 'exit 3' });
    const { hook: script, dumpDirectory } = prefix;
    const result = await runJob({ script, dumpDirectory, guests: [] });
    assert.equal(result.outcome, 'ok');
    assert.match(result.calls.at(-1)?.lines.join() ?? '', /warning: the boot disk was saved, but not all of it/);
  });

  test('a thousand lines of a run are cut', async (t) => {
    const boot = 'i=0; while [ $i -lt 1000 ]; do echo "line $i" >&2; i=$((i+1)); done';
    const lines = await linesOfJob(makePrefix(t, { config: configOf('/tmp', 'check-target = false'), boot }));
    assert.equal(lines.length, 41);
    assert.equal(lines.at(-1), 'lifeboat: and 960 more lines');
  });

  test('a daemon that the run leaves behind does not hold up vzdump', async (t) => {
    const boot = 'setsid sleep 30 &\necho "$!" >>"$NOTES"';
    const prefix = makePrefix(t, { config: configOf('/tmp', 'check-target = false'), boot });
    const { hook: script, dumpDirectory } = prefix;
    const { calls } = await runJob({ script, dumpDirectory, guests: [] });
    process.kill(Number(prefix.notes()[0]), 'SIGKILL');
    assert.ok(
      calls.every(({ heldMs }) => heldMs < 1000),
      JSON.stringify(calls.map(({ heldMs }) => heldMs)),
    );
  });
});

describe('the target at the start of a job', { concurrency: 2 }, () => {
  const start = (prefix: Prefix) => linesOfJob(prefix, 'job-start').then((lines) => lines.join('\n'));

  test('nothing is said of a good one', { skip: NO_DISK }, async (t) => {
    const sets = join(makePrefix(t).directory, 'sets');
    mkdirSync(sets);
    // The last set of this disk says how much room the next will take.
    makeOwnSet(sets, 30 * HOUR_MS);
    assert.equal(await start(makePrefix(t, { config: configOf(sets) })), '');
  });

  test('its share is not mounted', async (t) => {
    const sets = join(makePrefix(t).directory, 'sets');
    mkdirSync(sets);
    const config = `boot.to = "${sets}"\nboot.require-mount = "${sets}"`;
    assert.match(
      await start(makePrefix(t, { config })),
      /warning: Cannot put a set in ".*sets": it is on ".*" .* and not on a mount\nlifeboat: mount what belongs there/,
    );
  });

  test('it is read-only, or has too little room', { skip: process.getuid?.() !== 0 && 'needs root' }, async (t) => {
    const sets = join(makePrefix(t).directory, 'sets');
    mkdirSync(sets);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'lifeboat-test', sets]);
    try {
      const prefix = makePrefix(t, { config: configOf(sets) });
      if (OWN_DISK !== undefined)
        assert.match(
          await start(prefix),
          /warning: Cannot put a set in ".*sets": it will take some .* in use\), and .* are free\nlifeboat: remove old sets/,
        );
      await execa('mount', ['-o', 'remount,ro', sets]);
      assert.match(
        await start(prefix),
        /warning: Cannot put a set in ".*sets": its file system is mounted read-only\nlifeboat: findmnt -T/,
      );
    } finally {
      await execa('umount', [sets]);
    }
  });

  test('it is a link to nothing, or no directory', async (t) => {
    const { directory } = makePrefix(t);
    symlinkSync('gone', join(directory, 'link'));
    assert.match(
      await start(makePrefix(t, { config: configOf(join(directory, 'link')) })),
      /there is no such directory/,
    );
    assert.match(
      await start(makePrefix(t, { config: configOf(join(directory, 'package.json')) })),
      /there is no such directory/,
    );
  });

  test('job-init, before storages are activated, says nothing of it', async (t) => {
    assert.deepEqual(await linesOfJob(makePrefix(t, { config: configOf('/nowhere') }), 'job-init'), []);
  });
});

test('a set is due when none is younger; one from the future is no young one', () => {
  const now = Date.UTC(2026, 10, 20, 12);
  const ago = (hours: number) => ({ time: new Date(now - hours * HOUR_MS) });
  assert.equal(isDue([], 20 * HOUR_MS, now), true);
  assert.equal(isDue([ago(19), ago(40)], 20 * HOUR_MS, now), false);
  assert.equal(isDue([ago(20)], 20 * HOUR_MS, now), true);
  assert.equal(isDue([ago(-100)], 20 * HOUR_MS, now), true);
  assert.equal(isDue([ago(-100), ago(1)], 20 * HOUR_MS, now), false);
});
