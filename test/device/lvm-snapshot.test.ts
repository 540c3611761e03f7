import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { holdSnapshots, planSnapshots, reapSnapshots, SNAPSHOT_TAG } from '../../src/device/lvm-snapshot.js';
import { mapperPath, mountedVolumes } from '../../src/device/mounted-volumes.js';
import { isAlive, ownerOf, ownerTags, thisProcess } from '../../src/device/snapshot-owner.js';
import { snapshotSizes } from '../../src/device/snapshot-size.js';
import { LifeboatError } from '../../src/error.js';
import { EXTENT_BYTES, FakeLvm, group, lvmOf, volume } from './fake-lvm.js';

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;
const ROOT = volume('root', 8 * GIB);
const LOG = volume('var-log', 2 * GIB);
const SRV = volume('srv', 1 * GIB);
const SIZES = { 'pve/root': ROOT.sizeBytes, 'pve/var-log': LOG.sizeBytes, 'pve/srv': SRV.sizeBytes };

function setUp() {
  const fake = new FakeLvm(SIZES);
  const controller = new AbortController();
  const said: string[] = [];
  const hold = (volumes = [ROOT], freeExtents = 1000) =>
    holdSnapshots(
      volumes,
      lvmOf([group(freeExtents)], volumes),
      { signal: controller.signal, say: (text) => said.push(text) },
      fake.world,
    );
  return { fake, controller, said, hold };
}

/** An answer within a second, or the test says so rather than hang. */
function soon<T>(promise: Promise<T>): Promise<T> {
  return Promise.race([
    promise,
    sleep(2000, undefined, { ref: false }).then(() => assert.fail('no answer within 2 s')),
  ]);
}

test('each volume gets a snapshot that is opened, told of, and gone after release', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold([ROOT, LOG, SRV]);
  assert.deepEqual(
    holder.snapshots.map(({ origin }) => origin.name),
    ['root', 'var-log', 'srv'],
  );
  assert.equal(fake.open.size, 6);
  assert.match([...fake.snapshots.keys()][1] ?? '', /^pve\/lifeboat-var-log-[0-9a-f]{4}$/);
  assert.equal(said.length, 3);
  assert.equal(await holder.snapshots[0]?.fillPercent(), 0.1);
  await Promise.all([holder.release(), holder.release()]);
  await holder.release();
  assert.equal(fake.snapshots.size, 0);
  assert.equal(fake.open.size, 0);
  assert.equal(fake.count('lvremove'), 3);
});

test('lvcreate makes them read-only, tagged with their run, one right after the other', async () => {
  const { fake, hold } = setUp();
  const holder = await hold([ROOT, LOG]);
  const [first = []] = fake.calls;
  const owner = thisProcess();
  assert.deepEqual(first, [
    'lvcreate',
    '--yes',
    '--snapshot',
    '--name',
    holder.snapshots[0]?.name,
    '--addtag',
    SNAPSHOT_TAG,
    '--addtag',
    `lifeboat_pid_${process.pid}_${owner.startTime}`,
    '--addtag',
    `lifeboat_boot_${owner.boot}`,
    '--extents',
    '711',
    '--permission',
    'r',
    '--monitor',
    'n',
    '--autobackup',
    'n',
    'pve/root',
  ]);
  assert.equal(fake.calls[1]?.[0], 'lvcreate');
  assert.equal(holder.snapshots[0]?.path, `/dev/pve/${holder.snapshots[0]?.name}`);
  await holder.release();
});

test('a snapshot that is nearly full, full or dropped rejects the watch, and says which', async () => {
  const cases: [string, RegExp][] = [
    ['15565/16384 16', /lifeboat-root-.* is 95 % full/],
    ['16384/16384 16', /lifeboat-root-.* has overflowed/],
    ['Invalid', /has overflowed/],
    ['Overflow', /has overflowed/],
  ];
  for (const [state, words] of cases) {
    const { fake, hold } = setUp();
    const holder = await hold([SRV, ROOT]);
    const [, root] = fake.snapshots.values();
    if (root) root.state = state;
    await assert.rejects(soon(holder.watched), (error: unknown) => {
      assert.ok(error instanceof LifeboatError && error.code === 'FAILED');
      assert.match(error.message, words);
      assert.match(error.hint ?? '', /vgextend pve/);
      return true;
    });
    await holder.release();
    assert.equal(fake.snapshots.size, 0);
  }
});

test('a snapshot below the limit is fine, and release ends the watch without a word', async () => {
  const { fake, hold } = setUp();
  const holder = await hold();
  for (const snapshot of fake.snapshots.values()) snapshot.state = '15548/16384 16';
  let hasSpoken = false;
  holder.watched.catch(() => {
    hasSpoken = true;
  });
  await sleep(50);
  assert.ok(fake.count('dmsetup') > 1);
  await holder.release();
  const looks = fake.count('dmsetup');
  await sleep(30);
  assert.equal(hasSpoken, false);
  assert.ok(fake.count('dmsetup') <= looks + 1);
});

