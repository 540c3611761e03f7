import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkMap, parseChunk, systemChunks } from '../../src/device/btrfs-chunks.js';
import {
  dataAddressOf,
  ITEM,
  isSubvolume,
  isTreeBlock,
  itemsOf,
  parseExtentItem,
  parseRootItem,
  parseRootRef,
  parseSuperblock,
  pointersOf,
  type Superblock,
} from '../../src/device/btrfs-format.js';
import { dataBeyond } from '../../src/device/btrfs-state.js';
import { crc32c } from '../../src/device/crc32c.js';
import { LifeboatError } from '../../src/error.js';

const MIB = 1024 ** 2;
const NODE_BYTES = 16384;
const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

const u64 = (bytes: Buffer, at: number, value: number | bigint) => bytes.writeBigUInt64LE(BigInt(value), at);

function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32c(bytes.subarray(32)), 0);
  return bytes;
}

function key(objectId: number | bigint, type: number, offset: number): Buffer {
  const bytes = Buffer.alloc(17);
  u64(bytes, 0, objectId);
  bytes.writeUInt8(type, 8);
  u64(bytes, 9, offset);
  return bytes;
}

/** A chunk of the device 1, of a type (1 data, 2 system, 4 metadata, 32 duplicated), at some offsets. */
function chunk(length: number, type: number, offsets: number[], device = 1): Buffer {
  const bytes = Buffer.alloc(48 + offsets.length * 32);
  u64(bytes, 0, length);
  u64(bytes, 24, type);
  bytes.writeUInt16LE(offsets.length, 44);
  for (const [index, offset] of offsets.entries()) {
    u64(bytes, 48 + index * 32, device);
    u64(bytes, 56 + index * 32, offset);
  }
  return bytes;
}

function superblock(change: (bytes: Buffer) => void = () => undefined, seal = sealed): Buffer {
  const bytes = Buffer.alloc(4096);
  UUID.copy(bytes, 0x20);
  u64(bytes, 0x30, 65536);
  bytes.write('_BHRfS_M', 0x40, 'latin1');
  const fields = { 72: 77, 80: 30 * MIB, 88: 22 * MIB, 112: 512 * MIB, 120: 5 * MIB, 136: 1, 164: 70, 201: 1 };
  for (const [at, value] of Object.entries(fields)) u64(bytes, Number(at), value);
  bytes.writeUInt32LE(4096, 0x90);
  bytes.writeUInt32LE(NODE_BYTES, 0x94);
  // As mkfs sets it today: 0x371.
  u64(bytes, 0xbc, 0x371);
  bytes.writeUInt8(1, 0xc6);
  const chunks = Buffer.concat([key(256, ITEM.chunk, 22 * MIB), chunk(8 * MIB, 2 | 32, [22 * MIB, 30 * MIB])]);
  bytes.writeUInt32LE(chunks.length, 0xa0);
  chunks.copy(bytes, 0x32b);
  change(bytes);
  return seal(bytes);
}

const PARSED = parseSuperblock(superblock()) as Superblock;

function leaf(items: { key: Buffer; data: Buffer }[], level = 0): Buffer {
  const bytes = Buffer.alloc(NODE_BYTES);
  UUID.copy(bytes, 0x20);
  u64(bytes, 0x30, 30 * MIB);
  u64(bytes, 0x50, 77);
  bytes.writeUInt32LE(items.length, 0x60);
  bytes.writeUInt8(level, 0x64);
  let end = NODE_BYTES - 101;
  for (const [index, item] of items.entries()) {
    const at = 101 + index * 25;
    end -= item.data.length;
    item.key.copy(bytes, at);
    bytes.writeUInt32LE(end, at + 17);
    bytes.writeUInt32LE(item.data.length, at + 21);
    item.data.copy(bytes, 101 + end);
  }
  return sealed(bytes);
}

function only(bytes: Buffer) {
  const [item] = itemsOf(bytes);
  assert.ok(item !== undefined);
  return item;
}

function extent(generation: number, flags: number, more = 9): Buffer {
  const bytes = Buffer.alloc(24 + more);
  u64(bytes, 8, generation);
  u64(bytes, 16, flags);
  return bytes;
}

const isMalformed = (error: unknown) => {
  assert.ok(error instanceof LifeboatError && /Cannot understand what btrfs/.test(error.message), String(error));
  return true;
};

test('the superblock tells where the trees begin', () => {
  assert.equal(PARSED.generation, 77);
  assert.deepEqual(PARSED.rootTree, { address: 30 * MIB, generation: 77, level: 1 });
  assert.deepEqual(PARSED.chunkTree, { address: 22 * MIB, generation: 70, level: 0 });
  assert.deepEqual([PARSED.nodeBytes, PARSED.sectorBytes, PARSED.deviceId], [NODE_BYTES, 4096, 1]);
  assert.equal(PARSED.uuid, '00112233-4455-6677-8899-aabbccddeeff');
});

