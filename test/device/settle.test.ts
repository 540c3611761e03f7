import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { freeze, mayFreeze } from '../../src/device/freeze.js';
import { type SettledCopy, type SettleOptions, settle } from '../../src/device/settle.js';
import { attachLoop, noLoops } from './loop.js';

const MIB = 1024 ** 2;

async function mountedLoop(t: TestContext, mkfs: string[], sizeBytes = 64 * MIB) {
  const loop = await attachLoop(sizeBytes);
  const mountpoint = join(loop.directory, 'mnt');
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-settle-'));
  let isMounted = false;
  t.after(async () => {
    if (isMounted) await execa('umount', [mountpoint]);
    await loop.detach();
    rmSync(directory, { recursive: true });
  });
  mkdirSync(mountpoint);
  await execa(mkfs[0] ?? '', [...mkfs.slice(1), loop.device]);
  await execa('mount', [loop.device, mountpoint]);
  isMounted = true;
  const said: string[] = [];
  const options: SettleOptions = {
    device: loop.device,
    mountpoint,
    directory,
    ownPaths: [],
    signal: new AbortController().signal,
    say: (text) => said.push(text),
  };
  const settled = async (more: Partial<SettleOptions> = {}): Promise<SettledCopy> => {
    const copy = await settle({ ...options, ...more });
    t.after(() => copy.close());
    return copy;
  };
  return { loop, mountpoint, directory, said, settled };
}

function bytesOf({ fd, sizeBytes }: SettledCopy): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  assert.equal(readSync(fd, bytes, 0, sizeBytes, 0), sizeBytes);
  return bytes;
}

/** The copy as a disk of its own, checked and with its file read by stock tools. */
async function fileInCopy(copy: SettledCopy, directory: string, check: string[], cat: string[]): Promise<string> {
  const path = join(directory, 'copy.img');
  writeFileSync(path, bytesOf(copy));
  await execa(check[0] ?? '', [...check.slice(1), path]);
  const { stdout } = await execa(
    cat[0] ?? '',
    cat.slice(1).map((arg) => (arg === 'IMAGE' ? path : arg)),
  );
  return stdout;
}

/** What the disk holds, which is not always what a buffered read of a mounted device shows. */
async function withoutCache(device: string): Promise<Buffer> {
  const { stdout } = await execa('dd', [`if=${device}`, 'bs=1M', 'iflag=direct', 'status=none'], {
    encoding: 'buffer',
    maxBuffer: 2 ** 30,
  });
  return Buffer.from(stdout);
}