test('a snapshot that somebody removed rejects the watch, and is no obstacle to release', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold();
  fake.snapshots.clear();
  await assert.rejects(soon(holder.watched), /is gone: something else removed it/);
  await assert.rejects(holder.snapshots[0]?.fillPercent() ?? assert.fail(), /is gone/);
  await holder.release();
  assert.equal(said.length, 1);
});

test('one look that fails is not the end; three in a row are', async () => {
  const { fake, hold } = setUp();
  let failures = 2;
  fake.before = (file) => {
    if (file === 'dmsetup' && failures-- > 0) throw new LifeboatError('FAILED', 'dmsetup is not in the mood');
  };
  const holder = await hold();
  const outcome = holder.watched.catch((error) => error);
  await sleep(60);
  assert.equal(await Promise.race([outcome, 'silent']), 'silent');
  failures = 3;
  await assert.rejects(soon(holder.watched), /not in the mood/);
  await holder.release();
});

test('release tries again what is busy', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold();
  fake.busyTimes = 2;
  await holder.release();
  assert.equal(fake.count('lvremove'), 3);
  assert.equal(fake.snapshots.size, 0);
  assert.equal(said.length, 1);
});

test('what cannot be removed in time is said, with the command, and does not keep the others', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold([ROOT, LOG]);
  fake.before = (file, args) => {
    if (file === 'lvremove' && args.at(-1)?.includes('var-log')) throw new LifeboatError('FAILED', 'no way');
  };
  const start = performance.now();
  await holder.release();
  assert.ok(performance.now() - start < 4500);
  assert.deepEqual(
    [...fake.snapshots.values()].map(({ origin }) => origin),
    ['pve/var-log'],
  );
  assert.match(said.at(-1) ?? '', /lifeboat-var-log-.* is still there \(no way\): .*lvremove pve\/lifeboat-var-log/);
});

test('an lvremove that hangs does not hold us', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold();
  fake.before = () => new Promise(() => undefined);
  const start = performance.now();
  await holder.release();
  assert.ok(performance.now() - start < 4500);
  assert.match(said.at(-1) ?? '', /did not end within 1 s/);
});

test('stopped while the second of three is made, the first two are removed and the third is never made', async () => {
  const { fake, controller, hold } = setUp();
  const reason = new Error('stopped by SIGTERM');
  fake.before = async (file) => {
    if (fake.count('lvcreate') === 2 && file === 'lvcreate') {
      controller.abort(reason);
      // LVM's command is let go to its end.
      await sleep(20);
    }
  };
  await assert.rejects(hold([ROOT, LOG, SRV]), reason);
  assert.equal(fake.count('lvcreate'), 2);
  assert.equal(fake.snapshots.size, 0);
  assert.equal(fake.open.size, 0);
});

test('stopped before anything, nothing is made', async () => {
  const { fake, controller, hold } = setUp();
  controller.abort();
  await assert.rejects(hold(), { name: 'AbortError' });
  assert.deepEqual(fake.snapshots.size, 0);
  assert.equal(fake.count('lvcreate'), 0);
});

test('after the signal, release removes as ever', async () => {
  const { fake, controller, hold } = setUp();
  const holder = await hold([ROOT, LOG]);
  controller.abort();
  await holder.release();
  assert.equal(fake.snapshots.size, 0);
});

test('an lvcreate that fails, or an open, leaves nothing behind', async () => {
  const refused = setUp();
  refused.fake.before = (file, args) => {
    if (file === 'lvcreate' && args.at(-1) === 'pve/var-log') throw new LifeboatError('FAILED', 'no');
  };
  await assert.rejects(refused.hold([ROOT, LOG]), /^LifeboatError: no$/);
  assert.equal(refused.fake.snapshots.size, 0);

  const unopened = setUp();
  unopened.fake.world.open = () => {
    throw new LifeboatError('FAILED', 'cannot open');
  };
  await assert.rejects(unopened.hold([ROOT, LOG]), /cannot open/);
  assert.equal(unopened.fake.snapshots.size, 0);
});

test('a snapshot of another size than its origin had is refused and removed', async () => {
  const { fake, hold } = setUp();
  fake.sizes['pve/root'] = 8 * GIB + EXTENT_BYTES;
  await assert.rejects(hold(), /has 8594128896 bytes, its origin had 8589934592/);
  assert.equal(fake.snapshots.size, 0);
  assert.equal(fake.open.size, 0);
});

