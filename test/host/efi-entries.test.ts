import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEfiEntries } from '../../src/host/efi-entries.js';

const PART = '4912964d-2e2d-41fc-8fbc-0cce292dc5dd';

test('entries of efibootmgr 17 are read, with the loader inside File()', () => {
  const found = parseEfiEntries(
    `BootCurrent: 0004\nTimeout: 3 seconds\nBootOrder: 0004,0003,0000\n` +
      `Boot0000* BootManagerMenuApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(eec25bdc-67f2-4d95-b1d5-f81b2039d11d)\n` +
      `Boot0003  UEFI QEMU QEMU HARDDISK \tPciRoot(0x0)/Pci(0x1e,0x0)/SCSI(0,0)N.....YM....R,Y.\n` +
      `Boot0004* proxmox\tHD(2,GPT,${PART.toUpperCase()},0x800,0x200000)/File(\\EFI\\PROXMOX\\SHIMX64.EFI)\n`,
  );
  assert.equal(found.current, '0004');
  assert.deepEqual(found.order, ['0004', '0003', '0000']);
  assert.deepEqual(found.entries, [
    { number: '0000', label: 'BootManagerMenuApp', active: true, partitionUuid: undefined, loader: undefined },
    { number: '0003', label: 'UEFI QEMU QEMU HARDDISK', active: false, partitionUuid: undefined, loader: undefined },
    { number: '0004', label: 'proxmox', active: true, partitionUuid: PART, loader: '\\EFI\\PROXMOX\\SHIMX64.EFI' },
  ]);
});

test('entries of efibootmgr 18 are read, with the bare loader and lines of hexadecimal below', () => {
  const { entries } = parseEfiEntries(
    `BootCurrent: 000A\nBootOrder: 000A\n` +
      `Boot000A* Linux Boot Manager\tHD(2,GPT,${PART},0x800,0x200000)/\\EFI\\systemd\\systemd-bootx64.efi\n` +
      `      dp: 04 01 2a 00 02 00 00 00 / 7f ff 04 00\n`,
  );
  assert.deepEqual(entries, [
    {
      number: '000A',
      label: 'Linux Boot Manager',
      active: true,
      partitionUuid: PART,
      loader: '\\EFI\\systemd\\systemd-bootx64.efi',
    },
  ]);
});

test('what is no report of efibootmgr is an error', () => {
  for (const text of ['', 'EFI variables are not supported on this system.\n', 'Boot: x\n'])
    assert.throws(() => parseEfiEntries(text), { code: 'FAILED', message: /no boot entry/ });
  assert.throws(() => parseEfiEntries('BootOrder: 0001,zzzz\n'), { code: 'FAILED', message: /number "zzzz"/ });
  assert.throws(() => parseEfiEntries('BootCurrent: none\n'), { code: 'FAILED', message: /number "none"/ });
});
