import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { type PartitionTable, readPartitionTable } from '../../src/device/partition-table.js';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-table-'));
after(() => rmSync(directory, { recursive: true }));

const MIB = 1024 ** 2;

function missing(...programs: string[]): string | false {
  const lacking = programs.filter((program) => {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  return lacking.length > 0 && `needs ${lacking.join(', ')}`;
}

const disks = new Map<string, Buffer>();

/** A disk made by a program that gets its path last; `input` is for its standard input. They take a second each. */
function made(sizeBytes: number, program: string, args: string[], input = ''): Buffer {
  const key = [program, ...args, input].join(' ');
  const disk = disks.get(key) ?? makeDisk(sizeBytes, program, args, input);
  disks.set(key, disk);
  return Buffer.from(disk);
}

function makeDisk(sizeBytes: number, program: string, args: string[], input: string): Buffer {
  const file = join(directory, 'disk');
  rmSync(file, { force: true });
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  execFileSync(program, [...args, file], { input, stdio: ['pipe', 'ignore', 'ignore'] });
  return readFileSync(file);
}

function tableOf(disk: Buffer, sectorBytes = 512): Promise<PartitionTable> {
  const read = async (offset: number, length: number) => {
    assert.ok(length > 0 && offset >= 0 && offset + length <= disk.length, `${offset}+${length}`);
    return Buffer.from(disk.subarray(offset, offset + length));
  };
  return readPartitionTable(read, disk.length, sectorBytes);
}

const ranges = (table: PartitionTable) => table.metadata.map(({ offset, length }) => [offset, length]);

/** As the Proxmox installer's; from sgdisk. */
function proxmoxDisk(): Buffer {
  return made(64 * MIB, 'sgdisk', [
    ...['-U', '11111111-2222-3333-4444-555555555555', '-a1', '-n1:34:2047', '-t1:EF02', '-n2:2048:+8M', '-t2:EF00'],
    ...['-n3:0:0', '-t3:8E00', '-c3:Größe', '-u3:AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE'],
  ]);
}

/** Writes a sector's header anew with some change, its checksum right again. */
function changeHeader(disk: Buffer, at: number, change: (header: Buffer) => void): void {
  const header = disk.subarray(at, at + 92);
  change(header);
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(crc32(header), 16);
}

const noSgdisk = missing('sgdisk');
const noSfdisk = missing('sfdisk');
const BACKUP_AT = 64 * MIB - 512;

test("the Proxmox installer's GPT: places, types, names, and what lies around", { skip: noSgdisk }, async () => {
  const table = await tableOf(proxmoxDisk());
  assert.equal(table.scheme, 'gpt');
  assert.deepEqual(
    table.partitions.map(({ number, offset, sizeBytes, role }) => [number, offset, sizeBytes, role]),
    [
      [1, 34 * 512, (2048 - 34) * 512, 'bios-boot'],
      [2, MIB, 8 * MIB, 'efi-system'],
      [3, 9 * MIB, 55 * MIB - 33 * 512, 'lvm'],
    ],
  );
  assert.equal(table.partitions[2]?.name, 'Größe');
  assert.equal(table.partitions[2]?.uuid, 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee');
  assert.equal(table.partitions[2]?.type, 'e6d6d379-f507-44c2-a23c-238f2a3df928');
  assert.deepEqual(ranges(table), [
    [0, 34 * 512],
    [64 * MIB - 33 * 512, 33 * 512],
  ]);
});

test('a broken primary GPT is read from the backup, and the other way round', { skip: noSgdisk }, async () => {
  const whole = await tableOf(proxmoxDisk());
  for (const at of [512, 600 - 60, 1024, 1100, BACKUP_AT, BACKUP_AT + 24, BACKUP_AT - 32 * 512 + 3]) {
    const disk = proxmoxDisk();
    disk[at] = (disk[at] as number) ^ 0x40;
    const table = await tableOf(disk);
    assert.deepEqual({ ...table, metadata: [] }, { ...whole, metadata: [] }, `bit flipped at ${at}`);
    assert.deepEqual(ranges(table), ranges(whole));
  }
});

test('with both copies broken it is refused, never taken for an MBR or an empty disk', { skip: noSgdisk }, async () => {
  const disk = proxmoxDisk();
  disk.fill(0, 512, 1024);
  disk.fill(0, BACKUP_AT);
  await assert.rejects(tableOf(disk), /the GPT is damaged: there is no header; and its backup at sector 131071/);
  const other = proxmoxDisk();
  for (const at of [512, BACKUP_AT]) other[at + 60] = 99;
  await assert.rejects(tableOf(other), /header's checksum is wrong/);
  await assert.rejects(tableOf(proxmoxDisk(), 4096), /the GPT is damaged/);
});

test('a header that says what cannot be is not believed, checksum or not', { skip: noSgdisk }, async () => {
  const changes: [RegExp, (header: Buffer) => void][] = [
    [/its header says that it is at sector 7/, (header) => header.writeBigUInt64LE(7n, 24)],
    [/its entries lie beyond the end/, (header) => header.writeBigUInt64LE(2n ** 60n, 72)],
    [/it has 4000000000 entries/, (header) => header.writeUInt32LE(4_000_000_000, 80)],
    [/its entries have 0 bytes/, (header) => header.writeUInt32LE(0, 84)],
    [/its entries' checksum is wrong/, (header) => header.writeUInt32LE(127, 80)],
  ];
  for (const [words, change] of changes) {
    const disk = proxmoxDisk();
    changeHeader(disk, 512, change);
    disk.fill(0, BACKUP_AT);
    await assert.rejects(tableOf(disk), words);
  }
  const narrow = proxmoxDisk();
  for (const at of [512, BACKUP_AT]) changeHeader(narrow, at, (header) => header.writeBigUInt64LE(4096n, 48));
  await assert.rejects(tableOf(narrow), /partition 2 is from sector 2048 to 18431, which is not between 34 and 4096/);
});

test('a disk that has grown has its backup GPT where it was, and it is read', { skip: noSgdisk }, async () => {
  const table = await tableOf(Buffer.concat([proxmoxDisk(), Buffer.alloc(16 * MIB)]));
  assert.deepEqual(ranges(table), [
    [0, 34 * 512],
    [64 * MIB - 33 * 512, 33 * 512],
    [80 * MIB - 33 * 512, 33 * 512],
  ]);
});

test('partitions that overlap are refused', { skip: noSgdisk }, async () => {
  const disk = proxmoxDisk();
  const array = disk.subarray(1024, 1024 + 128 * 128);
  array.writeBigUInt64LE(100n, 128 + 32);
  changeHeader(disk, 512, (header) => header.writeUInt32LE(crc32(array), 88));
  await assert.rejects(tableOf(disk), /partitions 1 and 2 overlap at byte 51200/);
});

test('sectors of 4096 bytes', async () => {
  const disk = Buffer.alloc(64 * MIB);
  disk.writeUInt16LE(0xaa55, 510);
  disk[450] = 0xee;
  disk.writeUInt32LE(1, 454);
  disk.writeUInt32LE(0xffffffff, 458);
  const last = disk.length / 4096 - 1;
  const array = Buffer.alloc(128 * 128);
  Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex').copy(array);
  array.fill(1, 16, 32);
  array.writeBigUInt64LE(256n, 32);
  array.writeBigUInt64LE(511n, 40);
  for (const [own, other, entries] of [
    [1, last, 2],
    [last, 1, last - 4],
  ] as [number, number, number][]) {
    array.copy(disk, entries * 4096);
    const header = disk.subarray(own * 4096);
    header.write('EFI PART');
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    for (const [at, value] of [
      [24, own],
      [32, other],
      [40, 6],
      [48, last - 5],
      [72, entries],
    ] as [number, number][])
      header.writeBigUInt64LE(BigInt(value), at);
    header.writeUInt32LE(128, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(array), 88);
    changeHeader(disk, own * 4096, () => {});
  }
  const table = await tableOf(disk, 4096);
  assert.equal(table.partitions[0]?.role, 'efi-system');
  assert.deepEqual([table.partitions[0]?.offset, table.partitions[0]?.sizeBytes], [MIB, MIB]);
  assert.deepEqual(ranges(table), [
    [0, MIB],
    [disk.length - 5 * 4096, 5 * 4096],
  ]);
  disk.fill(0, 4096, 8192);
  assert.deepEqual(await tableOf(disk, 4096), table);
});

const MBR_SCRIPT = `label: dos
label-id: 0x00c0ffee
start=2048, size=8192, type=ef
start=10240, size=16384, type=8e
start=26624, size=65536, type=5
start=28672, size=4096, type=82
start=34816, size=4096, type=83
start=40960, size=4096, type=fd
`;

test('an MBR with logical partitions: numbers, PARTUUIDs, and each EBR', { skip: noSfdisk }, async () => {
  const table = await tableOf(made(64 * MIB, 'sfdisk', ['-q', '--no-reread'], MBR_SCRIPT));
  assert.equal(table.scheme, 'mbr');
  assert.deepEqual(
    table.partitions.map(({ number, offset, sizeBytes, type, role, uuid }) => [
      ...[number, offset / 512, sizeBytes / 512, type, role, uuid],
    ]),
    [
      [1, 2048, 8192, '0xef', 'efi-system', '00c0ffee-01'],
      [2, 10240, 16384, '0x8e', 'lvm', '00c0ffee-02'],
      [3, 26624, 65536, '0x05', 'extended', '00c0ffee-03'],
      [5, 28672, 4096, '0x82', 'swap', '00c0ffee-05'],
      [6, 34816, 4096, '0x83', 'linux', '00c0ffee-06'],
      [7, 40960, 4096, '0xfd', 'raid', '00c0ffee-07'],
    ],
  );
  const [boot, ...ebrs] = ranges(table);
  assert.deepEqual(boot, [0, MIB]);
  assert.equal(ebrs.length, 3);
  assert.deepEqual(ebrs[0], [26624 * 512, 512]);
});

test('a broken chain of EBRs is refused', { skip: noSfdisk }, async () => {
  const broken = async (words: RegExp, change: (disk: Buffer, ebr: number) => void) => {
    const disk = made(64 * MIB, 'sfdisk', ['-q', '--no-reread'], MBR_SCRIPT);
    change(disk, 26624 * 512);
    await assert.rejects(tableOf(disk), words);
  };
  await broken(/there is no EBR at sector 26624/, (disk, ebr) => disk.writeUInt16LE(0, ebr + 510));
  await broken(/sector 26624 comes again/, (disk, ebr) => disk.writeUInt32LE(0, ebr + 462 + 8));
  await broken(/is not in the extended one/, (disk, ebr) => disk.writeUInt32LE(70000, ebr + 462 + 8));
  await broken(/logical partition of the EBR at sector 26624 is not in/, (disk, ebr) =>
    disk.writeUInt32LE(99999, ebr + 446 + 12),
  );
  await broken(/overlap/, (disk, ebr) => disk.writeUInt32LE(12000, ebr + 446 + 12));
  await broken(/lies beyond the end of the disk/, (disk) => disk.writeUInt32LE(0xfffffff0, 446 + 32 + 12));
  await broken(/partition 2 ends at byte|overlaps the extended/, (disk) =>
    disk.writeUInt32LE(0xfffffff0, 446 + 16 + 12),
  );
});

test('an extended partition without a logical one yet', { skip: noSfdisk }, async () => {
  const script = 'label: dos\nstart=2048, size=8192, type=83\nstart=10240, size=8192, type=f\n';
  const table = await tableOf(made(64 * MIB, 'sfdisk', ['-q', '--no-reread'], script));
  assert.deepEqual(
    table.partitions.map(({ number, role }) => [number, role]),
    [
      [1, 'linux'],
      [2, 'extended'],
    ],
  );
});

test('no table: an empty disk, a boot sector of a file system, a disk smaller than two sectors', async () => {
  const none = { scheme: 'none', sectorBytes: 512, partitions: [], metadata: [] };
  assert.deepEqual(await tableOf(Buffer.alloc(MIB)), none);
  assert.deepEqual(await tableOf(Buffer.alloc(512)), none);
  const fat = Buffer.alloc(MIB);
  fat.writeUInt16LE(0xaa55, 510);
  assert.deepEqual(await tableOf(fat), none, 'no entries');
  fat.write('No bootable disk. Press any key', 440, 'latin1');
  assert.deepEqual(await tableOf(fat), none, 'text where the entries would be');
});
