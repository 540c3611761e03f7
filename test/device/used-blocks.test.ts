import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import { type FilesystemFacts, probeFilesystem, UNKNOWN } from '../../src/device/filesystem.js';
import { doubtIn, parseDomainMap, type UsedRange, usedBlocks } from '../../src/device/used-blocks.js';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-used-'));
after(() => rmSync(directory, { recursive: true }));

const KIB = 1024;
const MIB = 1024 * KIB;
const GAP = 32 * KIB;

/** As partclone writes it; ranges as [bytes, status]. */
function mapOf(ranges: [number, string][], position?: number): string {
  let at = 0;
  const hex = (value: number) => `0x${value.toString(16).toUpperCase().padStart(8, '0')}`;
  const lines = ranges.map(([length, status]) => {
    const line = `${hex(at)}  ${hex(length)}  ${status}`;
    at += length;
    return line;
  });
  return [
    '# Domain logfile created by unset_name v0.3.23',
    '# Source: /dev/pve/snap',
    '# Offset: 0x00000000',
    '# current_pos  current_status',
    `${hex(position ?? at)}     ?`,
    '#      pos        size  status',
    ...lines,
    '',
  ].join('\n');
}

function total(used: readonly UsedRange[]): number {
  return used.reduce((sum, { length }) => sum + length, 0);
}

test('maps recorded on a host: a root of 4 GiB, and an ESP whose map ends 2 KiB before its end', () => {
  const root = parseDomainMap(readFileSync('test/device/fixtures/domain-ext4.map', 'utf8'), 4096 * MIB);
  assert.deepEqual(root[0]?.offset, 0);
  assert.ok(root.every(({ offset, length }) => offset % 4096 === 0 && length % 4096 === 0));
  assert.ok(root.every(({ offset }, i) => i === 0 || offset - endOf(root[i - 1]) >= GAP));
  const esp = parseDomainMap(readFileSync('test/device/fixtures/domain-vfat.map', 'utf8'), 512 * MIB);
  assert.deepEqual(esp, [
    { offset: 0, length: 0x507000 },
    { offset: 0x1ffff000, length: 4096 },
  ]);
});

function endOf(range: UsedRange | undefined): number {
  return range === undefined ? 0 : range.offset + range.length;
}

test('ranges are widened to 4096 bytes, close ones are joined, and what is behind the map is used', () => {
  const map = mapOf([
    [1000, '+'],
    [GAP, '?'],
    [512, '+'],
    [2 * GAP, '?'],
    [10, '+'],
    [5 * GAP - 10 - 1512, '?'],
  ]);
  assert.deepEqual(parseDomainMap(map, 8 * GAP + 100), [
    { offset: 0, length: GAP + 4096 },
    { offset: 3 * GAP, length: 4096 },
    { offset: 8 * GAP, length: 100 },
  ]);
});

test('whatever a map says, every used byte is in the ranges, and they are in order and inside', () => {
  const piece = fc.tuple(fc.integer({ min: 1, max: 300_000 }), fc.constantFrom('+', '?'));
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 40 }), fc.nat(5000), (pieces, tail) => {
      const mapped = pieces.reduce((sum, [length]) => sum + length, 0);
      const used = parseDomainMap(mapOf(pieces), mapped + tail);
      let end = -GAP;
      for (const { offset, length } of used) {
        assert.ok(offset - end >= GAP && length > 0 && offset % 4096 === 0);
        end = offset + length;
        assert.ok(end <= mapped + tail && (end % 4096 === 0 || end === mapped + tail));
      }
      const isIn = (from: number, to: number) => used.some((range) => range.offset <= from && endOf(range) >= to);
      let at = 0;
      for (const [length, status] of pieces) {
        if (status === '+') assert.ok(isIn(at, at + length));
        at += length;
      }
      if (tail > 0) assert.ok(isIn(mapped, mapped + tail));
    }),
  );
});

test('more ranges than anybody can hold are joined over larger gaps', () => {
  const map = mapOf(
    [...Array(700_000).keys()].flatMap(
      () =>
        [
          [4096, '+'],
          [9 * 4096, '?'],
        ] as [number, string][],
    ),
  );
  const used = parseDomainMap(map, 700_000 * 10 * 4096);
  assert.equal(used.length, 1);
});

