import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { listFatDirectory } from '../../src/device/fat-files.js';

const MIB = 1024 * 1024;
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const programs = await Promise.all(
  ['mkfs.vfat --help', 'mcopy -V'].map((line) => execa('sh', ['-c', line], { reject: false, env: ENV })),
);
const skip = programs.some(({ failed }) => failed) ? 'dosfstools or mtools are not installed' : false;

for (const [bits, sizeBytes] of [
  [16, 32 * MIB],
  [32, 64 * MIB],
] as const) {
  test(`the directories of a FAT${bits} are listed, with long names`, { skip }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'lifeboat-fat-'));
    const path = join(directory, 'esp.img');
    const fd = openSync(path, 'w+');
    t.after(() => {
      closeSync(fd);
      rmSync(directory, { recursive: true });
    });
    ftruncateSync(fd, sizeBytes);
    await execa('mkfs.vfat', ['-F', String(bits), path], { env: ENV });
    await execa('mmd', ['-i', path, '::/EFI', '::/EFI/BOOT', '::/EFI/systemd'], { env: ENV });
    const put = (...names: string[]) =>
      execa(
        'sh',
        ['-c', 'image=$1; shift; for name; do echo x | mcopy -i "$image" - "::$name"; done', 'sh', path, ...names],
        {
          env: ENV,
        },
      );
    await put('/EFI/BOOT/BOOTX64.EFI', '/EFI/systemd/systemd-bootx64.efi');
    // More than one cluster, so that the chain is followed; of clusters that do not follow one another.
    await put(...Array.from({ length: 60 }, (_, i) => `/EFI/BOOT/a rather long name ${i}.efi`));
    const read = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length);
      assert.equal(readSync(fd, bytes, 0, length, offset), length);
      return Promise.resolve(bytes);
    };
    assert.deepEqual(await listFatDirectory(read, []), [{ name: 'EFI', isDirectory: true }]);
    const boot = await listFatDirectory(read, ['efi', 'boot']);
    assert.equal(boot?.length, 61);
    assert.deepEqual(boot?.[0], { name: 'BOOTX64.EFI', isDirectory: false });
    assert.equal(boot?.at(-1)?.name, 'a rather long name 59.efi');
    const systemd = await listFatDirectory(read, ['EFI', 'systemd']);
    assert.deepEqual(systemd, [{ name: 'systemd-bootx64.efi', isDirectory: false }]);
    assert.equal(await listFatDirectory(read, ['EFI', 'debian']), undefined);
  });
}

test('what is no FAT has no directories', async () => {
  for (const byte of [0, 0x55, 0xff]) {
    const read = (_offset: number, length: number) => Promise.resolve(Buffer.alloc(length, byte));
    assert.equal(await listFatDirectory(read, ['EFI']), undefined);
  }
});
