import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumeGroupName } from '../../src/device/volume-group-name.js';

/** A metadata area as `pvcreate` and `vgcreate` of LVM 2.03 write it: the text is the second version, behind the first. */
function physicalVolume(text: string, offset = 1536): Buffer {
  const bytes = Buffer.alloc(1024 * 1024);
  bytes.write('LABELONE', 512, 'latin1');
  const area = bytes.subarray(4096);
  area.write(' LVM2 x[5A%r0N*>', 4, 'latin1');
  area.writeUInt32LE(1, 20);
  area.writeBigUInt64LE(4096n, 24);
  area.writeBigUInt64LE(1_044_480n, 32);
  area.writeBigUInt64LE(BigInt(offset), 40);
  area.writeBigUInt64LE(BigInt(text.length), 48);
  area.write(text, offset, 'latin1');
  return bytes;
}

const readerOf = (bytes: Buffer) => (offset: number, length: number) =>
  Promise.resolve(bytes.subarray(offset, offset + length));

test('the name of the volume group is read from the metadata that counts', async () => {
  for (const name of ['pve', 'pve-OLD-1A2B3C4D', 'a'.repeat(127)])
    assert.equal(await volumeGroupName(readerOf(physicalVolume(`${name} {\nid = "abc"\nseqno = 5\n`))), name);
});

test('what is no metadata, or has a name that LVM does not allow, gives none', async () => {
  assert.equal(await volumeGroupName(readerOf(Buffer.alloc(8192))), undefined);
  // Of no group yet: pvcreate leaves the place of the text at 0.
  assert.equal(await volumeGroupName(readerOf(physicalVolume('pve {\n', 0))), undefined);
  for (const text of ['$(reboot) {\n', '-rf {\n', "a'b {\n", 'pve', '', '{\n'])
    assert.equal(await volumeGroupName(readerOf(physicalVolume(text))), undefined);
});