test('ext4 is frozen for the copy, which is clean, and thawed', { skip: noLoops }, async (t) => {
  const { mountpoint, directory, said, settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  writeFileSync(join(mountpoint, 'vmlinuz'), 'a kernel');
  const copy = await settled();
  assert.equal(copy.how, 'frozen');
  assert.equal(copy.sizeBytes, 64 * MIB);
  // Not frozen any more.
  appendFileSync(join(mountpoint, 'vmlinuz'), ', changed');
  const text = await fileInCopy(copy, directory, ['e2fsck', '-fn'], ['debugfs', '-R', 'cat /vmlinuz', 'IMAGE']);
  assert.equal(text, 'a kernel');
  assert.deepEqual(said, []);
});

test('the copy is sparse, has no name, and is private', { skip: noLoops }, async (t) => {
  const { directory, settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  const copy = await settled();
  assert.deepEqual(readdirSync(directory), []);
  assert.ok(statSync(`/proc/self/fd/${copy.fd}`).blocks * 512 < 16 * MIB);
  assert.equal(statSync(`/proc/self/fd/${copy.fd}`).mode & 0o777, 0o600);
  copy.close();
  copy.close();
});

const noVfat = noLoops || (!readFileSync('/proc/filesystems', 'utf8').includes('vfat') && 'this kernel has no vfat');

test('vfat, which cannot be frozen, is read until nothing changes', { skip: noVfat }, async (t) => {
  const { mountpoint, settled } = await mountedLoop(t, ['mkfs.vfat']);
  writeFileSync(join(mountpoint, 'grubx64.efi'), 'a loader');
  const copy = await settled();
  assert.equal(copy.how, 'compared');
  assert.ok(bytesOf(copy).includes('a loader'));
});

test('a file system that has our own paths is compared instead of frozen', { skip: noLoops }, async (t) => {
  const { loop, mountpoint, settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  writeFileSync(join(mountpoint, 'vmlinuz'), 'a kernel');
  const copy = await settled({ ownPaths: [join(mountpoint, 'backup.log')] });
  assert.equal(copy.how, 'compared');
  assert.ok(bytesOf(copy).equals(await withoutCache(loop.device)));
});

test('what changes at every pass is saved all the same, and said', { skip: noLoops }, async (t) => {
  const { mountpoint, said, settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  let passes = 0;
  const copy = await settled({
    ownPaths: [mountpoint],
    mapUsed: async () => {
      writeFileSync(join(mountpoint, 'busy'), `pass ${passes++}`);
      await execa('sync', ['-f', mountpoint]);
      return undefined;
    },
  });
  assert.equal(copy.how, 'changing');
  assert.equal(passes, 6);
  assert.match(said[0] ?? '', /changed each of 6 times it was read/);
});

test('only what is in use is read, as it is when the copy is made', { skip: noLoops }, async (t) => {
  const { loop, mountpoint, settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  writeFileSync(join(mountpoint, 'far'), Buffer.alloc(8 * MIB, 'x'));
  const used = [
    { offset: 0, length: 100 },
    { offset: 5000, length: 2 * MIB + 1 },
  ];
  const maps = [[], used, used];
  const copy = await settled({ ownPaths: [mountpoint], mapUsed: async () => maps.shift() });
  assert.deepEqual([copy.how, copy.used], ['compared', used]);
  const bytes = bytesOf(copy);
  const end = Math.ceil((5000 + 2 * MIB + 1) / 4096) * 4096;
  const whole = await withoutCache(loop.device);
  assert.ok(bytes.subarray(0, end).equals(whole.subarray(0, end)));
  assert.ok(bytes.subarray(end).every((byte) => byte === 0));
  assert.ok(!whole.subarray(end).every((byte) => byte === 0));
});

test('stopped under the freeze, it thaws and leaves nothing', { skip: noLoops }, async (t) => {
  const { mountpoint, directory, settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  const controller = new AbortController();
  let calls = 0;
  const stopped = settled({
    signal: controller.signal,
    mapUsed: async () => {
      // The second map is made under the freeze.
      if (++calls === 2) controller.abort(new Error('stopped'));
      return undefined;
    },
  });
  await assert.rejects(stopped, /stopped/);
  assert.equal(calls, 2);
  writeFileSync(join(mountpoint, 'after'), 'writable');
  assert.deepEqual(readdirSync(directory), []);
});

test('a partition whose end is not aligned is copied to its last sector', { skip: noLoops }, async (t) => {
  const sizeBytes = 8 * MIB + 512;
  const { loop, settled } = await mountedLoop(t, ['mkfs.ext4', '-q'], sizeBytes);
  const fd = openSync(loop.file, 'r+');
  writeSync(fd, Buffer.alloc(512, 'z'), 0, 512, 8 * MIB);
  closeSync(fd);
  const copy = await settled();
  assert.equal(copy.sizeBytes, sizeBytes);
  assert.equal(bytesOf(copy).toString('latin1', 8 * MIB), 'z'.repeat(512));
});

test('a directory that is not there is an error that names it', { skip: noLoops }, async (t) => {
  const { settled } = await mountedLoop(t, ['mkfs.ext4', '-q']);
  await assert.rejects(settled({ directory: '/nowhere' }), /Cannot create "\/nowhere\/\.lifeboat-settled-/);
});

test('the root file system is never frozen, nor one that we work in', () => {
  assert.equal(mayFreeze('/', []), false);
  assert.equal(mayFreeze(process.cwd(), []), false);
  assert.equal(mayFreeze('/proc', []), true);
  assert.equal(mayFreeze('/proc', ['/proc/self/not/there/yet']), false);
});

function unheard(text: string): never {
  assert.fail(text);
}

test('a freeze that is refused is none; a thaw that fails is tried again, then said with its command', async () => {
  assert.equal(await freeze('/boot', unheard, async () => false), undefined);
  const calls: string[] = [];
  const said: string[] = [];
  let refusals = 2;
  const run = async (args: string[]) => {
    calls.push(args.join(' '));
    return args[0] === '--freeze' || refusals-- <= 0;
  };
  const listeners = process.listenerCount('exit');
  const thaw = await freeze('/boot', (text) => said.push(text), run);
  assert.equal(process.listenerCount('exit'), listeners + 1);
  await thaw?.();
  assert.equal(process.listenerCount('exit'), listeners);
  assert.deepEqual(calls, ['--freeze /boot', ...Array.from({ length: 3 }, () => '--unfreeze /boot')]);
  assert.equal(said.length, 0);
  refusals = 100;
  await (await freeze('/boot', (text) => said.push(text), run))?.();
  assert.match(said[0] ?? '', /cannot thaw \/boot: .*fsfreeze -u \/boot/);
});

test('a freeze that takes too long is given up, and thawed when it comes after all', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const calls: string[] = [];
  const comes: ((isFrozen: boolean) => void)[] = [];
  const frozen = freeze('/boot', unheard, (args) => {
    calls.push(args.join(' '));
    if (args[0] === '--unfreeze') return Promise.resolve(true);
    return new Promise((resolve) => {
      comes.push(resolve);
    });
  });
  t.mock.timers.tick(5000);
  assert.equal(await frozen, undefined);
  comes[0]?.(true);
  t.mock.timers.reset();
  await sleep(5);
  assert.deepEqual(calls, ['--freeze /boot', '--unfreeze /boot']);
});
