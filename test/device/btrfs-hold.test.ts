import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { type HeldBtrfs, type HoldBtrfsOptions, holdBtrfs } from '../../src/device/btrfs-hold.js';
import { LifeboatError } from '../../src/error.js';
import { attachLoop, holding, noLoops } from './loop.js';

const MIB = 1024 ** 2;
const SIZE_BYTES = 512 * MIB;
const hasBtrfs = readFileSync('/proc/filesystems', 'utf8').includes('btrfs');
const cannot = noLoops || (!hasBtrfs && 'this kernel has no btrfs (modprobe btrfs?)');

/** A mounted btrfs with a subvolume in a subvolume, and files in each. */
async function mountedBtrfs(t: TestContext, mkfs: string[] = []) {
  const loop = await attachLoop(SIZE_BYTES);
  const mountpoint = join(loop.directory, 'mnt');
  const target = mkdtempSync(join(tmpdir(), 'lifeboat-btrfs-'));
  t.after(async () => {
    await execa('umount', [mountpoint], { reject: false });
    await loop.detach();
    rmSync(target, { recursive: true });
  });
  mkdirSync(mountpoint);
  await execa('mkfs.btrfs', ['-q', ...mkfs, loop.device]);
  await execa('mount', ['-o', 'commit=1', loop.device, mountpoint]);
  for (const name of ['@', '@/home']) {
    await execa('btrfs', ['subvolume', 'create', join(mountpoint, name)]);
    fill(join(mountpoint, name), 'before');
  }
  const said: string[] = [];
  const options: HoldBtrfsOptions = {
    device: loop.device,
    directory: target,
    ownPaths: [],
    signal: new AbortController().signal,
    say: (text) => said.push(text),
    warn: (text) => said.push(`warning: ${text}`),
  };
  const hold = (more: Partial<HoldBtrfsOptions> = {}) => holdBtrfs({ ...options, ...more });
  return { loop, mountpoint, target, said, hold };
}

function fill(directory: string, text: string): void {
  for (let i = 0; i < 60; i++) writeFileSync(join(directory, `f${i}`), `${text} ${i} `.repeat(1 + i * 400));
}

/** What an image of the device would hold, read now. */
function assemble(held: HeldBtrfs, device: string, image: string): void {
  const [disk, out] = [openSync(device, 'r'), openSync(image, 'w')];
  const piece = (fd: number, offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    assert.equal(readSync(fd, bytes, 0, length, offset), length);
    writeSync(out, bytes, 0, length, offset);
  };
  writeSync(out, Buffer.alloc(1), 0, 1, SIZE_BYTES - 1);
  for (const { offset, length } of held.used) piece(disk, offset, length);
  for (const used of held.used)
    for (const only of held.from.only) {
      const start = Math.max(used.offset, only.offset);
      const end = Math.min(used.offset + used.length, only.offset + only.length);
      if (end > start) piece(held.from.fd, start, end - start);
    }
  closeSync(disk);
  closeSync(out);
}

/** `btrfs check` finds nothing, each checksum of a file's data is right, and it mounts. @returns the files of both subvolumes */
async function filesIn(image: string): Promise<Record<string, string>[]> {
  const { all } = await execa('btrfs', ['check', '--readonly', '--check-data-csum', image], { all: true });
  assert.match(all, /no error found/);
  // The kernel would take it for the original, which has the same UUID.
  await execa('btrfstune', ['-f', '-u', image]);
  const mountpoint = `${image}.mnt`;
  mkdirSync(mountpoint);
  await execa('mount', ['-o', 'loop', image, mountpoint]);
  try {
    return ['@', '@/home'].map((name) => {
      const path = join(mountpoint, name);
      const files = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isFile());
      return Object.fromEntries(files.map((file) => [file.name, readFileSync(join(path, file.name), 'utf8')]));
    });
  } finally {
    await execa('umount', [mountpoint]);
  }
}

function filesOf(text: string): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, `${text} ${i} `.repeat(1 + i * 400)]));
}

async function changeAll(mountpoint: string): Promise<void> {
  for (const round of ['later', 'still later', 'latest']) {
    for (const name of ['@', '@/home']) {
      rmSync(join(mountpoint, name, 'f7'), { force: true });
      fill(join(mountpoint, name), round);
    }
    await execa('sync', ['--file-system', mountpoint]);
  }
}

test('whatever changes later, the image is as it was at one moment', { skip: cannot }, async (t) => {
  const variants: Record<string, string[]> = {
    default: [],
    mixed: ['--mixed'],
    small: ['--nodesize', '4096', '-m', 'single'],
  };
  for (const [name, mkfs] of Object.entries(variants))
    await t.test(name, async (t) => {
      const { loop, mountpoint, target, said, hold } = await mountedBtrfs(t, mkfs);
      const held = await hold();
      try {
        assert.match(said[0] ?? '', /held by 3 read-only snapshots; frozen for \d+ ms/);
        await changeAll(mountpoint);
        const image = join(target, 'image');
        assemble(held, loop.device, image);
        await held.proveUntouched();
        assert.deepEqual(await filesIn(image), [filesOf('before'), filesOf('before')]);
      } finally {
        await held.release();
      }
      await held.release();
      assert.deepEqual(readdirSync(mountpoint), ['@']);
      assert.deepEqual(readFileSync(join(mountpoint, '@/f59'), 'utf8'), filesOf('latest').f59);
    });
});

