import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import { type FilesystemFacts, probeFilesystem } from '../../src/device/filesystem.js';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-filesystem-'));
after(() => rmSync(directory, { recursive: true }));

const MIB = 1024 ** 2;
const UUID = '12345678-9abc-def0-1234-56789abcdef0';

function probed(bytes: Buffer): Promise<FilesystemFacts> {
  return probeFilesystem(async (offset, length) => {
    assert.ok(length >= 0 && offset >= 0 && offset + length <= bytes.length, `${offset}+${length}`);
    return bytes.subarray(offset, offset + length);
  }, bytes.length);
}

function lacking(program: string): string | false {
  return !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((at) => existsSync(`${at}/${program}`)) && `needs ${program}`;
}

/** What a program makes of an empty image; its path comes last. */
async function made(sizeBytes: number, program: string, args: string[]): Promise<Buffer> {
  const image = join(directory, 'image');
  rmSync(image, { force: true });
  writeFileSync(image, '', { mode: 0o600 });
  truncateSync(image, sizeBytes);
  await execa(program, [...args, image]);
  return readFileSync(image);
}

test('ext4, its numbers of 64 bits, and why its bitmaps may be wrong', { skip: lacking('mke2fs') }, async () => {
  const image = await made(64 * MIB, 'mke2fs', [
    '-q',
    '-t',
    'ext4',
    '-O',
    '64bit',
    '-b',
    '4096',
    '-U',
    UUID,
    '-L',
    'root',
  ]);
  const facts = await probed(image);
  const { usedBytes, ...others } = facts;
  assert.deepEqual(others, { type: 'ext4', uuid: UUID, label: 'root', sizeBytes: 64 * MIB, blockBytes: 4096 });
  const { stdout } = await execa('dumpe2fs', ['-h', join(directory, 'image')]);
  const free = Number(/^Free blocks:\s+(\d+)$/m.exec(stdout)?.[1]);
  assert.equal(usedBytes, 64 * MIB - free * 4096);

  const changed = (change: (image: Buffer) => void) => {
    const copy = Buffer.from(image);
    change(copy);
    return probed(copy);
  };
  assert.match((await changed((copy) => copy.writeUInt32LE(copy.readUInt32LE(1120) | 4, 1120))).doubt ?? '', /journal/);
  assert.match((await changed((copy) => copy.writeUInt16LE(3, 1024 + 0x3a))).doubt ?? '', /errors/);
  assert.match((await changed((copy) => copy.writeUInt16LE(0, 1024 + 0x3a))).doubt ?? '', /not unmounted/);
  assert.equal(
    (await changed((copy) => copy.writeUInt32LE(1, 1024 + 0x150))).type,
    'unknown',
    'larger than its device',
  );
  assert.equal(
    (await changed((copy) => copy.writeUInt32LE(99999, 1024 + 0xc))).type,
    'unknown',
    'more free than there is',
  );
  assert.equal((await changed((copy) => copy.writeUInt32LE(40, 1024 + 0x18))).type, 'unknown', 'blocks of 2^50 bytes');
  assert.equal((await probed(image.subarray(0, 63 * MIB))).type, 'unknown', 'cut off');
});

test('swap: its UUID, label and size; a hibernated one is none', { skip: lacking('mkswap') }, async () => {
  const image = await made(8 * MIB, 'mkswap', ['-U', UUID, '-L', 'swap']);
  assert.deepEqual(await probed(image), {
    type: 'swap',
    uuid: UUID,
    label: 'swap',
    sizeBytes: 8 * MIB,
    usedBytes: undefined,
    blockBytes: 4096,
  });
  assert.equal((await probed(image.subarray(0, 4 * MIB))).type, 'unknown');
  image.write('S1SUSPEND\0', 4086, 'latin1');
  assert.equal((await probed(image)).type, 'unknown');
});

test('the marks of two kinds at once are unknown: never a swap to leave out', { skip: lacking('mkswap') }, async () => {
  const image = await made(8 * MIB, 'mkswap', []);
  const ext = await made(8 * MIB, 'mke2fs', ['-q', '-t', 'ext2', '-b', '4096']);
  image.copy(ext, 4086, 4086, 4096);
  ext.writeUInt32LE(1, 1024);
  ext.writeUInt32LE(2047, 1028);
  assert.equal((await probed(ext)).type, 'unknown');
});