test('a superblock with any bit flipped is none', () => {
  const good = superblock();
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
      // The checksum is of four bytes; its type decides what it means.
      fc.pre((at < 4 || at >= 32) && at !== 0xc4 && at !== 0xc5);
      const bytes = Buffer.from(good);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
      assert.equal(parseSuperblock(bytes), undefined);
    }),
  );
  assert.equal(parseSuperblock(good.subarray(0, 4095)), undefined);
});

test('a btrfs whose data may lie elsewhere is refused with the reason', () => {
  const cases: [(bytes: Buffer) => void, RegExp][] = [
    [(bytes) => u64(bytes, 0x88, 2), /it spans 2 devices/],
    [(bytes) => u64(bytes, 0xbc, 1 << 12), /features that are not known here \(0x1000\)/],
    [(bytes) => u64(bytes, 0xbc, 2 ** 32), /features that are not known/],
    [(bytes) => bytes.writeUInt16LE(1, 0xc4), /its checksums are of type 1, not crc32c/],
    [(bytes) => bytes.writeUInt32LE(2048, 0x90), /sectors of 2048/],
    [(bytes) => bytes.writeUInt32LE(0, 0x94), /tree blocks of 0 bytes/],
  ];
  for (const [change, words] of cases)
    assert.throws(
      () => parseSuperblock(superblock(change)),
      (error: Error) => error instanceof LifeboatError && words.test(error.message),
    );
  assert.throws(() => parseSuperblock(superblock((bytes) => bytes.writeUInt32LE(2049, 0xa0))), isMalformed);
});

test('a tree block is the one that was meant, or none', () => {
  const block = leaf([]);
  const wanted = { address: 30 * MIB, generation: 77, level: 0 };
  assert.ok(isTreeBlock(block, PARSED, wanted));
  for (const other of [{ address: 31 * MIB }, { generation: 78 }, { level: 1 }])
    assert.equal(isTreeBlock(block, PARSED, { ...wanted, ...other }), false);
  const torn = Buffer.from(block);
  torn.fill(0xa5, NODE_BYTES - 512);
  assert.equal(isTreeBlock(torn, PARSED, wanted), false);
  assert.equal(isTreeBlock(block, { metadataUuid: Buffer.alloc(16) }, wanted), false);
});

test('nodes and leaves that say more than they hold are an error', () => {
  const node = leaf([], 2);
  node.writeUInt32LE(1, 0x60);
  u64(node, 101 + 17, 40 * MIB);
  u64(node, 101 + 25, 76);
  assert.deepEqual(pointersOf(node), [{ address: 40 * MIB, generation: 76, level: 1 }]);
  node.writeUInt32LE(494, 0x60);
  assert.throws(() => pointersOf(node), isMalformed);
  assert.throws(() => pointersOf(leaf([])), isMalformed);
  const bad = leaf([{ key: key(1, 1, 1), data: Buffer.alloc(8) }]);
  bad.writeUInt32LE(NODE_BYTES, 101 + 21);
  assert.throws(() => [...itemsOf(bad)], isMalformed);
  bad.writeUInt32LE(700, 0x60);
  assert.throws(() => [...itemsOf(bad)], isMalformed);
  assert.throws(() => [...itemsOf(node)], isMalformed);
});

test('items of the root tree: where trees begin, which are deleted, what subvolumes are called', () => {
  const root = Buffer.alloc(439);
  u64(root, 160, 70);
  u64(root, 176, 33 * MIB);
  root.writeUInt32LE(1, 216);
  root.writeUInt8(2, 238);
  const alive = leaf([{ key: key(256, ITEM.rootItem, 0), data: root }]);
  assert.deepEqual(parseRootItem(alive, only(alive)), {
    id: 256,
    address: 33 * MIB,
    generation: 70,
    level: 2,
    isDead: false,
  });
  root.writeUInt32LE(0, 216);
  const dead = leaf([{ key: key(256, ITEM.rootItem, 0), data: root }]);
  assert.equal(parseRootItem(dead, only(dead)).isDead, true);
  const short = leaf([{ key: key(256, ITEM.rootItem, 0), data: Buffer.alloc(238) }]);
  assert.throws(() => parseRootItem(short, only(short)), isMalformed);

  const ref = Buffer.concat([Buffer.alloc(18), Buffer.from('@home')]);
  u64(ref, 0, 256);
  ref.writeUInt16LE(5, 16);
  const named = leaf([{ key: key(5, ITEM.rootRef, 257), data: ref }]);
  assert.deepEqual(parseRootRef(named, only(named)), { parent: 5, child: 257, directory: 256, name: '@home' });
  ref.writeUInt16LE(6, 16);
  const broken = leaf([{ key: key(5, ITEM.rootRef, 257), data: ref }]);
  assert.throws(() => parseRootRef(broken, only(broken)), isMalformed);
  // -9, the tree of data relocation, is written as 2^64 - 9.
  assert.deepEqual([5, 256, 2 ** 64 - 9, 7, 255].map(isSubvolume), [true, true, false, false, false]);
});

