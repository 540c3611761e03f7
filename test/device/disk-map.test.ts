import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type DiskMapInput,
  diskMap,
  type PhysicalVolumeOnDisk,
  type VolumeContent,
} from '../../src/device/disk-map.js';
import { checkExtents, type Extent } from '../../src/device/extents.js';
import { UNKNOWN } from '../../src/device/filesystem.js';
import type { LogicalVolume } from '../../src/device/lvm.js';
import type { Partition, PartitionTable } from '../../src/device/partition-table.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const EXTENT_BYTES = 64 * KIB;
const SNAPSHOT = { fd: 77, directFd: 78, path: '/dev/pve/lifeboat_root' };

function partition(number: number, offset: number, sizeBytes: number, role: Partition['role'] = 'linux'): Partition {
  return { number, offset, sizeBytes, type: '', uuid: undefined, name: '', role };
}

function gpt(partitions: Partition[], sizeBytes: number): PartitionTable {
  const metadata = [
    { offset: 0, length: Math.min(MIB, partitions[0]?.offset ?? MIB) },
    { offset: sizeBytes - 33 * 512, length: 33 * 512 },
  ];
  return { scheme: 'gpt', sectorBytes: 512, partitions, metadata };
}

function content(more: Partial<VolumeContent> = {}): VolumeContent {
  return { facts: { ...UNKNOWN }, used: undefined, from: undefined, excluded: undefined, ...more };
}

const swap = (): VolumeContent => content({ facts: { ...UNKNOWN, type: 'swap', blockBytes: 4096 } });

/** Segments as [PV, first extent, count], in the order of the volume's bytes. */
function volume(
  name: string,
  segments: [pv: string, start: number, count: number][],
  more: Partial<LogicalVolume> = {},
): LogicalVolume {
  let logicalOffset = 0;
  const laid = segments.map(([pv, startExtent, extentCount]) => {
    const sizeBytes = extentCount * EXTENT_BYTES;
    const segment = { logicalOffset, sizeBytes, type: 'linear', stripes: [{ pv, startExtent, extentCount }] };
    logicalOffset += sizeBytes;
    return segment;
  });
  return {
    vg: 'pve',
    name,
    uuid: name,
    path: `/dev/pve/${name}`,
    role: 'thick',
    pool: undefined,
    origin: undefined,
    sizeBytes: logicalOffset,
    tags: [],
    active: true,
    snapPercent: undefined,
    segments: laid,
    ...more,
  };
}

const PV = '/dev/sda3';

function pv(
  partitionNumber: number | undefined,
  extentCount: number,
  volumes: LogicalVolume[],
  contents: Record<string, VolumeContent>,
  more: Partial<PhysicalVolumeOnDisk> = {},
): PhysicalVolumeOnDisk {
  return {
    partition: partitionNumber,
    pv: { path: PV, uuid: 'pv', vg: 'pve', dataOffset: 128 * KIB, sizeBytes: 0, extentCount },
    vg: { name: 'pve', uuid: 'vg', seqno: 1, extentBytes: EXTENT_BYTES, freeExtents: 0, sizeBytes: 0 },
    header: Buffer.alloc(128 * KIB, 'H'),
    trailer: undefined,
    volumes,
    contents: new Map(Object.entries(contents)),
    ...more,
  };
}

/** "data 0+1024, zero 1024+64 ..." in KiB; "@" and a number: where in the snapshot. */
function words(extents: Extent[], sizeBytes: number): string {
  return [...checkExtents(extents, sizeBytes)]
    .map((extent) => {
      const from = extent.kind === 'data' && extent.from !== undefined ? `@${extent.from.offset / KIB}` : '';
      return `${extent.kind} ${extent.offset / KIB}+${extent.length / KIB}${from}`;
    })
    .join(', ');
}

