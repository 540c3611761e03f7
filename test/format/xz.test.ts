import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { execa } from 'execa';
import { readXzIndex, xzContainer } from '../../src/format/xz.js';
import { assembleImage, CHUNK_BYTES, memoryFile, syntheticFile, syntheticTable, THREE_CHUNKS } from './assemble.js';
import { cursorsOver, entries, testContainer } from './container-rules.js';

testContainer('xz');

async function stockXz(plain: Buffer, ...flags: string[]): Promise<Buffer> {
  const { stdout } = await execa('xz', ['-c', ...flags], {
    input: plain,
    encoding: 'buffer',
    stripFinalNewline: false,
  });
  return Buffer.from(stdout);
}

test('xz: the blocks of any single stream are found, whatever its check', async () => {
  for (const [check, id] of [
    ['none', 0],
    ['crc32', 1],
    ['crc64', 4],
    ['sha256', 10],
  ] as const) {
    const file = await stockXz(THREE_CHUNKS, `--check=${check}`, '--block-size=4096', '-T2');
    const found = await readXzIndex(memoryFile(file));
    assert.equal(found?.check, id);
    assert.deepEqual(
      found && entries(found.table).map(([, , plainOffset, plainLength]) => [plainOffset, plainLength]),
      [
        [0, 4096],
        [4096, 4096],
        [8192, 1000],
      ],
    );
    assert.equal((await xzContainer.readIndex(memoryFile(file))) !== undefined, id === 4);
  }
});

test('xz: several streams and stream padding are left to a decoder', async () => {
  const stream = await stockXz(Buffer.from('some text'));
  for (const file of [Buffer.concat([stream, stream]), Buffer.concat([stream, Buffer.alloc(4)])]) {
    assert.equal(await readXzIndex(memoryFile(file)), undefined);
  }
});

test('xz: a stream with a block of 4 GiB, as xz makes of a large disk, is left to a decoder', async () => {
  const records = Buffer.from('0001', 'hex');
  const unpadded = Buffer.from([0x58]);
  const plain = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x10]);
  const index = Buffer.concat([records, unpadded, plain]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(index));
  const footer = Buffer.alloc(12);
  footer.writeUInt32LE((index.length + 4) / 4 - 1, 4);
  footer.writeUInt8(4, 9);
  footer.writeUInt32LE(crc32(footer.subarray(4, 10)), 0);
  footer.write('YZ', 10, 'latin1');
  const file = Buffer.concat([xzContainer.prologue(0), Buffer.alloc(0x58), index, crc, footer]);
  assert.equal(index.length % 4, 0);
  assert.equal(await readXzIndex(memoryFile(file)), undefined);
});

test('xz: a broken index of a whole stream is damage', async () => {
  const { file, table } = syntheticFile(xzContainer, 0, 3);
  const indexAt = 12 + table.storedBytes;
  for (let bit = indexAt * 8; bit < (file.length - 12) * 8; bit++) {
    const flipped = Buffer.from(file);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const found = await readXzIndex(memoryFile(flipped)).catch((error: { code: string }) => error.code);
    // Where the lengths do not add up it might be the last of several streams: the decoder tells.
    assert.ok(found === undefined || found === 'DAMAGE', `bit ${bit}`);
  }
});

test('xz: lengths of any size make an index that is read back', async () => {
  const table = syntheticTable(12, 0, 4);
  for (const length of [1, 127, 128, 16_383, 16_384, 2 ** 21]) table.add(length, 2 * length, 0);
  const file = Buffer.concat([
    xzContainer.prologue(0),
    Buffer.alloc(table.storedBytes),
    xzContainer.epilogue(0, table),
  ]);
  const found = await readXzIndex(memoryFile(file));
  assert.deepEqual(found && entries(found.table), entries(table));
});

test('xz: a block that does not tell its sizes cannot be walked over', async () => {
  const file = await stockXz(THREE_CHUNKS, '-T1');
  for (const [title, cursor] of cursorsOver(file)) {
    await cursor.advance(12);
    await assert.rejects(() => xzContainer.walkFrame(cursor), { code: 'DAMAGE' }, title);
  }
});

test('xz: a block header with any one bit flipped is damage', async () => {
  const { frames } = await assembleImage('xz', THREE_CHUNKS, CHUNK_BYTES);
  const [frame] = frames as [Buffer];
  const headerBytes = (frame.readUInt8(0) + 1) * 4;
  for (let bit = 0; bit < headerBytes * 8; bit++) {
    const flipped = Buffer.from(frame);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    for (const [title, cursor] of cursorsOver(flipped)) {
      const outcome = await xzContainer.walkFrame(cursor).catch((error: { code: string }) => error.code);
      // A first byte of 0 is where the index begins.
      assert.equal(outcome, flipped[0] === 0 ? undefined : 'DAMAGE', `bit ${bit}, ${title}`);
    }
  }
});
