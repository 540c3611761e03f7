import assert from 'node:assert/strict';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import { openDirect } from '../../src/device/direct.js';
import { ReadError, readAt, readSome } from '../../src/stream/read-at.js';
import { attachLoop, noLoops } from '../device/loop.js';
import { directBuffer, openReadable, patterned, scratch } from './machine.js';

test('any range reads the same with O_DIRECT as without, also where it is not aligned', async (t) => {
  const contents = patterned(200_003);
  const path = join(scratch(t), 'file');
  writeFileSync(path, contents);
  const file = openReadable(t, path);
  if (file.directFd === undefined) t.diagnostic('no O_DIRECT here: only buffered reads are tried');
  const memory = directBuffer(256 * 1024);
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 210_000 }),
      fc.nat({ max: 200_000 }),
      fc.nat({ max: 9 }),
      fc.boolean(),
      async (anywhere, length, lead, isAligned) => {
        const offset = isAligned ? anywhere - (anywhere % 4096) : anywhere;
        const into = memory.subarray(isAligned ? 0 : lead);
        const expected = contents.subarray(offset, offset + length);
        for (const directFd of [file.directFd, undefined]) {
          memory.fill(0);
          assert.equal(await readAt({ fd: file.fd, directFd }, into, offset, length), expected.length);
          assert.ok(into.subarray(0, expected.length).equals(expected));
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('the unaligned tail of a file is read with O_DIRECT into room for a whole block', async (t) => {
  const contents = patterned(4096 * 3 + 5);
  const path = join(scratch(t), 'file');
  writeFileSync(path, contents);
  const into = directBuffer(4 * 4096);
  assert.equal(await readAt(openReadable(t, path), into, 4096, 2 * 4096 + 5), 2 * 4096 + 5);
  assert.ok(into.subarray(0, 2 * 4096 + 5).equals(contents.subarray(4096)));
});

test('what is aligned is read past the cache, without the other descriptor', async (t) => {
  const contents = patterned(5 * 4096);
  const path = join(scratch(t), 'file');
  writeFileSync(path, contents);
  const { directFd } = openReadable(t, path);
  if (directFd === undefined) return t.skip('no O_DIRECT on this file system');
  const into = directBuffer(4 * 4096);
  assert.equal(await readAt({ fd: -1, directFd }, into, 4096, 4 * 4096), 4 * 4096);
  assert.ok(into.equals(contents.subarray(4096)));
  await assert.rejects(readAt({ fd: -1, directFd }, into, 4097, 4096), RangeError);
});

test('a direct read never puts bytes behind the end of its buffer', async (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, patterned(3 * 4096));
  const memory = directBuffer(3 * 4096);
  memory.fill(9);
  // Without room for the whole last block only a buffered read will do.
  const into = memory.subarray(0, 4096 + 10);
  assert.equal(await readAt(openReadable(t, path), into, 0, 4096 + 10), 4096 + 10);
  assert.ok(memory.subarray(4096 + 10).every((byte) => byte === 9));
});

test('reading past the end gives what there is, and 0 behind it', async (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, patterned(5000));
  const file = openReadable(t, path);
  assert.equal(await readAt(file, directBuffer(8192), 4096, 8192), 904);
  assert.equal(await readAt(file, directBuffer(8192), 8192, 8192), 0);
  assert.equal(await readAt(file, directBuffer(8192), 0, 0), 0);
});

test('a read error tells the offset and how far it had come', async (t) => {
  const directory = scratch(t);
  const fd = openSync(directory, 'r');
  t.after(() => closeSync(fd));
  await assert.rejects(readAt({ fd, directFd: undefined }, Buffer.alloc(10), 20, 10), (error) => {
    assert.ok(error instanceof ReadError);
    assert.deepEqual([error.offset, error.doneBytes, (error.cause as NodeJS.ErrnoException).code], [20, 0, 'EISDIR']);
    return true;
  });
});

test('a mistake of the caller is not taken for a bad sector', async (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, patterned(8192));
  const { fd } = openReadable(t, path);
  await assert.rejects(
    readAt({ fd, directFd: undefined }, Buffer.alloc(10), 0, 4096),
    (error) => !(error instanceof ReadError),
  );
});

test('where the disk wants a larger alignment than we were told, it is read buffered', {
  skip: noLoops,
}, async () => {
  const loop = await attachLoop(1024 * 1024, ['--sector-size', '4096']);
  const fd = openSync(loop.device, constants.O_RDWR);
  const directFd = openDirect(loop.device, constants.O_RDONLY);
  try {
    await execa('dd', [`of=${loop.device}`, 'bs=4096', 'conv=notrunc', 'status=none'], { input: patterned(8192) });
    const into = directBuffer(4096);
    assert.equal(await readAt({ fd, directFd, alignmentBytes: 512 }, into, 512, 512), 512);
    assert.ok(into.subarray(0, 512).equals(patterned(8192).subarray(512, 1024)));
  } finally {
    closeSync(fd);
    if (directFd !== undefined) closeSync(directFd);
    await loop.detach();
  }
});

test('readSome reads a pipe in order and gives 0 at its end', async (t) => {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  const writer = execa('sh', ['-c', 'printf abcdef > "$1"', 'sh', path]);
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  await writer;
  const into = Buffer.alloc(4);
  assert.equal(await readSome(fd, into, 4, null), 4);
  assert.equal(into.toString(), 'abcd');
  assert.equal(await readSome(fd, into, 4, null), 2);
  assert.equal(await readSome(fd, into, 4, null), 0);
});
