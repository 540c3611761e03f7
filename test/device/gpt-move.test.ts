import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { diskBytesFor, type Gpt, lastUsableLbaOn, planGptMove, readGpt } from '../../src/device/gpt-move.js';
import { attachLoop, noLoops } from './loop.js';

const MIB = 1024 * 1024;
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

async function isInstalled(program: string): Promise<boolean> {
  const { failed } = await execa(program, ['--version'], { reject: false, env: ENV });
  return !failed;
}

const noSfdisk = (await isInstalled('sfdisk')) ? false : 'sfdisk is not installed';
const hasSgdisk = await isInstalled('sgdisk');

const LAYOUT = [
  'label: gpt',
  'start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649',
  'size=4MiB, type=U',
  'size=8MiB',
];

interface Disk {
  path: string;
  fd: number;
  read(offset: number, length: number): Promise<Buffer>;
}

/** A file partitioned by sfdisk. */
async function diskOf(t: TestContext, sizeBytes: number, layout = LAYOUT): Promise<Disk> {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-gpt-'));
  const path = join(directory, 'disk.img');
  const fd = openSync(path, 'w+');
  ftruncateSync(fd, sizeBytes);
  await execa('sfdisk', ['--quiet', path], { input: layout.join('\n'), env: ENV });
  t.after(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return { path, fd, read: readerOf(fd) };
}

function readerOf(fd: number): Disk['read'] {
  return (offset, length) => {
    const bytes = Buffer.alloc(length);
    assert.equal(readSync(fd, bytes, 0, length, offset), length);
    return Promise.resolve(bytes);
  };
}

async function gptOf({ read }: Pick<Disk, 'read'>, sectorBytes = 512): Promise<Gpt> {
  const gpt = await readGpt(read, sectorBytes);
  assert.ok(gpt);
  return gpt;
}

function write(fd: number, { writes }: ReturnType<typeof planGptMove>): void {
  for (const { offset, bytes } of writes) assert.equal(writeSync(fd, bytes, 0, bytes.length, offset), bytes.length);
}

/** The stock tools find nothing to complain of. */
async function isWhole(path: string): Promise<void> {
  const verified = await execa('sfdisk', ['--verify', path], { env: ENV, all: true });
  assert.match(verified.all, /No errors detected/);
  assert.doesNotMatch(verified.all, /mismatch|not on the end|corrupt/i);
  if (!hasSgdisk) return;
  const { stdout } = await execa('sgdisk', ['--verify', path], { env: ENV });
  assert.match(stdout, /No problems found/);
}

async function entriesOf(path: string): Promise<string[]> {
  const { stdout } = await execa('sfdisk', ['--dump', path], { env: ENV });
  return stdout.split('\n').filter((line) => line.includes(' : '));
}

describe('a partition table on a disk of another size', { skip: noSfdisk }, () => {
  for (const grownBytes of [MIB, 8 * 512, 33 * 512, 512, 200 * MIB]) {
    test(`has its backup at the end after growing by ${grownBytes} bytes`, async (t) => {
      const disk = await diskOf(t, 64 * MIB);
      const before = await entriesOf(disk.path);
      const gpt = await gptOf(disk);
      ftruncateSync(disk.fd, 64 * MIB + grownBytes);
      write(disk.fd, planGptMove(gpt, 64 * MIB + grownBytes));
      await isWhole(disk.path);
      assert.deepEqual(await entriesOf(disk.path), before);
      const moved = await gptOf(disk);
      assert.equal(moved.alternateLba, (64 * MIB + grownBytes) / 512 - 1);
      assert.equal(moved.lastUsableLba, lastUsableLbaOn(gpt, 64 * MIB + grownBytes));
      if (grownBytes > 33 * 512) {
        const old = await disk.read(64 * MIB - 512, 512);
        assert.ok(old.equals(Buffer.alloc(512)), 'the old backup header is still there');
      }
    });
  }

  test('has its backup at the end of a smaller disk, down to the smallest that holds its partitions', async (t) => {
    const disk = await diskOf(t, 64 * MIB);
    const gpt = await gptOf(disk);
    const last = Math.max(...gpt.entries.map(({ lastLba }) => lastLba));
    const leastBytes = diskBytesFor(gpt, last);
    assert.throws(() => planGptMove(gpt, leastBytes - 512), { code: 'NO_SPACE' });
    const move = planGptMove(gpt, leastBytes);
    ftruncateSync(disk.fd, leastBytes);
    write(disk.fd, move);
    await isWhole(disk.path);
    assert.equal(move.lastUsableLba, last);
  });

  test('has a last partition that is shorter, if that is asked for', async (t) => {
    const disk = await diskOf(t, 64 * MIB);
    const gpt = await gptOf(disk);
    const sizeBytes = 10 * MIB;
    write(disk.fd, planGptMove(gpt, sizeBytes, new Map([[3, lastUsableLbaOn(gpt, sizeBytes)]])));
    ftruncateSync(disk.fd, sizeBytes);
    await isWhole(disk.path);
    const moved = await gptOf(disk);
    assert.equal(moved.entries.find(({ number }) => number === 3)?.lastLba, moved.lastUsableLba);
  });

  test('stays as it is on a disk of the same size', async (t) => {
    const disk = await diskOf(t, 64 * MIB);
    const before = await disk.read(0, 64 * MIB);
    write(disk.fd, planGptMove(await gptOf(disk), 64 * MIB));
    assert.ok((await disk.read(0, 64 * MIB)).equals(before));
  });

  test('is whole at any moment of the move', async (t) => {
    const disk = await diskOf(t, 64 * MIB);
    const gpt = await gptOf(disk);
    const move = planGptMove(gpt, 128 * MIB);
    ftruncateSync(disk.fd, 128 * MIB);
    for (const step of move.writes) {
      write(disk.fd, { ...move, writes: [step] });
      await gptOf(disk);
      const { failed } = await execa('sfdisk', ['--dump', disk.path], { env: ENV, reject: false });
      assert.equal(failed, false, `no table after writing the ${step.what}`);
    }
  });

  test('that is damaged anywhere is refused', async (t) => {
    const disk = await diskOf(t, 64 * MIB);
    const start = await disk.read(0, 64 * 512);
    for (let at = 512; at < 512 + 92; at++) {
      const flipped = Buffer.from(start);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const read = (offset: number, length: number) => Promise.resolve(flipped.subarray(offset, offset + length));
      if (at < 520) assert.equal(await readGpt(read, 512), undefined);
      else await assert.rejects(readGpt(read, 512), { code: 'DAMAGE' }, `byte ${at}`);
    }
    const flipped = Buffer.from(start);
    flipped[1024 + 40] = (flipped[1024 + 40] ?? 0) ^ 1;
    const read = (offset: number, length: number) => Promise.resolve(flipped.subarray(offset, offset + length));
    await assert.rejects(readGpt(read, 512), { code: 'DAMAGE', message: /checksum of its entries/ });
  });

  test('with a hybrid MBR keeps that', async (t) => {
    const disk = await diskOf(t, 64 * MIB);
    const gpt = await gptOf(disk);
    gpt.mbr[446 + 16 + 4] = 0x83;
    const [mbr] = planGptMove(gpt, 128 * MIB).writes.filter(({ offset }) => offset === 0);
    assert.ok(mbr?.bytes.equals(gpt.mbr));
  });
});

test('a disk without a GUID partition table has none to move', async () => {
  const read = (_offset: number, length: number) => Promise.resolve(Buffer.alloc(length));
  assert.equal(await readGpt(read, 512), undefined);
  assert.equal(await readGpt(read, 4096), undefined);
});

test('a table in sectors of 4096 bytes is moved too', { skip: noLoops || noSfdisk }, async (t) => {
  const loop = await attachLoop(64 * MIB, ['--sector-size', '4096']);
  const fd = openSync(loop.file, 'r+');
  t.after(async () => {
    closeSync(fd);
    await loop.detach();
  });
  await execa('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', loop.device], {
    input: LAYOUT.join('\n'),
    env: ENV,
  });
  await execa('blockdev', ['--flushbufs', loop.device], { env: ENV });
  const read = readerOf(fd);
  const gpt = await gptOf({ read }, 4096);
  assert.equal(gpt.entries.length, 3);
  ftruncateSync(fd, 96 * MIB);
  await execa('losetup', ['--set-capacity', loop.device], { env: ENV });
  write(fd, planGptMove(gpt, 96 * MIB));
  await execa('blockdev', ['--flushbufs', loop.device], { env: ENV });
  await isWhole(loop.device);
  assert.equal(await readGpt(read, 512), undefined);
});