test('a malformed map is an error, never a guess', () => {
  const good = mapOf([
    [GAP, '+'],
    [GAP, '?'],
    [GAP, '+'],
  ]);
  const refuses = (text: string, words: RegExp, sizeBytes = 3 * GAP) =>
    assert.throws(() => parseDomainMap(text, sizeBytes), words);
  assert.equal(parseDomainMap(good, 3 * GAP).length, 2);
  refuses('', /it is empty/);
  refuses('# nothing\n', /it is empty/);
  refuses(good.slice(0, -5), /its last line is cut off/);
  refuses(`${good.split('\n').slice(0, -2).join('\n')}\n`, /it breaks off at byte 65536 of 98304/);
  refuses(good, /line 9 ends at byte 98304, the device at 98303/, 3 * GAP - 1);
  refuses(good.replace('0x00008000  0x00008000', '0x00008200  0x00008000'), /line 8 begins at byte 33280/);
  refuses(good.replace('0x00008000  0x00008000', '0x00007FFF  0x00008000'), /the one before it ends at 32768/);
  refuses(good.replace('0x00008000  ?', '0x00008000  *'), /line 8 is "0x00008000 {2}0x00008000 {2}\*"/);
  refuses(good.replace('0x00008000  ?', '65536  ?'), /line 8 has "65536" where an offset should be/);
  refuses(good.replace('0x00008000  ?', '0x00000000  ?'), /line 8 has no length/);
  refuses(good.replace('0x00018000     ?', '0x00018000  0x1 ?'), /line 5 is no current position/);
  refuses(good.replace('0x00008000  ?', '0xFFFFFFFFFFFFFFFF  ?'), /line 8 has "0xFFFFFFFFFFFFFFFF"/);
});

test('a map that does not fit the superblock is in doubt', () => {
  const facts: FilesystemFacts = {
    ...UNKNOWN,
    type: 'ext4',
    sizeBytes: 1024 * MIB,
    usedBytes: 100 * MIB,
    blockBytes: 4096,
  };
  assert.equal(doubtIn([{ offset: 0, length: 101 * MIB }], facts), undefined);
  assert.equal(doubtIn([{ offset: 0, length: 100 * MIB - 64 * KIB }], facts), undefined);
  assert.match(
    doubtIn([{ offset: 0, length: 99 * MIB }], facts) ?? '',
    /has 99.0 MiB in use, the superblock 100.0 MiB/,
  );
  assert.match(doubtIn([{ offset: 4096, length: 101 * MIB }], facts) ?? '', /has the superblock as unused/);
  const tail = [
    { offset: 0, length: MIB },
    { offset: 1024 * MIB, length: 500 * MIB },
  ];
  assert.match(doubtIn(tail, facts) ?? '', /has 1.0 MiB in use/, 'what lies behind the file system does not count');
  assert.match(doubtIn(tail, { ...facts, usedBytes: undefined }) ?? '', /does not say how much/);
});

/** How to make a file system with some files in it, and how to see that it is whole. */
interface Kind {
  type: FilesystemFacts['type'];
  programs: string[];
  sizeBytes: number;
  make(image: string, files: string): Promise<unknown>;
  check(image: string, out: string): Promise<unknown>;
}

const mountable = (type: string) =>
  process.getuid?.() === 0 && readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(type);