test("the installer's layout: root from its snapshot, swap's head, no guests, no free extents", () => {
  const sizeBytes = 8 * MIB;
  const partitions = [partition(1, MIB, MIB, 'bios-boot'), partition(3, 2 * MIB, 5 * MIB, 'lvm')];
  const volumes = [
    volume('swap', [[PV, 0, 4]]),
    volume('root', [
      [PV, 10, 4],
      [PV, 4, 2],
    ]),
    volume('data', [], { role: 'thin-pool', sizeBytes: 8 * EXTENT_BYTES }),
    volume('data_tdata', [[PV, 14, 8]], { role: 'internal', pool: 'data' }),
    volume('data_tmeta', [[PV, 22, 1]], { role: 'internal', pool: 'data' }),
    volume('vm-100-disk-0', [], { role: 'thin', pool: 'data', sizeBytes: 99 * MIB }),
  ];
  const contents = {
    swap: swap(),
    root: content({
      used: [
        { offset: 0, length: 65 * KIB },
        { offset: 250 * KIB, length: 70 * KIB },
      ],
      from: SNAPSHOT,
    }),
    data: content({ excluded: 'guests' }),
  };
  const map = diskMap({
    sizeBytes,
    table: gpt(partitions, sizeBytes),
    partitions: new Map(),
    pvs: [pv(3, 70, volumes, contents)],
  });
  // The extents begin at 2048 + 128 = 2176 KiB; root's first four at 2176 + 640, its last two at 2176 + 256.
  assert.equal(
    words(map.extents, sizeBytes),
    'data 0+2048, memory 2048+128, data 2176+4, zero 2180+252, data 2432+64@256, zero 2496+320, data 2816+68@0, ' +
      'zero 2884+180, data 3064+8@248, zero 3072+3584, data 6656+512, zero 7168+1004, data 8172+20',
  );
  assert.deepEqual(map.leftOut, [
    { what: 'free extents of pve', bytes: (70 - 19) * EXTENT_BYTES, reason: 'free' },
    { what: 'outside of partitions', bytes: 1004 * KIB, reason: 'gap' },
    { what: 'pve/data', bytes: 9 * EXTENT_BYTES, reason: 'guests' },
    { what: 'pve/swap', bytes: 252 * KIB, reason: 'swap' },
    { what: 'pve/root', bytes: 244 * KIB, reason: 'unused blocks' },
  ]);
  assert.equal(map.dataBytes, (2048 + 4 + 64 + 68 + 8 + 512 + 20) * KIB);
});

test('what is not known is read: partitions without a map, RAID, stores of snapshots, what lies behind the extents', () => {
  const sizeBytes = 4 * MIB;
  const volumes = [
    volume('mirrored', [], { role: 'other' }),
    volume('mirrored_rimage_0', [[PV, 0, 2]], { role: 'internal' }),
    volume('stripy', [[PV, 2, 2]], { role: 'other' }),
    volume('old', [[PV, 4, 1]], { role: 'snapshot', origin: 'root' }),
    volume('plain', [[PV, 5, 1]]),
  ];
  const unused = content({ used: [], from: SNAPSHOT });
  const map = diskMap({
    sizeBytes,
    table: gpt([partition(1, MIB, 2 * MIB, 'lvm'), partition(2, 3 * MIB, 512 * KIB)], sizeBytes),
    partitions: new Map(),
    pvs: [pv(1, 10, volumes, { stripy: unused, old: unused, mirrored_rimage_0: unused })],
  });
  assert.equal(
    words(map.extents, sizeBytes),
    'data 0+1024, memory 1024+128, data 1152+384, zero 1536+256, data 1792+1792, zero 3584+492, data 4076+20',
  );
});

test('a disk without a table is read whole, or is a physical volume itself', () => {
  const table: PartitionTable = { scheme: 'none', sectorBytes: 512, partitions: [], metadata: [] };
  const bare = diskMap({ sizeBytes: MIB, table, partitions: new Map(), pvs: [] });
  assert.equal(words(bare.extents, MIB), 'data 0+1024');
  const trailer = { offset: (128 + 10 * 64) * KIB, bytes: Buffer.alloc(100 * KIB) };
  const volumes = [
    volume('far', [
      ['/dev/sdb', 0, 4],
      [PV, 3, 2],
      ['/dev/sdb', 4, 1],
    ]),
  ];
  const contents = { far: content({ used: [{ offset: 5 * 64 * KIB, length: 1 }], from: SNAPSHOT }) };
  const map = diskMap({
    sizeBytes: MIB,
    table,
    partitions: new Map(),
    pvs: [pv(undefined, 10, volumes, contents, { trailer })],
  });
  // The volume's extent 5 is the second of the two on this disk.
  assert.equal(
    words(map.extents, MIB),
    'memory 0+128, zero 128+256, data 384+4@320, zero 388+380, memory 768+100, data 868+156',
  );
});

test('borders off a multiple of 4096 widen what is read of the disk itself', () => {
  const sizeBytes = 2 * MIB;
  const offset = 63 * 512;
  const table: PartitionTable = {
    scheme: 'mbr',
    sectorBytes: 512,
    partitions: [partition(1, offset, 1000 * 512), partition(2, offset + 1000 * 512, 100 * 512, 'extended')],
    metadata: [
      { offset: 0, length: offset },
      { offset: offset + 1000 * 512, length: 512 },
    ],
  };
  const used = [{ offset: 64 * KIB, length: 4096 }];
  const map = diskMap({ sizeBytes, table, partitions: new Map([[1, content({ used })]]), pvs: [] });
  assert.equal(
    words(map.extents, sizeBytes),
    'data 0+32, zero 32+60, data 92+8, zero 100+428, data 528+4, zero 532+1516',
  );
  assert.deepEqual(map.leftOut, [
    { what: 'outside of partitions', bytes: 1516 * KIB, reason: 'gap' },
    { what: 'partition 1', bytes: 488 * KIB, reason: 'unused blocks' },
  ]);
});

