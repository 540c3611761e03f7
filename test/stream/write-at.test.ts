import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import { readSome } from '../../src/stream/read-at.js';
import { writeAll } from '../../src/stream/write-at.js';
import { patterned, scratch, settled } from './machine.js';

/** Both ends of a pipe, non-blocking, as a terminal or another program may have left it. */
async function nonBlockingPipe(t: TestContext): Promise<{ reader: number; writer: number }> {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  t.after(() => {
    closeSync(reader);
    closeSync(writer);
  });
  return { reader, writer };
}

async function drainPipe(reader: number, bytes: number): Promise<Buffer> {
  const all = Buffer.alloc(bytes);
  for (let done = 0; done < bytes; ) {
    try {
      // Odd sizes, so that the writer finds odd room.
      done += await readSome(reader, all.subarray(done), Math.min(10_007, bytes - done), null);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  return all;
}

test('a pipe that is full is tried again until it has taken all', async (t) => {
  const { reader, writer } = await nonBlockingPipe(t);
  const contents = patterned(1024 * 1024);
  const [, got] = await Promise.all([writeAll(writer, [contents], null), drainPipe(reader, contents.length)]);
  assert.ok(got.equals(contents));
});

test('buffers of which a pipe takes a part come out whole and in order', async (t) => {
  const { reader, writer } = await nonBlockingPipe(t);
  const contents = patterned(700_001);
  const cuts = [0, 1, 2, 65_537, 65_538, 200_000, 200_000, 399_999, 700_001];
  const buffers = cuts.slice(1).map((end, i) => contents.subarray(cuts[i], end));
  const [, got] = await Promise.all([writeAll(writer, buffers, null), drainPipe(reader, contents.length)]);
  assert.ok(got.equals(contents));
});

test('a blocking pipe takes more than it holds', async (t) => {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  const reader = spawn('sha256sum', [path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const fd = openSync(path, 'w');
  const contents = patterned(3_000_001);
  await writeAll(fd, [contents.subarray(0, 1_000_000), contents.subarray(1_000_000)], null);
  closeSync(fd);
  const { createHash } = await import('node:crypto');
  let out = '';
  for await (const piece of reader.stdout) out += String(piece);
  assert.equal(out.slice(0, 64), createHash('sha256').update(contents).digest('hex'));
});

test('a reader that has gone is EPIPE', async (t) => {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, 'w');
  t.after(() => closeSync(writer));
  closeSync(reader);
  await assert.rejects(writeAll(writer, [Buffer.alloc(10)], null), { code: 'EPIPE' });
});

test('buffers are written one behind another at an offset, whatever their sizes', async (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, Buffer.alloc(100, 0xee));
  const fd = openSync(path, 'r+');
  t.after(() => closeSync(fd));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 40 }),
      fc.nat({ max: 1000 }),
      async (pieces, offset) => {
        const buffers = pieces.map((piece) => Buffer.from(piece));
        const whole = Buffer.concat(buffers);
        await writeAll(fd, buffers, offset);
        assert.ok(
          readFileSync(path)
            .subarray(offset, offset + whole.length)
            .equals(whole),
        );
      },
    ),
    { numRuns: 40 },
  );
});

test('nothing to write is no write at all', async () => {
  await writeAll(-1, [], 0);
  await writeAll(-1, [Buffer.alloc(0), Buffer.alloc(0)], null);
});

test('a full file system is ENOSPC, not a short file', async () => {
  const fd = openSync('/dev/full', 'w');
  try {
    await assert.rejects(writeAll(fd, [Buffer.alloc(10)], null), { code: 'ENOSPC' });
    await assert.rejects(writeAll(fd, [Buffer.alloc(10), Buffer.alloc(10)], null), { code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
});

test('a pipe that nobody reads keeps nothing else from going on', async (t) => {
  const { reader, writer } = await nonBlockingPipe(t);
  const stuck = writeAll(writer, [Buffer.alloc(200_000)], null);
  assert.equal((await settled(stuck, 50)).state, 'pending');
  await Promise.all([stuck, drainPipe(reader, 200_000)]);
});
