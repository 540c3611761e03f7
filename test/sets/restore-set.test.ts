import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { readGpt } from '../../src/device/gpt-move.js';
import { type RestoreSetOptions, restoreSet } from '../../src/sets/restore-set.js';
import { directory, flip, MIB, sameBytes } from '../cli/program.js';
import { attachLoop, type Loop, noLoops } from '../device/loop.js';
import { makeSet, noDisks, PLAN, ROOT_OFFSET, silent } from './made-set.js';

const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
/** Partitions fill the disk as far as they go, but the file system in the last one is small. */
const ROOMY = { ...PLAN, filesystemBytes: 16 * MIB };

async function loopOf(t: TestContext, sizeBytes: number, options: string[] = []): Promise<Loop> {
  const loop = await attachLoop(sizeBytes, options);
  t.after(loop.detach);
  return loop;
}

function restore(set: string, target: string, changes: Partial<RestoreSetOptions> = {}) {
  return restoreSet(
    {
      set,
      target,
      range: undefined,
      confirm: basename(target),
      salvage: false,
      check: true,
      force: false,
      dryRun: false,
      threads: 1,
      engine: 'auto',
      shrinkTail: false,
      signal: new AbortController().signal,
      ...changes,
    },
    silent,
  );
}

function bytesOf(path: string, offset: number, length: number): Buffer {
  const fd = openSync(path, 'r');
  const bytes = Buffer.alloc(length);
  const got = readSync(fd, bytes, 0, length, offset);
  closeSync(fd);
  return bytes.subarray(0, got);
}

async function isWhole(device: string): Promise<void> {
  const { all } = await execa('sfdisk', ['--verify', device], { env: ENV, all: true });
  assert.match(all, /No errors detected/);
  assert.doesNotMatch(all, /mismatch|not on the end|corrupt/i);
}

/** Read-only, and of the whole file system: a piece that is missing does not go unseen. */
async function hasCleanRoot(loop: Loop): Promise<void> {
  const { stdout } = await execa('losetup', ['--find', '--show', '--offset', String(ROOT_OFFSET), loop.file]);
  const device = stdout.trim();
  try {
    await execa('e2fsck', ['-fn', device], { env: ENV });
  } finally {
    await execa('losetup', ['--detach', device]);
  }
}

const wordsOf = ({ steps }: Awaited<ReturnType<typeof restore>>) =>
  steps.map(({ words, commands }) => [words, ...commands].join('\n')).join('\n');