test('of a copy of some ranges only those are read, and the rest from the disk itself', () => {
  const only = [
    { offset: 64 * KIB, length: 4 * KIB },
    { offset: 128 * KIB, length: 64 * KIB },
    { offset: 400 * KIB, length: 4 * KIB },
  ];
  const used = [
    { offset: 0, length: 160 * KIB },
    { offset: 256 * KIB, length: 64 * KIB },
  ];
  const { extents } = diskMap({
    sizeBytes: 4 * MIB,
    table: gpt([partition(1, MIB, 2 * MIB)], 4 * MIB),
    partitions: new Map([[1, content({ used, from: { ...SNAPSHOT, only } })]]),
    pvs: [],
  });
  const inPartition = extents.filter(({ offset, kind }) => kind === 'data' && offset < 3 * MIB);
  const from = (offset: number) => ({ ...SNAPSHOT, offset });
  assert.deepEqual(inPartition, [
    { kind: 'data', offset: 0, length: MIB + 64 * KIB },
    { kind: 'data', offset: MIB + 64 * KIB, length: 4 * KIB, from: from(64 * KIB) },
    { kind: 'data', offset: MIB + 68 * KIB, length: 60 * KIB },
    { kind: 'data', offset: MIB + 128 * KIB, length: 32 * KIB, from: from(128 * KIB) },
    { kind: 'data', offset: MIB + 256 * KIB, length: 64 * KIB },
  ]);
});

test('input that does not hold together is refused', () => {
  const sizeBytes = 2 * MIB;
  const table = gpt([partition(1, MIB, 900 * KIB, 'lvm')], sizeBytes);
  const refuses = (more: Partial<DiskMapInput>, words: RegExp) =>
    assert.throws(() => diskMap({ sizeBytes, table, partitions: new Map(), pvs: [], ...more }), words);
  const a = volume('a', [[PV, 0, 3]]);
  refuses({ pvs: [pv(1, 10, [a, volume('b', [[PV, 2, 1]])], {})] }, /Extent 2 of \/dev\/sda3 is used twice/);
  refuses({ pvs: [pv(1, 10, [volume('b', [[PV, 9, 2]])], {})] }, /Extent 9/);
  refuses({ pvs: [pv(1, 100, [a], {})] }, /The extents of \/dev\/sda3 end at/);
  refuses({ pvs: [pv(2, 10, [a], {})] }, /There is no partition 2/);
  refuses({ pvs: [pv(undefined, 10, [a], {})] }, /a physical volume or has partitions/);
  refuses({ pvs: [pv(1, 10, [a], {}, { header: Buffer.alloc(512) })] }, /The header of \/dev\/sda3 has 512 bytes/);
  refuses(
    { pvs: [pv(1, 10, [a], {}, { trailer: { offset: 0, bytes: Buffer.alloc(9) } })] },
    /is not behind the extents/,
  );
  const disordered = [
    { offset: 8192, length: 4096 },
    { offset: 0, length: 4096 },
  ];
  refuses({ partitions: new Map([[1, content({ used: disordered })]]) }, /The used range of partition 1 at offset 0/);
  refuses({ partitions: new Map([[1, content({ used: [{ offset: 0, length: MIB }] })]]) }, /is not in it/);
});

/** Some volumes cut into pieces and strewn over a physical volume in any order, with used ranges in any of them. */
const layouts = fc
  .record({
    order: fc.shuffledSubarray([...Array(40).keys()], { minLength: 1 }),
    cuts: fc.array(fc.nat({ max: 3 }), { minLength: 40, maxLength: 40 }),
    kinds: fc.array(fc.constantFrom('disk', 'snapshot', 'swap', 'guests', 'unknown', 'other'), {
      minLength: 4,
      maxLength: 4,
    }),
    used: fc.array(fc.uniqueArray(fc.nat({ max: 40 * 16 - 1 }), { maxLength: 60 }), { minLength: 4, maxLength: 4 }),
  })
  .map(({ order, cuts, kinds, used }) => {
    const owner = order.map((extent, i) => ({ extent, volume: cuts[i] ?? 0 }));
    return kinds.map((kind, i) => ({
      name: `v${i}`,
      kind,
      extents: owner.filter((own) => own.volume === i).map((own) => own.extent),
      blocks: (used[i] ?? []).sort((a, b) => a - b),
    }));
  });