test('too few free extents are exit 14, tell how to make room, and make nothing', async () => {
  const { fake, hold } = setUp();
  await assert.rejects(hold([ROOT], 15), (error: unknown) => {
    assert.ok(error instanceof LifeboatError && error.code === 'NO_SPACE');
    assert.match(error.message, /pve\/root: .* 84.0 MiB .* pve has 60.0 MiB/);
    assert.match(error.hint ?? '', /vgextend pve/);
    return true;
  });
  assert.equal(fake.calls.length, 0);
});

test('volumes that cannot have a snapshot are refused before anything', async () => {
  const { fake, hold } = setUp();
  for (const [wrong, words] of [
    [volume('root', GIB, { role: 'thin', pool: 'data' }), /pve\/root: it is a thin volume/],
    [volume('data', GIB, { role: 'thin-pool' }), /of its kind \(thin-pool\)/],
    [volume('root', GIB, { active: false }), /it is not active/],
    [volume('root', GIB, { vg: 'other' }), /vgs does not show that group/],
  ] as const)
    await assert.rejects(hold([ROOT, wrong]), words);
  assert.equal(fake.calls.length, 0);
});

test('sizes: by weight, at most what an origin can use, with a reserve, and the least that makes sense', () => {
  const extents = (...args: Parameters<typeof snapshotSizes>) => snapshotSizes(...args).map((size) => size.extents);
  // A tenth stays free, and 4 GiB at most.
  assert.deepEqual(extents([ROOT], group(1000)), [900]);
  assert.deepEqual(extents([volume('root', 800 * GIB)], group(25_600)), [25_600 - 1024]);
  // 2 GiB is 512 extents and 512/256 for exceptions, and a header.
  assert.deepEqual(extents([LOG], group(100_000)), [515]);
  // Both get what each can use at most where there is enough; else by weight above their least.
  assert.deepEqual(extents([LOG, SRV], group(100_000)), [515, 258]);
  assert.deepEqual(extents([ROOT, LOG], group(100)), [21 + 42, 16 + 10]);
  // The reserve gives way to the least.
  assert.deepEqual(extents([ROOT], group(21)), [21]);
  // No more than it can use, even if that is less than the least of others.
  assert.deepEqual(extents([volume('tiny', 8 * MIB)], group(1000)), [3]);
  assert.throws(() => extents([ROOT], group(20)), { code: 'NO_SPACE' });
  assert.throws(() => extents([ROOT, LOG], group(36)), { code: 'NO_SPACE' });
});

test('sizes never exceed what is free, nor fall below the least, whatever the volumes', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 300_000 }), (extents, free) => {
      const volumes = extents.map((count, at) => volume(`v${at}`, count * EXTENT_BYTES));
      let given: number[];
      try {
        given = snapshotSizes(volumes, group(free)).map((size) => size.extents);
      } catch (error) {
        assert.ok(error instanceof LifeboatError);
        return;
      }
      assert.ok(given.reduce((sum, count) => sum + count, 0) <= free);
      for (const [at, count] of given.entries()) {
        const origin = extents[at] ?? 0;
        assert.ok(Number.isInteger(count) && count >= Math.min(16, origin) && count >= Math.floor(origin / 100));
        assert.ok(count <= origin + Math.ceil(origin / 256) + 1, `${count} for ${origin}`);
      }
    }),
  );
});

test('volumes of several groups are sized by their own, and stay in order', () => {
  const other = volume('home', 4 * GIB, { vg: 'vg1' });
  const plan = planSnapshots([LOG, other, SRV], lvmOf([group(400), group(300, 'vg1')], []));
  assert.deepEqual(
    plan.map(({ volume: { name }, extents }) => [name, extents]),
    [
      ['var-log', 234],
      ['home', 270],
      ['srv', 125],
    ],
  );
});

