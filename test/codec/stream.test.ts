import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import fc from 'fast-check';
import type { CodecName } from '../../src/codec/codec.js';
import { codecByName } from '../../src/codec/index.js';
import { ENGINES, encode, everyEngine, sample, unpack } from './samples.js';

/** Text, then a long run of zeros, then random bytes: little output and much output for a byte of input. */
function mixed(bytes: number): Buffer {
  const third = Math.floor(bytes / 3);
  return Buffer.concat([sample('text', third), sample('zeros', third), sample('random', bytes - 2 * third)]);
}

async function pack(program: string, args: readonly string[], input: Buffer): Promise<Buffer> {
  const { stdout } = await execa(program, args, { input, encoding: 'buffer', stripFinalNewline: false });
  return Buffer.from(stdout);
}

interface Foreign {
  codec: CodecName;
  title: string;
  file: Buffer;
  plain: Buffer;
}

function skippable(content: Buffer, nibble = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + nibble, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
}

async function gzipFiles(plain: Buffer): Promise<Foreign[]> {
  const whole = await pack('gzip', ['-9c'], plain);
  const pigz = await pack('pigz', ['-c', '-p2', '-b128'], plain);
  const twice = Buffer.concat([plain, plain]);
  return [
    { codec: 'gzip', title: 'gzip -9', file: whole, plain },
    { codec: 'gzip', title: 'pigz', file: pigz, plain },
    { codec: 'gzip', title: 'two members', file: Buffer.concat([whole, pigz]), plain: twice },
    { codec: 'gzip', title: 'zeros behind the end', file: Buffer.concat([whole, Buffer.alloc(70_001)]), plain },
  ];
}

async function zstdFiles(plain: Buffer): Promise<Foreign[]> {
  const long = await pack('zstd', ['-19', '--long=27', '-c'], plain);
  const threads = await pack('zstd', ['-3', '-T2', '-c', '--no-check'], plain);
  const frames = [skippable(Buffer.from('first')), long, skippable(Buffer.alloc(0), 14), threads, skippable(plain, 15)];
  return [
    { codec: 'zstd', title: 'zstd -19 --long=27', file: long, plain },
    { codec: 'zstd', title: 'zstd -T2 --no-check', file: threads, plain },
    { codec: 'zstd', title: 'skippable frames', file: Buffer.concat(frames), plain: Buffer.concat([plain, plain]) },
  ];
}

async function lz4Files(plain: Buffer): Promise<Foreign[]> {
  const linked = await pack('lz4', ['-9', '-B4', '-BD', '-c'], plain);
  const independent = await pack('lz4', ['-B5', '-BI', '-BX', '--content-size', '-c'], plain);
  const bare = await pack('lz4', ['-1', '--no-frame-crc', '-c'], plain);
  const frames = [linked, skippable(Buffer.from('between')), independent, skippable(Buffer.alloc(1), 15)];
  return [
    { codec: 'lz4', title: 'lz4 -9 -B4 -BD', file: linked, plain },
    { codec: 'lz4', title: 'lz4 -BI -BX', file: independent, plain },
    { codec: 'lz4', title: 'lz4 without checksum', file: bare, plain },
    { codec: 'lz4', title: 'skippable frames', file: Buffer.concat(frames), plain: Buffer.concat([plain, plain]) },
  ];
}

async function xzFiles(plain: Buffer): Promise<Foreign[]> {
  const threads = await pack('xz', ['-T2', '--block-size=65536', '-c'], plain);
  const sha = await pack('xz', ['-0', '--check=sha256', '--x86', '--lzma2=preset=1', '-c'], plain);
  const padded = Buffer.concat([threads, Buffer.alloc(8), sha, Buffer.alloc(4)]);
  return [
    { codec: 'xz', title: 'xz -T2', file: threads, plain },
    { codec: 'xz', title: 'xz with SHA-256 and a filter', file: sha, plain },
    { codec: 'xz', title: 'two streams with padding', file: padded, plain: Buffer.concat([plain, plain]) },
  ];
}

async function bzip2Files(plain: Buffer): Promise<Foreign[]> {
  const whole = await pack('bzip2', ['-9c'], plain);
  const small = await pack('bzip2', ['-1c'], plain);
  const parts = Buffer.concat([whole, small, whole]);
  return [
    { codec: 'bzip2', title: 'bzip2 -9', file: whole, plain },
    {
      codec: 'bzip2',
      title: 'streams in a row, as pbzip2 writes',
      file: parts,
      plain: Buffer.concat([plain, plain, plain]),
    },
  ];
}

async function foreignFiles(plain: Buffer): Promise<Foreign[]> {
  const files = [gzipFiles, zstdFiles, lz4Files, xzFiles, bzip2Files].map((make) => make(plain));
  return (await Promise.all(files)).flat();
}

const ENGINES_OF = (name: CodecName) => ENGINES.filter((engine) => codecByName(name).levels(engine) !== undefined);

test('stream decoders read foreign files, in pieces of any size', async () => {
  for (const { codec, title, file, plain } of await foreignFiles(mixed(500_000))) {
    for (const engine of ENGINES_OF(codec)) {
      for (const [inBytes, outBytes] of [
        [65_536, 65_536],
        [1 << 20, 1 << 20],
        [100_003, 4096],
        [509, 70_001],
      ] as const) {
        const unpacked = await unpack(codecByName(codec), engine, file, inBytes, outBytes);
        const where = `${title} (${engine}) by ${inBytes} and ${outBytes} bytes`;
        assert.ok(unpacked.plain.equals(plain), where);
        assert.ok(unpacked.atEnd, where);
      }
    }
  }
});

