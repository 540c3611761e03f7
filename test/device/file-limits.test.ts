import assert from 'node:assert/strict';
import { mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { checkFileFits, refuseTooLarge } from '../../src/device/file-limits.js';
import { fromSystem } from '../../src/error.js';

const FAT = { type: 0x4d44, blockBytes: 32768, availableBlocks: 1e6 };

test('FAT takes a file of 4 GiB less one byte and no more', () => {
  refuseTooLarge('/mnt/usb', 2 ** 32 - 1, FAT);
  assert.throws(() => refuseTooLarge('/mnt/usb', 2 ** 32, FAT), {
    code: 'NO_SPACE',
    message: /FAT holds files below 4 GiB/,
  });
});

test('exFAT takes it', () => {
  refuseTooLarge('/mnt/usb', 2 ** 32, { ...FAT, type: 0x2011bab0 });
});

test('a file larger than the free space is refused with both figures', () => {
  const facts = { type: 0xef53, blockBytes: 4096, availableBlocks: 1024 };
  refuseTooLarge('/x', 4194304, facts);
  assert.throws(() => refuseTooLarge('/x', 4194305, facts), {
    code: 'NO_SPACE',
    message: 'Cannot put a file of 4.0 MiB (4194305 bytes) in "/x": 4.0 MiB (4194304 bytes) are free',
  });
});

test('a missing directory is named', async () => {
  await assert.rejects(checkFileFits('/no/such/directory', 1), { code: 'FAILED', message: /\/no\/such\/directory/ });
});

test('a full file system is foreseen, and is NO_SPACE when met', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-small-'));
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat-test', directory]);
  t.after(async () => {
    await execa('umount', [directory]);
    rmdirSync(directory);
  });
  await checkFileFits(directory, 1 << 20);
  await assert.rejects(checkFileFits(directory, 2 << 20), { code: 'NO_SPACE' });
  const path = join(directory, 'large');
  assert.throws(
    () => {
      try {
        writeFileSync(path, Buffer.alloc(2 << 20));
      } catch (error) {
        throw fromSystem(error, 'write', path);
      }
    },
    { code: 'NO_SPACE' },
  );
});