test('every byte that is needed is read from the place where it is, and no other is, in any layout', () => {
  fc.assert(
    fc.property(layouts, (laid) => {
      const sizeBytes = 8 * MIB;
      const dataStart = 2 * MIB + 128 * KIB;
      /** What has to be there, for each 4 KiB of the disk: "disk", a block of a snapshot, "memory" or "zero". */
      const wanted: string[] = Array(sizeBytes / 4096).fill('zero');
      const fill = (from: number, to: number, what: (i: number) => string) => {
        for (let at = from; at < to; at += 4096) wanted[at / 4096] = what((at - from) / 4096);
      };
      fill(0, MIB, () => 'disk');
      fill(sizeBytes - 20 * KIB, sizeBytes, () => 'disk');
      fill(2 * MIB, dataStart, () => 'memory');
      fill(dataStart + 41 * EXTENT_BYTES, 6 * MIB, () => 'disk');
      const contents: Record<string, VolumeContent> = {};
      const volumes = laid.map(({ name, kind, extents, blocks }, number) => {
        const inside = blocks.filter((block) => block < extents.length * 16);
        const used = inside.map((block) => ({ offset: block * 4096, length: 4096 }));
        const from = { fd: 100 + number, directFd: undefined, path: name };
        if (kind === 'disk') contents[name] = content({ used });
        else if (kind === 'snapshot') contents[name] = content({ used, from });
        else if (kind === 'swap') contents[name] = swap();
        else if (kind === 'guests') contents[name] = content({ excluded: kind });
        else if (kind === 'other') contents[name] = content({ used });
        extents.forEach((extent, i) => {
          const start = dataStart + extent * EXTENT_BYTES;
          fill(start, start + EXTENT_BYTES, (j) => {
            const block = i * 16 + j;
            if (kind === 'guests') return 'zero';
            if (kind === 'swap') return block === 0 ? 'disk' : 'zero';
            if (kind === 'unknown' || kind === 'other') return 'disk';
            if (!inside.includes(block)) return 'zero';
            return kind === 'disk' ? 'disk' : `${from.fd}@${block}`;
          });
        });
        return volume(
          name,
          extents.map((extent) => [PV, extent, 1]),
          kind === 'other' ? { role: 'other' } : {},
        );
      });
      const map = diskMap({
        sizeBytes,
        table: gpt([partition(3, 2 * MIB, 4 * MIB, 'lvm')], sizeBytes),
        partitions: new Map(),
        pvs: [pv(3, 41, volumes, contents)],
      });
      const got: string[] = [];
      let dataBytes = 0;
      for (const extent of checkExtents(map.extents, sizeBytes)) {
        if (extent.kind === 'data') dataBytes += extent.length;
        for (let at = 0; at < extent.length; at += 4096) {
          if (extent.kind !== 'data') got.push(extent.kind);
          else got.push(extent.from === undefined ? 'disk' : `${extent.from.fd}@${(extent.from.offset + at) / 4096}`);
        }
      }
      assert.deepEqual(got, wanted);
      assert.equal(map.dataBytes, dataBytes);
      const zeroBytes = got.filter((what) => what === 'zero').length * 4096;
      assert.equal(
        map.leftOut.reduce((sum, { bytes }) => sum + bytes, 0),
        zeroBytes,
      );
    }),
    { numRuns: 300 },
  );
});

test('half a million ranges in a volume of many pieces take a moment', () => {
  const pieces = 125_000;
  const sizeBytes = pieces * EXTENT_BYTES + 16 * MIB;
  const scattered = volume(
    'root',
    [...Array(pieces).keys()].map((i) => [PV, (i * 1237) % pieces, 1]),
  );
  const used = [...Array(500_000).keys()].map((i) => ({ offset: i * 16384, length: 4096 }));
  const started = process.cpuUsage();
  const map = diskMap({
    sizeBytes,
    table: gpt([partition(3, MIB, sizeBytes - 2 * MIB, 'lvm')], sizeBytes),
    partitions: new Map(),
    pvs: [pv(3, pieces, [scattered], { root: content({ used, from: SNAPSHOT }) })],
  });
  assert.ok(map.extents.length > used.length);
  assert.equal(map.dataBytes, used.length * 4096 + MIB + (14 * MIB - 128 * KIB) + 20 * KIB);
  const { user } = process.cpuUsage(started);
  assert.ok(user < 20e6, `${user / 1e6} s`);
});
