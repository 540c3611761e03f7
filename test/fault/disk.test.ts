import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { execa } from 'execa';
import { LifeboatError } from '../../src/error.js';
import { extentSource } from '../../src/stream/chunk-source.js';
import { compareSink } from '../../src/stream/compare-sink.js';
import { createRescuer } from '../../src/stream/rescue.js';
import { attachLoop, noLoops } from '../device/loop.js';
import { imageFile, KIB, loadFile, memorySink, openReadable, patterned, save } from '../stream/machine.js';

/** A disk that really answers EIO: a loop device whose file became shorter behind its back. */

const SIZE = 2 * 1024 * KIB;
const GOOD = 1024 * KIB + 5 * 4096;

test('a disk that answers EIO ends the run, and says at which offset', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(SIZE);
  t.after(() => loop.detach());
  writeFileSync(loop.file, patterned(SIZE));
  truncateSync(loop.file, GOOD);
  const extents = [{ kind: 'data' as const, offset: 0, length: SIZE }];
  for (const threads of [1, 2]) {
    const file = openReadable(t, loop.device);
    const source = extentSource({ file, path: loop.device, sizeBytes: SIZE, extents, rescuer: undefined });
    await assert.rejects(save({ source, sink: memorySink(), chunkBytes: 256 * KIB, threads }), (error) => {
      assert.ok(error instanceof LifeboatError);
      assert.equal(error.code, 'FAILED');
      // Four reads are under way: any of them may be the first to fail.
      assert.ok((error.offset ?? 0) >= 1024 * KIB && (error.offset ?? 0) < SIZE, `offset ${error.offset}`);
      assert.match(error.message, /Cannot read "\/dev\/loop\d+" at offset \d+: EIO/);
      assert.match(error.hint ?? '', /dmesg/);
      return true;
    });
  }
});

test('with a rescuer all that can be read is saved, and the rest is listed and zeros', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(SIZE);
  t.after(() => loop.detach());
  const contents = patterned(SIZE);
  writeFileSync(loop.file, contents);
  truncateSync(loop.file, GOOD);
  const file = openReadable(t, loop.device);
  const rescuer = createRescuer(512);
  const extents = [{ kind: 'data' as const, offset: 0, length: SIZE }];
  const source = extentSource({ file, path: loop.device, sizeBytes: SIZE, extents, rescuer });
  const sink = memorySink();
  await save({ source, sink, codec: 'none', chunkBytes: 256 * KIB, threads: 2 });
  const image = sink.bytes();
  assert.equal(image.length, SIZE);
  const [bad, ...others] = rescuer.badRanges();
  assert.ok(bad !== undefined && others.length === 0);
  assert.equal(bad.offset + bad.length, SIZE);
  assert.ok(image.subarray(0, bad.offset).equals(contents.subarray(0, bad.offset)));
  assert.ok(image.subarray(bad.offset).every((byte) => byte === 0));
  // The last chunks may fail before the one with the border does.
  assert.ok(bad.offset <= GOOD);
  t.diagnostic(`${GOOD - bad.offset} readable bytes were given up`);
});

test('comparing with a disk that answers EIO is an error, not a difference', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(SIZE);
  t.after(() => loop.detach());
  writeFileSync(loop.file, patterned(SIZE));
  truncateSync(loop.file, GOOD);
  const image = await imageFile(t, patterned(SIZE), 'lz4', 256 * KIB);
  const sink = compareSink(openReadable(t, loop.device), loop.device);
  await assert.rejects(loadFile(t, image, { sink, threads: 2 }), /Cannot read "\/dev\/loop\d+" at offset \d+: EIO/);
});

test('no loop device is left behind', { skip: noLoops }, async () => {
  const { stdout } = await execa('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
  assert.doesNotMatch(stdout, /lifeboat-loop-.*deleted/);
});