test('what is written between the snapshots and the freeze is in the image too', { skip: cannot }, async (t) => {
  const { loop, mountpoint, target, hold } = await mountedBtrfs(t);
  // A process of its own: what writes in here would wait for the thaw, and keep us from it.
  const line =
    'echo begun; while :; do for i in 1 2 3 4 5; do head -c 200000 /dev/urandom > "$1/f$i"; done; sync -f "$1"; done';
  const writer = await holding(line, join(mountpoint, '@'));
  const held = await hold().finally(() => sleep(1000).then(() => writer.end()));
  await changeAll(mountpoint);
  const image = join(target, 'image');
  assemble(held, loop.device, image);
  await held.proveUntouched();
  await held.release();
  await filesIn(image);
});

test('data that a balance moves meanwhile are an error, for what was read of them may be anything', {
  skip: cannot,
}, async (t) => {
  const { mountpoint, hold } = await mountedBtrfs(t);
  const held = await hold();
  await execa('btrfs', ['balance', 'start', '-d', mountpoint]);
  await assert.rejects(held.proveUntouched(), /what its snapshots hold was moved/);
  await held.release();
  const gone = await hold();
  const [first = ''] = readdirSync(mountpoint).filter((name) => name.startsWith('.lifeboat-'));
  await execa('btrfs', ['subvolume', 'delete', join(mountpoint, first)]);
  await assert.rejects(gone.proveUntouched(), /something else removed it/);
  await gone.release();
});

test('stopped at any moment it leaves no snapshot, no copy, and nothing frozen', { skip: cannot }, async (t) => {
  const { mountpoint, target, hold } = await mountedBtrfs(t);
  const start = performance.now();
  await (await hold()).release();
  const wholeMs = performance.now() - start;
  for (const share of [0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('stopped by SIGTERM')), wholeMs * share);
    const held = await hold({ signal: controller.signal }).catch((error: Error) => {
      assert.match(error.message, /stopped by SIGTERM/);
      return undefined;
    });
    await held?.release();
    assert.deepEqual(readdirSync(mountpoint), ['@']);
    assert.deepEqual(readdirSync(target), []);
    writeFileSync(join(mountpoint, '@/after'), 'writable');
  }
});

const HOLD_AND_STAY = `
  const { holdBtrfs } = await import(process.argv[1]);
  const [device, directory] = process.argv.slice(2);
  const say = () => undefined;
  await holdBtrfs({ device, directory, ownPaths: [], signal: new AbortController().signal, say, warn: say });
  console.log('held');
  setInterval(say, 1000);
`;

test('what a killed run left is removed by the next, and a run that goes on keeps its own', {
  skip: cannot,
}, async (t) => {
  const { loop, mountpoint, target, said, hold } = await mountedBtrfs(t);
  const module = new URL('../../src/device/btrfs-hold.js', import.meta.url).href;
  const args = ['--input-type=module', '-e', HOLD_AND_STAY, module, loop.device, target];
  const other = execa(process.execPath, args, { reject: false });
  await new Promise((resolve) => other.stdout.once('data', resolve));
  const left = () => readdirSync(mountpoint).filter((name) => name.startsWith('.lifeboat-'));
  const before = left();
  assert.equal(before.length, 3);
  await (await hold()).release();
  assert.deepEqual(left(), before);
  other.kill('SIGKILL');
  await other;
  const held = await hold();
  assert.equal(said.filter((text) => text.startsWith('warning: removed snapshot .lifeboat-')).length, 3);
  await held.release();
  assert.deepEqual(left(), []);
});

test('what cannot be held still is refused with the reason', { skip: cannot }, async (t) => {
  const { loop, mountpoint, hold } = await mountedBtrfs(t);
  const refused = (words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof LifeboatError && error.code === 'FAILED', String(error));
    assert.match(error.message, words);
    return true;
  };
  await assert.rejects(
    hold({ directory: mountpoint }),
    refused(/Cannot freeze ".*": ".*mnt", which this run writes to/),
  );
  await execa('mount', ['-o', 'remount,ro', mountpoint]);
  await assert.rejects(hold(), refused(/it is mounted read-only/));
  await execa('mount', ['-o', 'remount,rw', mountpoint]);
  await execa('umount', [mountpoint]);
  await assert.rejects(hold(), refused(/it is not mounted/));
  await execa('mkfs.btrfs', ['-q', '-f', '--csum', 'xxhash', loop.device]);
  await assert.rejects(hold(), refused(/its checksums are of type 1, not crc32c/));
  await execa('mkfs.ext4', ['-q', '-F', loop.device]);
  await assert.rejects(hold(), refused(/has no superblock/));
});
