import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { hiddenMounts } from '../../src/device/hidden-mounts.js';
import type { BootPlan, BootResult } from '../../src/sets/boot.js';
import { attachLoop, holding, noLoops } from '../device/loop.js';
import { DISK_BYTES, FORGOTTEN, makeBootDisk, ROOT_AT, SWAP_AT } from './boot-disk.js';
import { directory, ends, lifeboat, MIB, namesIn, STATUS, sameBytes, start, until } from './program.js';

/** A disk that nobody uses; what is mounted, LVM and snapshots are tried in a machine of their own (docs/vm-test.md). */
describe('boot', { skip: noLoops }, () => {
  let disk: Awaited<ReturnType<typeof makeBootDisk>>;
  before(async () => {
    disk = await makeBootDisk();
  });
  after(() => disk.detach());

  const boot = (to: string, ...flags: string[]) => ['boot', '--to', to, '--disk', disk.device, ...flags];
  /** Where sets are kept: on the disk under /tmp, which is not the one that is saved. */
  const base = (t: TestContext) => directory(t);
  const made = async (to: string, ...flags: string[]): Promise<BootResult> => {
    const ran = await lifeboat(boot(to, '--no-rescue-kit', '--json', ...flags));
    ends(ran, STATUS.done);
    return JSON.parse(ran.stdout) as BootResult;
  };

  test('saves a disk as a set that stock tools check, decode and find whole', async (t) => {
    const { set, manifest } = await made(base(t));
    assert.equal(manifest.consistency, 'still');
    assert.ok(manifest.verifiedAt);
    assert.ok(manifest.readBytes < 40 * MIB, `read ${manifest.readBytes} for 20 MiB in use`);
    assert.equal(statSync(set).mode & 0o777, 0o700);
    for (const name of readdirSync(set)) assert.equal(statSync(join(set, name)).mode & 0o077, 0, name);

    await execa('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: set });
    const raw = join(set, '..', 'raw.img');
    await execa('zstd', ['-q', '-d', '--sparse', join(set, 'boot-disk.img.zst'), '-o', raw]);
    assert.equal(statSync(raw).size, DISK_BYTES);
    assert.equal(readFileSync(disk.file).includes(FORGOTTEN), true);
    assert.equal(readFileSync(raw).includes(FORGOTTEN), false, 'unused blocks or swap are in the image');
    await execa('e2fsck', ['-fn', `${raw}?offset=${ROOT_AT}`]);
    for (const [path, bytes] of disk.files) {
      const { stdout } = await execa('debugfs', ['-R', `cat "/${path}"`, `${raw}?offset=${ROOT_AT}`], {
        encoding: 'buffer',
        stripFinalNewline: false,
      });
      sameBytes(Buffer.from(stdout), bytes, path);
    }
    const swap = async (file: string) =>
      (await execa('blkid', ['--probe', '--offset', String(SWAP_AT), '-o', 'export', file])).stdout.replace(
        /^DEVNAME=.*\n/m,
        '',
      );
    assert.match(await swap(raw), /TYPE=swap/);
    assert.equal(await swap(raw), await swap(disk.device));
    const loader = await execa('mtype', ['-i', `${raw}@@${MIB}`, '::/LOADER.EFI']);
    assert.equal(loader.stdout, 'pve1');
    assert.match((await execa('sgdisk', ['--verify', raw])).stdout, /No problems found/);
  });

  test('list, show, verify and restore take the set, on to a larger disk too', async (t) => {
    const to = base(t);
    const { set } = await made(to, '--compress', 'gzip', '--level', '1');
    assert.match((await lifeboat(['list', to])).stdout, new RegExp(disk.device));
    assert.match((await lifeboat(['show', set])).stdout, /boot-disk\.img\.gz/);
    ends(await lifeboat(['verify', set]), STATUS.done);
    const larger = join(to, 'larger.img');
    await execa('truncate', ['--size', String(DISK_BYTES + 64 * MIB), larger]);
    ends(await lifeboat(['restore', set, '-o', larger, '-f']), STATUS.done);
    assert.match((await execa('sgdisk', ['--verify', larger])).stdout, /No problems found/);
    await execa('e2fsck', ['-fn', `${larger}?offset=${ROOT_AT}`]);
  });

  test('restore puts it on to a smaller disk, cutting the free end, only when it is told to', async (t) => {
    const to = base(t);
    const { set } = await made(to);
    const restore = async (bytes: number, ...flags: string[]) => {
      const target = await attachLoop(bytes);
      t.after(() => target.detach());
      const name = target.device.slice('/dev/'.length);
      return { target, ran: await lifeboat(['restore', set, '-o', target.device, '--confirm', name, ...flags]) };
    };
    ends((await restore(DISK_BYTES - 24 * MIB)).ran, STATUS.noSpace, /--shrink-tail/);
    ends((await restore(ROOT_AT + 140 * MIB, '--shrink-tail')).ran, STATUS.noSpace, /at least/);
    const { target, ran } = await restore(DISK_BYTES - 24 * MIB, '--shrink-tail');
    ends(ran, STATUS.done);
    assert.match((await execa('sgdisk', ['--verify', target.device])).stdout, /No problems found/);
    await execa('e2fsck', ['-fn', `${target.device}?offset=${ROOT_AT}`]);
  });

  test('a dry run tells what would be saved, and makes nothing', async (t) => {
    const to = base(t);
    const ran = await lifeboat(boot(to, '--dry-run', '--json'));
    ends(ran, STATUS.done);
    const plan = JSON.parse(ran.stdout) as BootPlan;
    assert.equal(plan.disk.path, disk.device);
    assert.ok(plan.dataBytes < 40 * MIB);
    assert.deepEqual(plan.leftOut.map(({ reason }) => reason).sort(), [
      'gap',
      'swap',
      'unused blocks',
      'unused blocks',
    ]);
    assert.deepEqual(namesIn(to), []);
  });

  test('what is mounted out of our sight does not count as standing still, and its free space is not trusted', async (t) => {
    const to = base(t);
    const mountpoint = directory(t);
    const root = `${disk.device}p3`;
    const other = await holding(
      `exec unshare --mount sh -c 'mount -o ro,noload "$1" ${mountpoint} && echo held && exec sleep 60' sh "$1"`,
      root,
    );
    t.after(() => other.end());
    assert.deepEqual(hiddenMounts(disk.device.slice('/dev/'.length)), [{ device: root, mountpoint, pid: other.pid }]);
    const ran = await lifeboat(boot(to, '--dry-run', '--json'));
    ends(
      ran,
      STATUS.done,
      /p3" is mounted in another mount namespace only \(by process \d+, on ".*"\): all of it is read/,
    );
    assert.ok((JSON.parse(ran.stdout) as BootPlan).dataBytes > 150 * MIB);
    const refused = await lifeboat(boot(to, '--no-rescue-kit', '--require-consistent'));
    ends(refused, STATUS.failed, /--require-consistent was given/);
    assert.deepEqual(
      namesIn(to).flatMap((host) => namesIn(join(to, host))),
      [],
    );
    await other.end();
    assert.deepEqual(hiddenMounts(disk.device.slice('/dev/'.length)), []);
  });

  test('SIGTERM ends it by the signal within 5 seconds, and nothing is left', async (t) => {
    const to = base(t);
    const running = start(boot(to, '--no-rescue-kit', '--bwlimit', '1024'));
    await until('the image is being written', () => isImaging(to), 25_000);
    const begun = performance.now();
    running.kill('SIGTERM');
    const ended = await running;
    assert.equal(ended.signal, 'SIGTERM');
    assert.ok(performance.now() - begun < 5000);
    assert.deepEqual(
      namesIn(to).flatMap((host) => namesIn(join(to, host))),
      [],
    );
  });

  test('a second run on the same disk ends with 11, and what a killed one left is removed by the next', async (t) => {
    const to = base(t);
    const running = start(boot(to, '--no-rescue-kit', '--bwlimit', '1024'));
    await until('the image is being written', () => isImaging(to), 25_000);
    ends(await lifeboat(boot(to)), STATUS.busy, /another run is at it \(pid \d+/);
    running.kill('SIGKILL');
    await running;
    const [host = ''] = namesIn(to);
    const left = namesIn(join(to, host));
    assert.equal(left.length, 1);
    const { set } = await made(to);
    assert.deepEqual(namesIn(join(to, host)), [set.slice(set.lastIndexOf('/') + 1)]);
    assert.equal(existsSync(join(to, host, left[0] ?? '', 'boot-disk.img.zst.partial')), false);
  });

  test('a target that is too small is refused before anything is read', async (t) => {
    const to = base(t);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', to]);
    try {
      ends(await lifeboat(boot(to, '--no-rescue-kit')), STATUS.noSpace, /free/);
      assert.deepEqual(
        namesIn(to).flatMap((host) => namesIn(join(to, host))),
        [],
      );
      ends(await lifeboat(boot(to, '--require-mount', to, '--dry-run')), STATUS.noSpace);
    } finally {
      await execa('umount', ['--lazy', to]);
    }
    ends(await lifeboat(boot(to, '--require-mount', to)), STATUS.failed, /mount/);
  });

  test('what cannot be saved is told in words', async (t) => {
    const to = base(t);
    ends(await lifeboat(['boot', '--to', to, '--disk', join(to, 'none')]), STATUS.failed, /Cannot find/);
    ends(await lifeboat(['boot', '--to', to, '--disk', to]), STATUS.usage, /no block device/);
    ends(await lifeboat(boot(to, '--snapshot', 'lvm')), STATUS.failed, /nothing that is mounted/);
    mkdirSync(join(to, 'gone'));
    rmSync(join(to, 'gone'), { recursive: true });
    ends(await lifeboat(boot(join(to, 'gone'))), STATUS.failed, /there is no such directory/);
  });
});

/** Whether an image is being written in a set below. */
function isImaging(to: string): boolean {
  return namesIn(to).some((host) =>
    namesIn(join(to, host)).some((set) => namesIn(join(to, host, set)).some((name) => name.endsWith('.partial'))),
  );
}