test('FAT16 does not tell what is free, FAT32 does', { skip: lacking('mkfs.vfat') }, async () => {
  const small = await probed(await made(16 * MIB, 'mkfs.vfat', ['-F16', '-i', 'ABCD1234', '-n', 'EFI']));
  assert.deepEqual(small, {
    type: 'vfat',
    uuid: 'ABCD-1234',
    label: 'EFI',
    sizeBytes: 16 * MIB,
    usedBytes: undefined,
    blockBytes: 512,
  });
  const image = await made(64 * MIB, 'mkfs.vfat', ['-F32', '-s1']);
  const large = await probed(image);
  assert.ok(large.usedBytes !== undefined && large.usedBytes > 0.5 * MIB && large.usedBytes < 3 * MIB);
  assert.equal(large.label, undefined);
  image.writeUInt32LE(0xffffffff, 512 + 488);
  assert.equal((await probed(image)).usedBytes, undefined);
  image[13] = 3;
  assert.equal((await probed(image)).type, 'unknown');
});

test('XFS that mkfs did not finish, btrfs of several devices or with a log, are in doubt', async (t) => {
  await t.test('xfs', { skip: lacking('mkfs.xfs') }, async () => {
    const image = await made(320 * MIB, 'mkfs.xfs', ['-q', '-L', 'data', '-m', `uuid=${UUID}`]);
    const facts = await probed(image);
    assert.deepEqual([facts.type, facts.uuid, facts.label, facts.doubt], ['xfs', UUID, 'data', undefined]);
    image[126] = 1;
    assert.match((await probed(image)).doubt ?? '', /not finished/);
    image.writeBigUInt64BE(2n ** 60n, 8);
    assert.equal((await probed(image)).type, 'unknown');
  });
  await t.test('btrfs', { skip: lacking('mkfs.btrfs') }, async () => {
    const image = await made(128 * MIB, 'mkfs.btrfs', ['-q', '-U', UUID]);
    const facts = await probed(image);
    assert.deepEqual([facts.type, facts.uuid, facts.label, facts.doubt], ['btrfs', UUID, undefined, undefined]);
    image.writeBigUInt64LE(4096n, 65536 + 0x60);
    assert.match((await probed(image)).doubt ?? '', /log was not replayed/);
    image.writeBigUInt64LE(2n, 65536 + 0x88);
    assert.match((await probed(image)).doubt ?? '', /spans 2 devices/);
  });
});

test('LVM, LUKS, ZFS and RAID members', async () => {
  const disk = () => Buffer.alloc(4 * MIB + 5 * 512);
  const lvm = disk();
  lvm.write('LABELONE', 512, 'latin1');
  lvm.writeBigUInt64LE(1n, 512 + 8);
  lvm.write('LVM2 0017YnltwAuUacENkjAOtOYs1uY8WKOhQfF', 512 + 24, 'latin1');
  lvm.writeBigUInt64LE(BigInt(lvm.length), 512 + 64);
  const facts = await probed(lvm);
  assert.deepEqual([facts.type, facts.uuid], ['lvm-pv', '7Ynltw-AuUa-cENk-jAOt-OYs1-uY8W-KOhQfF']);
  lvm.writeBigUInt64LE(2n, 512 + 8);
  assert.equal((await probed(lvm)).type, 'unknown', 'a label that was copied from another sector');

  const luks = disk();
  luks.write('LUKS\xba\xbe', 0, 'latin1');
  luks.writeUInt16BE(2, 6);
  luks.write('crypt', 24);
  luks.write(UUID, 168);
  assert.deepEqual([(await probed(luks)).type, (await probed(luks)).uuid], ['luks', UUID]);

  const zfs = disk();
  zfs.writeBigUInt64LE(0xbab10cn, 128 * 1024 + 5 * 1024);
  assert.equal((await probed(zfs)).type, 'zfs');

  const sectors = Math.floor(disk().length / 512);
  for (const at of [0, 4096, 4 * MIB - 65536, Math.floor((sectors - 16) / 8) * 4096]) {
    const md = disk();
    luks.copy(md, 0, 0, 4096);
    md.writeUInt32LE(0xa92b4efc, at);
    assert.equal((await probed(md)).type, 'md', `at ${at}`);
  }
});

test('nothing, noise and tiny partitions are unknown, and never an exception', async () => {
  assert.equal((await probed(Buffer.alloc(0))).type, 'unknown');
  for (const sizeBytes of [1, 511, 512, 1080, 4095, 4096, 65535, 65700, 131072])
    assert.equal((await probed(Buffer.alloc(sizeBytes))).type, 'unknown');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(0, 1024, 4000, 65536), async (bytes, at) => {
      const disk = Buffer.alloc(MIB);
      disk.set(bytes, at);
      await probed(disk);
      disk.writeUInt16LE(0xef53, 1080);
      disk.writeUInt16LE(0xaa55, 510);
      disk.write('_BHRfS_M', 65536 + 0x40);
      disk.write('XFSB');
      await probed(disk);
    }),
    { numRuns: 50 },
  );
});
