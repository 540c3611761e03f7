import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { gzipContainer } from '../../src/format/gzip.js';
import { memoryFile, syntheticFile } from './assemble.js';
import { cursorsOver, testContainer } from './container-rules.js';

testContainer('gzip');

/** A member as bgzip writes it. */
function bgzfMember(plain: Buffer, statedBytes = plain.length): Buffer {
  const body = deflateRawSync(plain);
  const header = Buffer.from('1f8b08040000000000ff0600424302000000', 'hex');
  header.writeUInt16LE(header.length + body.length + 8 - 1, 16);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(plain), 0);
  trailer.writeUInt32LE(statedBytes, 4);
  return Buffer.concat([header, body, trailer]);
}

test('gzip: no extra field is longer than 16,000 bytes, which busybox gunzip takes', () => {
  const { table } = syntheticFile(gzipContainer, 65_536, 5000);
  const epilogue = gzipContainer.epilogue(65_536, table);
  const lengths: number[] = [];
  for (let at = 0; at < epilogue.length; ) {
    const extraBytes = epilogue.readUInt16LE(at + 10);
    lengths.push(extraBytes);
    assert.equal(epilogue.readUInt16LE(at + 14), extraBytes - 4);
    at += 12 + extraBytes + 10;
  }
  assert.deepEqual(lengths, [16_000, 16_000, 16_000, 60_040 - 3 * 15_996 + 4, 28]);
});

test('gzip: prologue and epilogue decode to nothing', () => {
  const { table } = syntheticFile(gzipContainer, 65_536, 3000);
  const around = Buffer.concat([gzipContainer.prologue(65_536), gzipContainer.epilogue(65_536, table)]);
  assert.equal(gunzipSync(around).length, 0);
});

test('gzip: BGZF blocks are walked over by their own lengths', async () => {
  const members = [bgzfMember(Buffer.from('some text')), bgzfMember(Buffer.alloc(0))];
  assert.equal((members[1] as Buffer).length, 28);
  for (const [title, cursor] of cursorsOver(Buffer.concat(members))) {
    const walked = [await gzipContainer.walkFrame(cursor), await gzipContainer.walkFrame(cursor)];
    assert.deepEqual(
      walked.map((frame) => [frame?.length, frame?.plainLength]),
      [
        [members[0]?.length, 9],
        [28, 0],
      ],
      title,
    );
    assert.equal(await gzipContainer.walkFrame(cursor), undefined, title);
  }
});

test('gzip: a member with data that says it holds nothing does not tell its size', async () => {
  for (const [title, cursor] of cursorsOver(bgzfMember(Buffer.from('some text'), 0))) {
    assert.equal((await gzipContainer.walkFrame(cursor))?.plainLength, undefined, title);
  }
});

test('gzip: a member that does not tell its length cannot be walked over', async () => {
  for (const [title, cursor] of cursorsOver(gzipSync('some text'))) {
    await assert.rejects(() => gzipContainer.walkFrame(cursor), { code: 'DAMAGE' }, title);
  }
});

test("gzip: another tool's file has no prologue and no index", async () => {
  const foreign = gzipSync('some text');
  assert.equal(gzipContainer.parsePrologue(foreign), undefined);
  assert.equal(await gzipContainer.readIndex(memoryFile(foreign)), undefined);
});

test('gzip: an index with a wrong length is damage before memory is taken for it', async () => {
  const { file } = syntheticFile(gzipContainer, 65_536, 30_000);
  const lengthAt = file.length - 34;
  const frames = 40_000;
  file.writeBigUInt64LE(BigInt(64 + 12 * frames), lengthAt);
  const reader = memoryFile(file);
  await assert.rejects(() => gzipContainer.readIndex(reader), { code: 'DAMAGE' });
  assert.ok(reader.readBytes < 200, `${reader.readBytes} bytes`);
});
