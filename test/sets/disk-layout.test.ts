import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { readDiskLayout } from '../../src/sets/disk-layout.js';
import { directory, MIB } from '../cli/program.js';

const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const programs = await Promise.all(
  ['sfdisk --version', 'mkfs.vfat --help', 'mcopy -V'].map((line) =>
    execa('sh', ['-c', line], { reject: false, env: ENV }),
  ),
);
const skip = programs.some(({ failed }) => failed) ? 'fdisk, dosfstools or mtools are not installed' : false;
const SIZE = 128 * MIB;

test('the loaders of an EFI system partition are found, shim before GRUB, and the removable one', {
  skip,
}, async (t) => {
  const path = join(directory(t), 'disk.img');
  const fd = openSync(path, 'w+');
  t.after(() => closeSync(fd));
  ftruncateSync(fd, SIZE);
  const layout = 'label: gpt\nstart=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\nsize=64MiB, type=U\n';
  await execa('sfdisk', ['--quiet', path], { input: layout, env: ENV });
  const offset = 2 * MIB;
  await execa('mkfs.vfat', ['-F', '32', '--offset', String(offset / 512), path, String(64 * 1024)], { env: ENV });
  const esp = `${path}@@${offset}`;
  await execa('mmd', ['-i', esp, '::/EFI', '::/EFI/BOOT', '::/EFI/proxmox', '::/EFI/Dell'], { env: ENV });
  for (const name of ['BOOT/BOOTX64.EFI', 'proxmox/grubx64.efi', 'proxmox/shimx64.efi', 'Dell/logs.txt'])
    await execa('mcopy', ['-i', esp, '-', `::/EFI/${name}`], { input: 'x', env: ENV });
  const read = (at: number, length: number) => {
    const bytes = Buffer.alloc(length);
    assert.equal(readSync(fd, bytes, 0, length, at), length);
    return Promise.resolve(bytes);
  };
  const { loaders, gpt, table, contents } = await readDiskLayout(read, SIZE, 512);
  assert.deepEqual(loaders, [
    { partition: 2, path: ['EFI', 'BOOT', 'BOOTX64.EFI'], isRemovable: true },
    { partition: 2, path: ['EFI', 'proxmox', 'shimx64.efi'], isRemovable: false },
  ]);
  assert.equal(gpt?.entries.length, 2);
  assert.deepEqual(
    table.partitions.map(({ number }) => number),
    [1, 2],
  );
  assert.equal(contents.get(2)?.type, 'vfat');
  // A table that is damaged is nothing to guess at.
  writeSync(fd, Buffer.from([0xff]), 0, 1, 512 + 40);
  await assert.rejects(readDiskLayout(read, SIZE, 512), { code: 'DAMAGE' });
});