const KINDS: Kind[] = [
  {
    type: 'ext4',
    programs: ['mke2fs', 'e2fsck', 'debugfs', 'partclone.extfs'],
    sizeBytes: 160 * MIB,
    make: (image, files) => execa('mke2fs', ['-q', '-t', 'ext4', '-L', 'label', '-d', files, image]),
    async check(image, out) {
      await execa('e2fsck', ['-fn', image]);
      await execa('debugfs', ['-R', `rdump / ${out}`, image]);
    },
  },
  {
    type: 'ext4',
    programs: ['mke2fs', 'e2fsck', 'debugfs', 'partclone.extfs'],
    sizeBytes: 60 * MIB + 1536,
    make: (image, files) => execa('mke2fs', ['-q', '-t', 'ext2', '-b', '1024', '-L', 'label', '-d', files, image]),
    async check(image, out) {
      await execa('e2fsck', ['-fn', image]);
      await execa('debugfs', ['-R', `rdump / ${out}`, image]);
    },
  },
  {
    type: 'xfs',
    programs: ['mkfs.xfs', 'xfs_repair', 'xfs_logprint', 'partclone.xfs'],
    sizeBytes: 320 * MIB,
    async make(image, files) {
      const entries = FILES.map(([name]) => `${name} ---644 0 0 ${join(files, name)}`);
      const prototype = `${image}.proto`;
      writeFileSync(prototype, ['/boot', '0 0', 'd--755 0 0', ...entries, '$', ''].join('\n'));
      await execa('mkfs.xfs', ['-q', '-L', 'label', '-p', prototype, image]);
    },
    async check(image, out) {
      await execa('xfs_repair', ['-n', image]);
      if (!mountable('xfs')) return copyFiles(out);
      const mountpoint = `${out}-mount`;
      mkdirSync(mountpoint);
      await execa('mount', ['-o', 'loop,ro', image, mountpoint]);
      try {
        await execa('cp', ['-r', `${mountpoint}/.`, out]);
      } finally {
        await execa('umount', [mountpoint]);
      }
    },
  },
  {
    type: 'btrfs',
    programs: ['mkfs.btrfs', 'btrfs', 'partclone.btrfs'],
    sizeBytes: 200 * MIB + 4096,
    make: (image, files) => execa('mkfs.btrfs', ['-q', '-L', 'label', '-r', files, image]),
    async check(image, out) {
      await execa('btrfs', ['check', '--check-data-csum', image]);
      await execa('btrfs', ['restore', image, out]);
    },
  },
  {
    type: 'vfat',
    programs: ['mkfs.vfat', 'mcopy', 'fsck.vfat'],
    sizeBytes: 100 * MIB,
    async make(image, files) {
      await execa('mkfs.vfat', ['-F', '32', '-n', 'LABEL', image]);
      await execa('mcopy', ['-s', '-i', image, ...FILES.map(([name]) => join(files, name)), '::/']);
      // Only the kernel and fsck keep the count of free clusters; mtools leaves it as it was.
      await execa('fsck.vfat', ['-a', image], { reject: false });
    },
    async check(image, out) {
      await execa('fsck.vfat', ['-n', image]);
      await execa('mcopy', ['-s', '-i', image, '::/*', out]);
    },
  },
];

/** Names and sizes; some end within a block, some are larger than any extent that a map rounds. */
const FILES: [name: string, sizeBytes: number][] = [
  ['empty', 0],
  ['one', 1],
  ...[...Array(40).keys()].map((i): [string, number] => [`small${i}`, 1500 * (i + 1)]),
  ['large', 9 * MIB + 77],
];

/** partclone reads by itself. */
const unread = () => assert.fail('read');

function copyFiles(out: string): void {
  for (const [name] of FILES) writeFileSync(join(out, name), readFileSync(join(directory, 'files', name)));
}

