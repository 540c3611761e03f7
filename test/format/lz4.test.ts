import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lz4Container } from '../../src/format/lz4.js';
import { skippableFrame } from '../../src/format/skippable.js';
import { memoryFile, syntheticFile } from './assemble.js';
import { cursorsOver, testContainer } from './container-rules.js';

testContainer('lz4');

/** What `lz4 < /dev/null` writes. */
const STOCK_EMPTY = Buffer.from('04224d186440a700000000055dcc02', 'hex');
const OUR_FIRST_FRAME_BYTES = 23;

test('lz4: a file cut behind its empty first frame is not an empty file of another tool', () => {
  const prologue = lz4Container.prologue(65_536);
  for (let length = OUR_FIRST_FRAME_BYTES; length < prologue.length; length++) {
    assert.throws(() => lz4Container.parsePrologue(prologue.subarray(0, length)), { code: 'DAMAGE' }, `${length}`);
  }
  for (let length = 0; length < OUR_FIRST_FRAME_BYTES; length++) {
    assert.equal(lz4Container.parsePrologue(prologue.subarray(0, length)), undefined);
  }
  assert.equal(lz4Container.parsePrologue(STOCK_EMPTY), undefined);
});

test('lz4: skippable frames of other tools are walked over, ours are where the frames end', async () => {
  const other = skippableFrame(0x184d2a50, Buffer.from('whatever'));
  for (const [title, cursor] of cursorsOver(Buffer.concat([other, STOCK_EMPTY, lz4Container.prologue(1)]))) {
    assert.deepEqual(await lz4Container.walkFrame(cursor), { length: 16, plainLength: 0, checked: true }, title);
    assert.deepEqual(
      await lz4Container.walkFrame(cursor),
      { length: 15, plainLength: undefined, checked: true },
      title,
    );
    assert.deepEqual(await lz4Container.walkFrame(cursor), { length: 23, plainLength: 0, checked: true }, title);
    assert.equal(await lz4Container.walkFrame(cursor), undefined, title);
  }
});

test('lz4: a frame with blocks that says it holds nothing does not tell its size', async () => {
  const frame = Buffer.from('04224d186c400000000000000000090200008061620000000000000000', 'hex');
  for (const [title, cursor] of cursorsOver(frame)) {
    const walked = await lz4Container.walkFrame(cursor);
    assert.deepEqual(walked, { length: frame.length, plainLength: undefined, checked: true }, title);
  }
});

test('lz4: frames with block checksums and without a content checksum are walked over', async () => {
  const frame = Buffer.from('04224d1870400002000080616200000000', 'hex').subarray(0, 7);
  const block = Buffer.from('02000080616211223344', 'hex');
  const whole = Buffer.concat([frame, block, block, Buffer.alloc(4)]);
  for (const [title, cursor] of cursorsOver(whole)) {
    const walked = await lz4Container.walkFrame(cursor);
    assert.deepEqual(walked, { length: whole.length, plainLength: undefined, checked: false }, title);
  }
});

test('lz4: an index with a wrong length is damage before memory is taken for it', async () => {
  const { file } = syntheticFile(lz4Container, 65_536, 30_000);
  file.writeBigUInt64LE(BigInt(64 + 12 * 40_000), file.length - 24);
  const reader = memoryFile(file);
  await assert.rejects(() => lz4Container.readIndex(reader), { code: 'DAMAGE' });
  assert.ok(reader.readBytes < 200, `${reader.readBytes} bytes`);
});