describe('a set', { skip: noLoops || noDisks }, () => {
  test('restored to a disk of the same size is the disk it was', async (t) => {
    const base = directory(t);
    const set = await makeSet(base);
    const loop = await loopOf(t, PLAN.sizeBytes);
    const result = await restore(set, loop.device);
    assert.equal(result.partitionTable, 'kept');
    assert.equal(result.hostname, 'pve1');
    sameBytes(readFileSync(loop.file), readFileSync(join(base, 'disk.img')));
    const words = wordsOf(result);
    assert.match(words, /It starts by BIOS/);
    assert.match(words, /guests were left out/);
    assert.match(words, /RECOVERY\.md/);
    assert.doesNotMatch(words, /not used yet/);
  });

  test('restored to a larger disk has its backup partition table at the end, and says how to grow', async (t) => {
    const base = directory(t);
    const set = await makeSet(base);
    const loop = await loopOf(t, 200 * MIB);
    const result = await restore(set, loop.device);
    assert.equal(result.partitionTable, 'moved');
    await isWhole(loop.device);
    sameBytes(
      bytesOf(loop.file, MIB, PLAN.sizeBytes - 2 * MIB),
      bytesOf(join(base, 'disk.img'), MIB, PLAN.sizeBytes - 2 * MIB),
    );
    await hasCleanRoot(loop);
    const grow = result.steps.find(({ words }) => words.includes('not used yet'));
    assert.match(grow?.words ?? '', /136\.0 MiB of \/dev\/loop\d+ are not used yet/);
    assert.equal(grow?.commands.at(-1), `resize2fs ${loop.device}p2`);
    // The line that it names does it.
    const [line = ''] = grow?.commands ?? [];
    await execa('sh', ['-c', line.replace('--no-reread', '--no-reread --no-tell-kernel')], { env: ENV });
    const gpt = await readGpt((offset, length) => Promise.resolve(bytesOf(loop.file, offset, length)), 512);
    assert.ok((gpt?.entries.at(-1)?.lastLba ?? 0) * 512 > 198 * MIB);
  });

  test('goes to a smaller disk only with --shrink-tail, and only if all in use fits', async (t) => {
    const base = directory(t);
    const set = await makeSet(base, ROOMY);
    const loop = await loopOf(t, 32 * MIB);
    await assert.rejects(restore(set, loop.device), { code: 'NO_SPACE', hint: /--shrink-tail/ });
    const tight = await loopOf(t, 18 * MIB);
    await assert.rejects(restore(set, tight.device, { shrinkTail: true }), {
      code: 'NO_SPACE',
      hint: new RegExp(`at least 18\\.0 MiB \\(${18 * MIB + 33 * 512} bytes\\)`),
    });
    sameBytes(readFileSync(tight.file), Buffer.alloc(18 * MIB), 'a disk that was refused');
    const result = await restore(set, loop.device, { shrinkTail: true });
    assert.equal(result.partitionTable, 'moved');
    assert.deepEqual(result.shortened, [{ partition: 2, sizeBytes: 30 * MIB - 33 * 512 }]);
    await isWhole(loop.device);
    await hasCleanRoot(loop);
  });

  test('whose file system fills its partition is refused on a smaller disk, with the size that would do', async (t) => {
    const set = await makeSet(directory(t));
    const loop = await loopOf(t, 60 * MIB);
    await assert.rejects(restore(set, loop.device, { shrinkTail: true }), {
      code: 'NO_SPACE',
      message: /partition 2 \(ext4\) cannot be cut/,
      hint: /at least 62\.0 MiB/,
    });
  });

  test('is refused by a disk with other sectors, with the reason', async (t) => {
    const set = await makeSet(directory(t));
    const loop = await loopOf(t, PLAN.sizeBytes, ['--sector-size', '4096']);
    await assert.rejects(restore(set, loop.device), {
      code: 'USAGE',
      message: /logical sectors have 4096 bytes, those of the disk that was saved had 512/,
    });
    sameBytes(readFileSync(loop.file), Buffer.alloc(PLAN.sizeBytes));
    const forced = await restore(set, loop.device, { force: true });
    assert.equal(forced.partitionTable, 'kept');
  });

  test('is not restored unless the disk is confirmed, and a dry run writes nothing', async (t) => {
    const set = await makeSet(directory(t));
    const loop = await loopOf(t, 100 * MIB);
    await assert.rejects(restore(set, loop.device, { confirm: undefined }), { code: 'USAGE', hint: /--confirm/ });
    await restore(set, loop.device, { dryRun: true });
    sameBytes(readFileSync(loop.file), Buffer.alloc(100 * MIB));
  });

  test('that is damaged where its tables are leaves the disk alone', async (t) => {
    const set = await makeSet(directory(t));
    const image = join(set, 'boot-disk.img.zst');
    // In the first frame, behind the marker.
    writeFileSync(image, flip(readFileSync(image), 200));
    const loop = await loopOf(t, PLAN.sizeBytes);
    writeFileSync(loop.file, Buffer.alloc(PLAN.sizeBytes, 7));
    await assert.rejects(restore(set, loop.device), { code: 'DAMAGE' });
    sameBytes(readFileSync(loop.file), Buffer.alloc(PLAN.sizeBytes, 7), 'the disk');
  });

  test('of a disk with an MBR goes to a larger one as it is', async (t) => {
    const set = await makeSet(directory(t), { ...PLAN, label: 'dos' });
    const loop = await loopOf(t, 200 * MIB);
    const result = await restore(set, loop.device);
    assert.equal(result.partitionTable, 'kept');
    await hasCleanRoot(loop);
    assert.match(wordsOf(result), /resize2fs/);
  });
});

test('a set is restored to a file as its image is', { skip: noDisks }, async (t) => {
  const base = directory(t);
  const set = await makeSet(base);
  const result = await restore(set, join(base, 'back'), { confirm: undefined });
  assert.deepEqual(result.steps, []);
  sameBytes(readFileSync(join(base, 'back')), readFileSync(join(base, 'disk.img')));
  await assert.rejects(restore(set, join(base, 'other'), { shrinkTail: true }), { code: 'USAGE' });
});
