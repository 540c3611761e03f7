import assert from 'node:assert/strict';
import { mkdtempSync, readSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { execa } from 'execa';
import { openSource } from '../../src/device/source.js';
import { alignedBuffer } from '../../src/native/libc.js';
import { attachLoop, noLoops } from './loop.js';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-source-'));
after(() => rmSync(directory, { recursive: true }));

test('a file is opened through a link, with its size', async () => {
  const path = join(directory, 'disk.raw');
  writeFileSync(path, Buffer.alloc(10_000, 7));
  symlinkSync(path, join(directory, 'link'));
  const source = await openSource(join(directory, 'link'));
  try {
    assert.equal(source.kind, 'file');
    assert.equal(source.path, join(directory, 'link'));
    assert.equal(source.realPath, path);
    assert.equal(source.rdev, undefined);
    assert.equal(source.sizeBytes, 10_000);
    assert.equal(source.logicalSectorBytes, 512);
    assert.equal(readSync(source.fd, Buffer.alloc(8), 0, 8, 9_996), 4);
    if (source.directFd !== undefined) {
      const block = alignedBuffer(4096);
      assert.equal(readSync(source.directFd, block, 0, 4096, 8192), 10_000 - 8192);
      assert.equal(block[0], 7);
    }
  } finally {
    source.close();
  }
  source.close();
});

test('an empty file is a source of 0 bytes', async () => {
  const path = join(directory, 'empty');
  writeFileSync(path, '');
  const source = await openSource(path);
  assert.equal(source.sizeBytes, 0);
  source.close();
});

test('where O_DIRECT is refused, only the plain descriptor is there', async () => {
  const source = await openSource('/proc/version');
  assert.equal(source.directFd, undefined);
  source.close();
});

test('a directory, a pipe, a socket and a character device are refused by name', async (t) => {
  await execa('mkfifo', [join(directory, 'fifo')]);
  const server = createServer().listen(join(directory, 'socket'));
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  await assert.rejects(openSource(directory), { code: 'USAGE', message: /it is a directory/ });
  await assert.rejects(openSource(join(directory, 'fifo')), { code: 'USAGE', message: /it is a pipe/, hint: /use - / });
  await assert.rejects(openSource(join(directory, 'socket')), { code: 'USAGE', message: /it is a socket/ });
  await assert.rejects(openSource('/dev/null'), { code: 'USAGE', message: /it is a character device/, hint: /use - / });
});

test('a missing path and an empty one are refused', async () => {
  await assert.rejects(openSource('/dev/no-such-disk'), { code: 'FAILED', message: /"\/dev\/no-such-disk"/ });
  await assert.rejects(openSource(''), { code: 'USAGE', message: /its path is empty/ });
});

test('an aborted signal stops before anything is opened', async () => {
  await assert.rejects(openSource(directory, AbortSignal.abort(new Error('stopped'))), /stopped/);
});

test('a loop device is opened with its size and sectors, and read with O_DIRECT', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(3 << 20);
  t.after(loop.detach);
  writeFileSync(loop.file, Buffer.alloc(4096, 9), { flag: 'r+' });
  const source = await openSource(loop.device);
  t.after(source.close);
  assert.equal(source.kind, 'block');
  assert.equal(source.sizeBytes, 3 << 20);
  assert.equal(source.logicalSectorBytes, 512);
  assert.notEqual(source.rdev, undefined);
  assert.ok(source.directFd !== undefined);
  const block = alignedBuffer(8192);
  assert.equal(readSync(source.directFd, block, 0, 8192, 0), 8192);
  assert.equal(block[4095], 9);
  assert.equal(block[4096], 0);
});

test('a device with sectors of 4096 bytes says so', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(1 << 20, ['--sector-size', '4096']);
  t.after(loop.detach);
  const source = await openSource(loop.device);
  t.after(source.close);
  assert.equal(source.logicalSectorBytes, 4096);
  assert.ok(source.directFd !== undefined);
});

test('a device above 4 GiB has its full size', { skip: noLoops }, async (t) => {
  const sizeBytes = 5 * 2 ** 30 + 512;
  const loop = await attachLoop(sizeBytes);
  t.after(loop.detach);
  const source = await openSource(loop.device);
  t.after(source.close);
  assert.equal(source.sizeBytes, sizeBytes);
});

test('a loop device without a file is refused for its size', { skip: noLoops }, async () => {
  const { stdout } = await execa('losetup', ['--find']);
  await assert.rejects(openSource(stdout.trim()), { code: 'FAILED', message: /0 bytes/, hint: /loop device/ });
});