/** A /proc with a process 77 that started at 500, beside a kernel's boot id. */
function fakeProc(t: TestContext): string {
  const proc = mkdtempSync(join(tmpdir(), 'lifeboat-proc-'));
  t.after(() => rmSync(proc, { recursive: true }));
  mkdirSync(join(proc, 'sys/kernel/random'), { recursive: true });
  writeFileSync(join(proc, 'sys/kernel/random/boot_id'), 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\n');
  const process = (pid: number, state: string, startTime: number) => {
    mkdirSync(join(proc, String(pid)));
    const zeros = Array.from({ length: 18 }, () => '0').join(' ');
    writeFileSync(join(proc, String(pid), 'stat'), `${pid} (a) S 1 (x) ${state} ${zeros} ${startTime} 4096 0\n`);
  };
  process(77, 'S', 500);
  process(78, 'Z', 500);
  return proc;
}

test('a run is told from another of the same number by its start and its boot', (t) => {
  const proc = fakeProc(t);
  const boot = 'aaaaaaaabbbb';
  assert.equal(isAlive({ pid: 77, startTime: '500', boot }, proc), true);
  assert.equal(isAlive({ pid: 77, startTime: '501', boot }, proc), false);
  assert.equal(isAlive({ pid: 77, startTime: '500', boot: 'ffffffffffff' }, proc), false);
  assert.equal(isAlive({ pid: 78, startTime: '500', boot }, proc), false);
  assert.equal(isAlive({ pid: 79, startTime: '500', boot }, proc), false);
  const own = thisProcess();
  assert.equal(isAlive(own), true);
  assert.deepEqual(ownerOf(['other', ...ownerTags(own)]), own);
  for (const tags of [[], [SNAPSHOT_TAG], ['lifeboat_pid_77_500'], ['lifeboat_pid_0_500', 'lifeboat_boot_ab']])
    assert.equal(ownerOf(tags), undefined);
});

test('reaping removes the snapshots of dead runs only, and says so', async (t) => {
  const proc = fakeProc(t);
  const boot = 'lifeboat_boot_aaaaaaaabbbb';
  const snapshot = (name: string, tags: string[], more = {}) =>
    volume(name, GIB, { role: 'snapshot', origin: 'root', tags, ...more });
  const volumes = [
    ROOT,
    snapshot('lifeboat-root-0001', [SNAPSHOT_TAG, 'lifeboat_pid_77_499', boot]),
    snapshot('lifeboat-root-0002', [SNAPSHOT_TAG, 'lifeboat_pid_77_500', boot]),
    snapshot('lifeboat-root-0003', ['lifeboat_pid_77_499', boot]),
    snapshot('lifeboat-root-0004', [SNAPSHOT_TAG]),
    snapshot('lifeboat-root-0005', [SNAPSHOT_TAG, 'lifeboat_pid_99_1', boot]),
    snapshot('before-upgrade', []),
    volume('precious', GIB, { tags: [SNAPSHOT_TAG, 'lifeboat_pid_99_1', boot] }),
  ];
  const fake = new FakeLvm(SIZES);
  for (const { name, tags } of volumes)
    fake.snapshots.set(`pve/${name}`, {
      origin: 'pve/root',
      tags,
      extents: 1,
      state: '160/16000 16',
    });
  const said: string[] = [];
  fake.busyTimes = 2;
  const reaped = await reapSnapshots(lvmOf([group(10)], volumes), (text) => said.push(text), { ...fake.world, proc });
  assert.equal(reaped, 2);
  assert.deepEqual(
    [...fake.snapshots.keys()],
    ['root', 'lifeboat-root-0002', 'lifeboat-root-0003', 'lifeboat-root-0004', 'before-upgrade', 'precious'].map(
      (name) => `pve/${name}`,
    ),
  );
  assert.deepEqual(said.sort(), [
    "pve/lifeboat-root-0004 has our tag but no run's, so it stays; to remove it: lvremove pve/lifeboat-root-0004",
    'removed snapshot pve/lifeboat-root-0001, left by a run that was killed (process 77)',
    'removed snapshot pve/lifeboat-root-0005, left by a run that was killed (process 99)',
  ]);
  assert.equal(await reapSnapshots(lvmOf([], [ROOT]), assert.fail, fake.world), 0);
});

test('what dmsetup says of a snapshot is read as it is, and anything else is an error', async () => {
  const { fake, hold } = setUp();
  const holder = await hold();
  const [snapshot] = fake.snapshots.values();
  const percentAt = (state: string) => {
    if (snapshot) snapshot.state = state;
    return holder.snapshots[0]?.fillPercent() ?? assert.fail();
  };
  // Recorded with dmsetup 1.02.185, kernel 6.1: a snapshot of two extents, before and after 30 MiB were written.
  assert.equal((await percentAt('1112/16384 16')).toFixed(2), '6.79');
  await assert.rejects(percentAt('Invalid'), /has overflowed/);
  for (const wrong of ['', 'Unknown', '1112/0 16', '-1/16384 16', '1112/16384', '1112 16', '1112/16384 16\n0 8 linear'])
    await assert.rejects(
      percentAt(wrong),
      /Cannot tell how full the snapshot pve\/lifeboat-root-.* is: its status is "0/,
    );
  await holder.release();
});

test('mounted volumes are known by both of their paths', () => {
  const hyphens = volume('vm-1-disk', GIB, { vg: 'my-vg', path: '/dev/my-vg/vm-1-disk' });
  assert.equal(mapperPath(hyphens), '/dev/mapper/my--vg-vm--1--disk');
  const mount = (device: string) => ({ mountpoint: '/x', device, fsType: 'ext4' });
  const lvm = lvmOf([], [ROOT, LOG, hyphens]);
  assert.deepEqual(
    mountedVolumes(lvm, [mount('/dev/mapper/my--vg-vm--1--disk'), mount('/dev/pve/root'), mount('/dev/sda2')]),
    [ROOT, hyphens],
  );
});
