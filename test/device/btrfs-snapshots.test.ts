import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BtrfsWorld,
  holdBtrfsSnapshots,
  ownerOfName,
  reapBtrfsSnapshots,
  snapshotName,
} from '../../src/device/btrfs-snapshots.js';
import { thisProcess } from '../../src/device/snapshot-owner.js';
import { LifeboatError } from '../../src/error.js';

const TOP_FD = 1000;

/** A file system of some subvolumes, by their numbers, with the calls that make and remove them. */
class FakeBtrfs {
  readonly names = new Set<string>();
  readonly open = new Set<number>();
  readonly calls: string[] = [];
  before: (call: string, what: string | number) => void | Promise<void> = () => undefined;
  #nextFd = TOP_FD + 1;

  readonly world: Partial<BtrfsWorld> = {
    openSubvolume: (_device, id) => {
      this.calls.push(`open ${id}`);
      this.before('open', id);
      this.open.add(this.#nextFd);
      return this.#nextFd++;
    },
    createSnapshot: async (directoryFd, name, fd) => {
      assert.equal(directoryFd, TOP_FD);
      assert.ok(this.open.has(fd));
      this.calls.push(`create ${name}`);
      this.names.add(name);
      await this.before('create', name);
    },
    destroySubvolume: async (directoryFd, name) => {
      assert.equal(directoryFd, TOP_FD);
      this.calls.push(`destroy ${name}`);
      await this.before('destroy', name);
      if (!this.names.delete(name)) throw failure('ENOENT');
    },
    subvolumesIn: () => [...this.names],
    close: (fd) => assert.ok(this.open.delete(fd)),
    removeWithinMs: 500,
  };

  count(call: string): number {
    return this.calls.filter((line) => line.startsWith(`${call} `)).length;
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: in words`), { code });
}

function setUp() {
  const fake = new FakeBtrfs();
  const controller = new AbortController();
  const said: string[] = [];
  const hold = (ids = [5, 256, 257]) =>
    holdBtrfsSnapshots(
      '/dev/sda3',
      TOP_FD,
      ids,
      { signal: controller.signal, say: (text) => said.push(text) },
      fake.world,
    );
  return { fake, controller, said, hold };
}

test('each subvolume gets a snapshot that bears its run, and is gone after release', async () => {
  const { fake, said, hold } = setUp();
  const { pid, startTime, boot } = thisProcess();
  const holder = await hold();
  assert.deepEqual(
    holder.names,
    [5, 256, 257].map((id) => `.lifeboat-${pid}-${startTime}-${boot}-${id}`),
  );
  assert.deepEqual([...fake.names], holder.names);
  assert.equal(fake.open.size, 0);
  await Promise.all([holder.release(), holder.release()]);
  assert.equal(fake.names.size, 0);
  assert.equal(fake.count('destroy'), 3);
  assert.deepEqual(said, []);
});

test('a subvolume that is deleted meanwhile has no snapshot, and is no failure', async () => {
  const { fake, hold } = setUp();
  fake.before = (call, what) => {
    if (call === 'open' && what === 256) throw failure('ENOENT');
  };
  const holder = await hold();
  assert.deepEqual(
    holder.names.map((name) => name.split('-').at(-1)),
    ['5', '257'],
  );
  await holder.release();
  assert.equal(fake.names.size, 0);
});

test('one that cannot be made leaves none behind, and names what is in the way', async () => {
  for (const [code, errorCode, words] of [
    ['ETXTBSY', 'FAILED', /subvolume 256 of "\/dev\/sda3": a swap file in it is in use/],
    ['ENOSPC', 'NO_SPACE', /Cannot snapshot subvolume 256 of "\/dev\/sda3": ENOSPC/],
    ['EROFS', 'FAILED', /EROFS/],
  ] as const) {
    const { fake, hold } = setUp();
    fake.before = (call, what) => {
      if (call === 'create' && String(what).endsWith('-256')) throw failure(code);
    };
    await assert.rejects(hold(), (error: unknown) => {
      assert.ok(error instanceof LifeboatError && error.code === errorCode);
      assert.match(error.message, words);
      return true;
    });
    assert.equal(fake.names.size, 0);
    assert.equal(fake.open.size, 0);
    assert.equal(fake.count('open'), 2);
  }
});

test('stopped while the second is made, two are removed and the third is never made', async () => {
  const { fake, controller, hold } = setUp();
  const reason = new Error('stopped by SIGTERM');
  fake.before = (call, what) => {
    if (call === 'create' && String(what).endsWith('-256')) controller.abort(reason);
  };
  await assert.rejects(hold(), reason);
  assert.equal(fake.count('create'), 2);
  assert.equal(fake.names.size, 0);
});

test('stopped before anything, nothing is made; after the signal, release removes as ever', async () => {
  const early = setUp();
  early.controller.abort();
  await assert.rejects(early.hold(), { name: 'AbortError' });
  assert.deepEqual(early.fake.calls, []);
  const { fake, controller, hold } = setUp();
  const holder = await hold();
  controller.abort();
  await holder.release();
  assert.equal(fake.names.size, 0);
});

test('release tries again what is refused, and says what stays with the command that removes it', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold();
  let refusals = 1;
  fake.before = (call, what) => {
    if (call === 'destroy' && String(what).endsWith('-5')) throw failure('EBUSY');
    if (call === 'destroy' && String(what).endsWith('-256') && refusals-- > 0) throw failure('EBUSY');
  };
  await holder.release();
  assert.deepEqual([...fake.names], [holder.names[0]]);
  assert.equal(said.length, 1);
  assert.match(
    said[0] ?? '',
    /-5 is still in the top directory \(EBUSY: in words\): .*btrfs subvolume delete \/mnt\/\.lifeboat-/,
  );
});

test('a removal that hangs does not hold us', async () => {
  const { fake, said, hold } = setUp();
  const holder = await hold([5]);
  fake.before = () => new Promise(() => undefined);
  const start = performance.now();
  await holder.release();
  assert.ok(performance.now() - start < 4500);
  assert.match(said[0] ?? '', /that did not end within 0.5 s/);
  await sleep(0);
});

test('a name tells its run, and no other name is ours', () => {
  const own = thisProcess();
  assert.deepEqual(ownerOfName(snapshotName(own, 256)), own);
  for (const name of [
    '.lifeboat-0-1-aaaaaaaabbbb-5',
    '.lifeboat-1-1-aaaaaaaabbb-5',
    '.lifeboat-1-1-aaaaaaaabbbb-',
    '.lifeboat-1-1-aaaaaaaabbbb-5x',
    'x.lifeboat-1-1-aaaaaaaabbbb-5',
    '.lifeboat-settled-123456',
    'lifeboat',
  ])
    assert.equal(ownerOfName(name), undefined, name);
});

test('reaping removes the snapshots of dead runs and other boots only, and says so', async () => {
  const own = thisProcess();
  const fake = new FakeBtrfs();
  const said: string[] = [];
  const dead = snapshotName({ ...own, startTime: '1' }, 5);
  const restored = snapshotName({ ...own, boot: 'aaaaaaaabbbb' }, 256);
  const kept = [snapshotName(own, 5), '@', '.lifeboat-mine', 'root'];
  for (const name of [dead, restored, ...kept]) fake.names.add(name);
  await reapBtrfsSnapshots(TOP_FD, (text) => said.push(text), fake.world);
  assert.deepEqual([...fake.names], kept);
  assert.deepEqual(
    said.map((text) => text.split(',')[0]),
    [dead, restored].map((name) => `removed snapshot ${name}`),
  );
});