test('extents are data or tree blocks of both kinds, or an error', () => {
  const parsed = (type: number, offset: number, data: Buffer) => {
    const bytes = leaf([{ key: key(44 * MIB, type, offset), data }]);
    return parseExtentItem(bytes, only(bytes), NODE_BYTES);
  };
  const address = 44 * MIB;
  const data = { address, length: 8192, generation: 9, treeLevel: undefined };
  assert.deepEqual(parsed(ITEM.extent, 8192, extent(9, 1)), data);
  const tree = { address, length: NODE_BYTES, generation: 9, treeLevel: 3 };
  assert.deepEqual(parsed(ITEM.metadata, 3, extent(9, 2)), tree);
  const old = extent(9, 2, 27);
  old.writeUInt8(3, 24 + 17);
  assert.deepEqual(parsed(ITEM.extent, NODE_BYTES, old), tree);
  for (const [type, offset, bytes] of [
    [ITEM.metadata, 3, extent(9, 1)],
    [ITEM.extent, 8192, extent(9, 3)],
    [ITEM.extent, 8192, extent(9, 2, 27)],
    [ITEM.extent, NODE_BYTES, extent(9, 2, 10)],
    [ITEM.extent, 8192, Buffer.alloc(4)],
  ] as const)
    assert.throws(() => parsed(type, offset, bytes), isMalformed);
});

test('what a file extent points to: data, nothing for holes and for what lies in the leaf', () => {
  const parsed = (data: Buffer) => {
    const bytes = leaf([{ key: key(257, ITEM.extentData, 0), data }]);
    return dataAddressOf(bytes, only(bytes));
  };
  const data = Buffer.alloc(53);
  assert.equal(parsed(Buffer.alloc(30)), 0);
  data.writeUInt8(1, 20);
  assert.equal(parsed(data), 0);
  u64(data, 21, 99 * MIB);
  assert.equal(parsed(data), 99 * MIB);
  assert.throws(() => parsed(data.subarray(0, 52)), isMalformed);
  assert.throws(() => parsed(data.subarray(0, 10)), isMalformed);
});

test('chunks lead to each place where a range lies', () => {
  const map = systemChunks(PARSED);
  assert.deepEqual(map.placesOf(23 * MIB, NODE_BYTES), [23 * MIB, 31 * MIB]);
  for (const [address, length] of [
    [21 * MIB, NODE_BYTES],
    [30 * MIB, NODE_BYTES],
    [30 * MIB - 4096, NODE_BYTES],
  ] as const)
    assert.throws(() => map.placesOf(address, length), isMalformed);
  const data = { address: 100 * MIB, length: MIB, hasTrees: false, offsets: [MIB] };
  const both = new ChunkMap([data, ...map.chunks]);
  assert.deepEqual(both.treeRanges(), [
    { offset: 22 * MIB, length: 8 * MIB },
    { offset: 30 * MIB, length: 8 * MIB },
  ]);
  assert.throws(() => new ChunkMap([data, { ...data, address: data.address + 4096 }]), isMalformed);
});

test('a chunk that does not lie in one piece on this device is an error', () => {
  const parsed = (bytes: Buffer) =>
    parseChunk(bytes, { offset: 50 * MIB, start: 0, length: bytes.length }, { deviceId: 1, totalBytes: 512 * MIB });
  assert.equal(parsed(chunk(MIB, 1, [MIB])).hasTrees, false);
  assert.equal(parsed(chunk(MIB, 1 | 4, [MIB])).hasTrees, true);
  assert.deepEqual(parsed(chunk(MIB, 4 | 32, [MIB, 9 * MIB])).offsets, [MIB, 9 * MIB]);
  for (const bytes of [
    chunk(MIB, 1 | 16, [MIB, 9 * MIB]),
    chunk(MIB, 1 | 8, [MIB, 9 * MIB]),
    chunk(MIB, 4 | 32, [MIB]),
    chunk(MIB, 1, []),
    chunk(MIB, 1, [MIB], 2),
    chunk(0, 1, [MIB]),
    chunk(MIB, 1, [512 * MIB]),
    chunk(MIB, 1, [MIB]).subarray(0, 60),
    Buffer.alloc(20),
  ])
    assert.throws(() => parsed(bytes), isMalformed);
  for (const cut of [1, 17, 60, 100])
    assert.throws(() => systemChunks({ ...PARSED, systemChunks: PARSED.systemChunks.subarray(0, cut) }), isMalformed);
});

test('data that no snapshot holds are told from those that one does, whatever there is', () => {
  const addresses = fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { maxLength: 80 });
  fc.assert(
    fc.property(addresses, fc.array(fc.integer({ min: 1, max: 500 })), addresses, (all, held, always) => {
      const data = [...all].sort((a, b) => a - b).flatMap((address) => [address, 4096]);
      const found = [...dataBeyond(data, Float64Array.from(held).sort(), (address) => always.includes(address))];
      const wanted = all.filter((address) => !held.includes(address) || always.includes(address));
      assert.deepEqual(
        found.map(({ address }) => address),
        wanted.sort((a, b) => a - b),
      );
    }),
  );
});
