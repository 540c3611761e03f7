import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { withoutAutoactivation } from '../../src/device/lvm-text.js';
import { type PvMetadata, withMetadataText } from '../../src/device/pv-metadata.js';

/** The first MiB of a physical volume that Debian 12's LVM made: root, swap, and a thin pool with one volume. */
const recorded = gunzipSync(readFileSync(join(import.meta.dirname, '../../../test/device/fixtures/lvm/pv-header.gz')));
const AREA_AT = 4096;
const POOL = new Set(['data', 'vm-100-disk-0']);

/** The valid text of the first area, and where it is. */
function textOf({ header }: PvMetadata): { text: string; offset: number } {
  const offset = Number(header.readBigUInt64LE(AREA_AT + 40));
  const size = Number(header.readBigUInt64LE(AREA_AT + 48));
  return { text: header.toString('latin1', AREA_AT + offset, AREA_AT + offset + size), offset };
}

test('volumes are marked in a new text behind the old one, and the sequence number moves by one', () => {
  const before = { header: recorded, trailer: undefined };
  const after = withMetadataText(before, (text) => withoutAutoactivation(text, POOL));
  assert.ok(after);
  const [old, edited] = [textOf(before), textOf(after)];
  assert.equal(old.offset, 0xc800);
  assert.equal(edited.offset, 0xc800 + Math.ceil(old.text.length / 512) * 512);
  const wanted = old.text
    .replace('seqno = 19', 'seqno = 20')
    .replace(/^((data|vm-100-disk-0) \{\n.*\n.*\nflags = \[)\]/gm, '$1"NOAUTOACTIVATE"]');
  assert.equal(edited.text, wanted);
  assert.equal((wanted.match(/NOAUTOACTIVATE/g) ?? []).length, 2);
  assert.equal(after.header.length, recorded.length);
  // Both texts apart from the new one and the area's header are as they were.
  assert.deepEqual(after.header.subarray(0, AREA_AT), recorded.subarray(0, AREA_AT));
  assert.deepEqual(
    after.header.subarray(AREA_AT + 512, AREA_AT + edited.offset),
    recorded.subarray(AREA_AT + 512, AREA_AT + edited.offset),
  );
});

test('a second edit reads what the first one wrote', () => {
  const once = withMetadataText({ header: recorded, trailer: undefined }, (text) => withoutAutoactivation(text, POOL));
  assert.ok(once);
  const twice = withMetadataText(once, (text) => withoutAutoactivation(text, POOL));
  assert.ok(twice);
  assert.match(textOf(twice).text, /seqno = 21/);
  assert.equal((textOf(twice).text.match(/NOAUTOACTIVATE/g) ?? []).length, 2);
});

test('texts go round the ring and are read back there', () => {
  let metadata: PvMetadata = { header: recorded, trailer: undefined };
  const offsets: number[] = [];
  for (let i = 0; i < 800; i++) {
    const next = withMetadataText(metadata, (text) => withoutAutoactivation(text, POOL));
    assert.ok(next, `edit ${i}`);
    metadata = next;
    offsets.push(Number(next.header.readBigUInt64LE(AREA_AT + 40)));
  }
  assert.ok(
    offsets.some((offset, i) => offset < (offsets[i - 1] ?? 0)),
    'it never went round',
  );
  assert.ok(offsets.every((offset) => offset >= 512 && offset < 0xff000 && offset % 512 === 0));
});

test('an area at the end of the volume is edited too', () => {
  const header = Buffer.from(recorded);
  const area = Buffer.from(recorded.subarray(AREA_AT));
  const trailer = { offset: 1 << 30, bytes: area };
  // The same area there: its header says where it is, and the label names it.
  area.writeBigUInt64LE(BigInt(trailer.offset), 24);
  area.writeUInt32LE(crcLikeLvm(area.subarray(4, 512)), 0);
  header.writeBigUInt64LE(BigInt(trailer.offset), 512 + 32 + 40 + 48);
  header.writeBigUInt64LE(BigInt(area.length), 512 + 32 + 40 + 56);
  // The list's end, in the place of what a newer LVM adds behind it.
  header.fill(0, 648, 664);
  header.writeUInt32LE(crcLikeLvm(header.subarray(532, 1024)), 528);
  const after = withMetadataText({ header, trailer }, (text) => withoutAutoactivation(text, POOL));
  assert.ok(after?.trailer);
  assert.match(after.trailer.bytes.toString('latin1'), /seqno = 20/);
  assert.match(textOf(after).text, /seqno = 20/);
});

test('whatever is not as LVM writes it is left alone', () => {
  const edit = (text: string) => withoutAutoactivation(text, POOL);
  const flipped = (at: number) => {
    const header = Buffer.from(recorded);
    header[at] = (header[at] ?? 0) ^ 1;
    return header;
  };
  for (const at of [512, 540, 545, AREA_AT, AREA_AT + 5, AREA_AT + 30, AREA_AT + 41, AREA_AT + 0xc800 + 100])
    assert.equal(withMetadataText({ header: flipped(at), trailer: undefined }, edit), undefined, `byte ${at}`);
  assert.equal(withMetadataText({ header: recorded.subarray(0, 8192), trailer: undefined }, edit), undefined);
  assert.equal(withMetadataText({ header: Buffer.alloc(0), trailer: undefined }, edit), undefined);
  assert.equal(
    withMetadataText({ header: recorded, trailer: undefined }, () => undefined),
    undefined,
  );
});

test('a volume that the text does not have is no edit at all', () => {
  const { text } = textOf({ header: recorded, trailer: undefined });
  assert.equal(withoutAutoactivation(text, new Set(['data', 'gone'])), undefined);
  assert.equal(withoutAutoactivation('', new Set(['data'])), undefined);
});

test('flags that a volume has stay', () => {
  const text = 'pve {\nseqno = 7\nlogical_volumes {\ndata {\nflags = ["ACTIVATION_SKIP"]\nseqno = 1\n}\n}\n}\n';
  assert.equal(
    withoutAutoactivation(text, new Set(['data'])),
    'pve {\nseqno = 8\nlogical_volumes {\ndata {\nflags = ["ACTIVATION_SKIP", "NOAUTOACTIVATE"]\nseqno = 1\n}\n}\n}\n',
  );
});

/** As lib/misc/crc.c has it, bit by bit. */
function crcLikeLvm(bytes: Buffer): number {
  let crc = 0xf597a6cf;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return crc >>> 0;
}