test('stream decoders read foreign files byte by byte', async () => {
  for (const { codec, title, file, plain } of await foreignFiles(mixed(2000))) {
    for (const engine of ENGINES_OF(codec)) {
      for (const [inBytes, outBytes] of [
        [1, 1],
        [7, 3],
        [1, 5000],
        [5000, 1],
      ] as const) {
        const unpacked = await unpack(codecByName(codec), engine, file, inBytes, outBytes);
        const where = `${title} (${engine}) by ${inBytes} and ${outBytes} bytes`;
        assert.ok(unpacked.plain.equals(plain), where);
        assert.ok(unpacked.atEnd, where);
      }
    }
  }
});

test('stream decoders do not call a file whole that is cut at any byte', async () => {
  for (const { codec, title, file, plain } of await foreignFiles(mixed(300))) {
    for (const engine of ENGINES_OF(codec)) {
      let wholeCuts = 0;
      for (let bytes = 0; bytes < Math.min(file.length, 3000); bytes++) {
        const unpacked = await unpack(codecByName(codec), engine, file.subarray(0, bytes));
        const where = `${title} (${engine}) cut at ${bytes}`;
        assert.ok(plain.subarray(0, unpacked.plain.length).equals(unpacked.plain), where);
        if (!unpacked.atEnd) continue;
        // Only between whole members, streams or frames.
        assert.equal(unpacked.plain.length % 300, 0, where);
        wholeCuts++;
      }
      const single = /gzip -9|pigz|zstd -|lz4|xz|bzip2 -9/.test(title);
      if (single) assert.equal(wholeCuts, 0, `${title} (${engine})`);
    }
  }
});

for (const { codec, engine, title } of everyEngine()) {
  if (codec.name === 'none') continue;

  if (codec.name !== 'xz') {
    test(`${title} stream decoder reads our own frames`, async () => {
      const parts = [sample('text', 70_000), sample('zeros', 0), sample('random', 1000), sample('zeros', 90_000)];
      const frames: Buffer[] = [];
      for (const part of parts) frames.push(await encode(codec, engine, part));
      const unpacked = await unpack(codec, engine, Buffer.concat(frames), 999, 1001);
      assert.ok(unpacked.plain.equals(Buffer.concat(parts)));
      assert.ok(unpacked.atEnd);
    });
  }

  test(`${title} stream decoder refuses other bytes behind the last frame`, async () => {
    const file = (await foreignFiles(mixed(300))).find((foreign) => foreign.codec === codec.name)?.file;
    assert.ok(file);
    const behind = [Buffer.from('rubbish of some length, so that any header is whole'), Buffer.alloc(64, 0xff)];
    if (codec.name !== 'gzip' && codec.name !== 'xz') behind.push(Buffer.alloc(64));
    if (codec.name === 'xz') behind.push(Buffer.concat([Buffer.alloc(3), file]));
    if (codec.name === 'gzip') behind.push(Buffer.concat([Buffer.alloc(5), file]));
    for (const more of behind) {
      const long = Buffer.concat([file, more]);
      await assert.rejects(unpack(codec, engine, long), { code: 'DAMAGE' });
      await assert.rejects(unpack(codec, engine, long, 1, 100), { code: 'DAMAGE' });
    }
  });

  test(`${title} stream decoder does not take an empty file for a whole one`, async () => {
    assert.deepEqual(await unpack(codec, engine, Buffer.alloc(0)), { plain: Buffer.alloc(0), atEnd: false });
  });

  test(`${title} stream decoder refuses a file of another kind`, async () => {
    for (const file of [sample('zeros', 500), sample('text', 500), Buffer.alloc(500, 0xff)]) {
      await assert.rejects(unpack(codec, engine, file), { code: 'DAMAGE' });
    }
  });

  test(`${title} stream decoder never calls wrong plaintext whole after a flip of one bit`, async () => {
    // Of the files that carry a checksum.
    const foreign = (await foreignFiles(mixed(300))).find((candidate) => candidate.codec === codec.name);
    assert.ok(foreign);
    for (let bit = 0; bit < foreign.file.length * 8; bit++) {
      const file = Buffer.from(foreign.file);
      file.writeUInt8(file.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const unpacked = await unpack(codec, engine, file).catch((error) => {
        if (error.code === 'DAMAGE' || error.hint === 'apt install libzstd1') return undefined;
        throw error;
      });
      if (unpacked?.atEnd) assert.ok(unpacked.plain.equals(foreign.plain), `bit ${bit & 7} of byte ${bit >> 3}`);
    }
  });

  test(`${title} stream decoder does not mind how the file is cut into pieces`, async () => {
    const plain = mixed(20_000);
    const foreign = (await foreignFiles(plain)).find((candidate) => candidate.codec === codec.name);
    assert.ok(foreign);
    const size = fc.oneof(fc.integer({ min: 16, max: 300 }), fc.integer({ min: 1000, max: 50_000 }));
    const property = fc.asyncProperty(size, size, async (inBytes, outBytes) => {
      const unpacked = await unpack(codec, engine, foreign.file, inBytes, outBytes);
      return unpacked.atEnd && unpacked.plain.equals(foreign.plain);
    });
    await fc.assert(property, { numRuns: 20 });
  });
}
