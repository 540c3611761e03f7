import assert from 'node:assert/strict';
import { closeSync, constants, ftruncateSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { LifeboatError } from '../../src/error.js';
import { fileSink, streamSink } from '../../src/stream/byte-sink.js';
import { patterned, scratch } from './machine.js';

test('a file gets its buffers one behind another, and holes where they are skipped', async (t) => {
  const path = join(scratch(t), 'out');
  const fd = openSync(path, 'w');
  t.after(() => closeSync(fd));
  const sink = fileSink(fd, path);
  const contents = patterned(300_000);
  const hole = 8 * 1024 * 1024;
  await sink.write([contents.subarray(0, 1), contents.subarray(1, 1), contents.subarray(1, 100_000)]);
  await sink.skip?.(hole);
  await sink.write([contents.subarray(100_000)]);
  await sink.skip?.(hole);
  ftruncateSync(fd, contents.length + 2 * hole);
  const expected = [contents.subarray(0, 100_000), Buffer.alloc(hole), contents.subarray(100_000), Buffer.alloc(hole)];
  assert.ok(readFileSync(path).equals(Buffer.concat(expected)));
  assert.ok(statSync(path).blocks * 512 < 1024 * 1024);
});

test('a file larger than the steps of its write-behind is whole, and mostly gone from the cache', async (t) => {
  const path = join(scratch(t), 'out');
  const fd = openSync(path, 'w');
  t.after(() => closeSync(fd));
  const sink = fileSink(fd, path);
  const piece = patterned(8 * 1024 * 1024);
  for (let i = 0; i < 20; i++) await sink.write([piece]);
  const { stdout } = await execa('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { reject: false });
  if (/^\s*\d+\s*$/.test(stdout ?? '')) {
    // Two steps of 32 MiB stay: one that is being written, one that is filled.
    assert.ok(Number(stdout) <= 72 * 1024 * 1024, `${stdout} bytes of 160 MiB in the cache`);
  }
  const found = readFileSync(path);
  assert.equal(found.length, 20 * piece.length);
  for (let i = 0; i < 20; i++) assert.ok(found.subarray(i * piece.length, (i + 1) * piece.length).equals(piece));
});

test('a file that cannot be written says which and where', async (t) => {
  const path = join(scratch(t), 'out');
  const fd = openSync(path, 'w+');
  const sink = fileSink(fd, path);
  await sink.write([Buffer.alloc(1000, 1)]);
  closeSync(fd);
  const readOnly = openSync(path, 'r');
  t.after(() => closeSync(readOnly));
  await assert.rejects(fileSink(readOnly, path).write([Buffer.alloc(10)]), (error) => {
    assert.ok(error instanceof LifeboatError);
    assert.deepEqual([error.code, error.offset], ['FAILED', 0]);
    assert.match(error.message, /^Cannot write ".*" at offset 0: EBADF/);
    return true;
  });
});

test('no room is an error of its own class, with what to do', async () => {
  const fd = openSync('/dev/full', 'w');
  try {
    await assert.rejects(streamSink(fd, '/dev/full').write([Buffer.alloc(10)]), (error) => {
      assert.ok(error instanceof LifeboatError);
      assert.equal(error.code, 'NO_SPACE');
      assert.match(error.hint ?? '', /df -h/);
      return true;
    });
  } finally {
    closeSync(fd);
  }
});

test('a pipe has no holes', () => {
  assert.equal(streamSink(1, 'stdout').skip, undefined);
});

test('a reader that has gone is EPIPE, which the command line knows by its code', async (t) => {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, 'w');
  t.after(() => closeSync(writer));
  closeSync(reader);
  await assert.rejects(streamSink(writer, path).write([Buffer.alloc(10)]), (error) => {
    assert.ok(!(error instanceof LifeboatError));
    assert.equal((error as NodeJS.ErrnoException).code, 'EPIPE');
    return true;
  });
});