test('file systems made by their own mkfs live on nothing but the used ranges', async (t) => {
  const files = join(directory, 'files');
  mkdirSync(files);
  for (const [name, sizeBytes] of FILES) writeFileSync(join(files, name), randomFillSync(Buffer.alloc(sizeBytes)));
  for (const [number, kind] of KINDS.entries()) {
    const lacking = kind.programs.filter(
      (name) => !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((at) => existsSync(`${at}/${name}`)),
    );
    const skip = lacking.length > 0 && `needs ${lacking.join(', ')}`;
    await t.test(`${kind.type}, ${kind.sizeBytes} bytes`, { skip }, async () => {
      const image = join(directory, `${number}.img`);
      writeFileSync(image, '');
      truncateSync(image, kind.sizeBytes);
      await kind.make(image, files);
      const file = await open(image, 'r+');
      try {
        const read = async (offset: number, length: number) => {
          const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
          assert.equal(bytesRead, length);
          return buffer;
        };
        const facts = await probeFilesystem(read, kind.sizeBytes);
        assert.equal(facts.type, kind.type);
        assert.equal(facts.label?.toLowerCase(), 'label');
        const { stdout } = await execa('blkid', ['-o', 'value', '-s', 'UUID', '-p', image]);
        assert.equal(facts.uuid, stdout);
        const found = await usedBlocks({ path: image, read }, facts, kind.sizeBytes);
        assert.ok(found.used, 'reason' in found ? found.reason : '');
        const { used } = found;
        assert.ok(total(used) < kind.sizeBytes * 0.8, `${total(used)}`);
        let at = 0;
        for (const range of [...used, { offset: kind.sizeBytes, length: 0 }]) {
          // Not zeros, which would be taken for an empty block here and there.
          if (range.offset > at) await file.write(Buffer.alloc(range.offset - at, 0xa5), 0, undefined, at);
          at = endOf(range);
        }
      } finally {
        await file.close();
      }
      const out = join(directory, `out${number}`);
      mkdirSync(out);
      await kind.check(image, out);
      for (const [name] of FILES)
        assert.ok(readFileSync(join(out, name)).equals(readFileSync(join(files, name))), `${name} is another`);
      rmSync(image);
    });
  }
});

test('an XFS that was not unmounted is read whole, though its map fits its superblock', { skip: noXfs() }, async () => {
  const image = join(directory, 'crash.img');
  writeFileSync(image, '');
  truncateSync(image, 320 * MIB);
  await execa('mkfs.xfs', ['-q', image]);
  const mountpoint = join(directory, 'crash');
  mkdirSync(mountpoint);
  await execa('mount', ['-o', 'loop', image, mountpoint]);
  const copy = join(directory, 'copy.img');
  try {
    for (const [name, sizeBytes] of FILES) writeFileSync(join(mountpoint, name), Buffer.alloc(sizeBytes, 1));
    await execa('sync', ['-f', mountpoint]);
    await execa('cp', ['--sparse=always', image, copy]);
  } finally {
    await execa('umount', [mountpoint]);
  }
  const facts: FilesystemFacts = { ...UNKNOWN, type: 'xfs', sizeBytes: 320 * MIB, usedBytes: 0, blockBytes: 4096 };
  assert.deepEqual(await usedBlocks({ path: copy, read: unread }, facts, 320 * MIB), {
    used: undefined,
    reason: 'its map of unused blocks may be wrong: its log was not replayed',
  });
  assert.ok((await usedBlocks({ path: image, read: unread }, facts, 320 * MIB)).used);
});

function noXfs(): string | false {
  if (!mountable('xfs')) return 'needs root and XFS in the kernel';
  return (
    ['mkfs.xfs', 'xfs_logprint', 'partclone.xfs'].some((name) => !existsSync(`/usr/sbin/${name}`)) &&
    'needs xfsprogs, partclone'
  );
}

test('what cannot be mapped is read whole, and why is said', async () => {
  const facts: FilesystemFacts = { ...UNKNOWN, type: 'ext4', sizeBytes: MIB, usedBytes: 0, blockBytes: 4096 };
  const reason = async (changed: Partial<FilesystemFacts>, path = join(directory, 'none')) => {
    const found = await usedBlocks({ path, read: unread }, { ...facts, ...changed }, MIB);
    assert.equal(found.used, undefined);
    return 'reason' in found ? found.reason : '';
  };
  assert.match(await reason({ type: 'zfs' }), /nothing tells the unused blocks of what it holds \(zfs\)/);
  assert.match(await reason({ doubt: 'its journal was not replayed' }), /may be wrong: its journal was not replayed/);
  assert.match(await reason({}), /partclone.extfs( is not installed|.* failed with status)/);
  const stopped = AbortSignal.abort(new Error('stop'));
  await assert.rejects(
    usedBlocks({ path: '/dev/null', read: unread }, facts, MIB, { signal: stopped }),
    /^Error: stop$/,
  );
});
