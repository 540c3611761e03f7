import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { codecByName } from '../../src/codec/index.js';
import { ENGINES, encode, sample } from './samples.js';

const STOCK: readonly {
  name: 'gzip' | 'zstd' | 'lz4' | 'bzip2';
  commands: readonly (readonly [string, ...string[]])[];
}[] = [
  {
    name: 'gzip',
    commands: [
      ['gzip', '-dc'],
      ['pigz', '-dc'],
    ],
  },
  { name: 'zstd', commands: [['zstd', '-dc']] },
  { name: 'lz4', commands: [['lz4', '-dc']] },
  { name: 'bzip2', commands: [['bzip2', '-dc']] },
];

for (const { name, commands } of STOCK) {
  for (const engine of ENGINES) {
    const codec = codecByName(name);
    const range = codec.levels(engine);
    if (range === undefined) continue;
    for (const [program, ...args] of commands) {
      test(`${program} decodes ${name} (${engine}) frames at all levels, alone and one after another`, async () => {
        const plain = sample('text', 200_000);
        const levels = [...new Set([range.min, codec.defaultLevel, range.max])];
        const frames: Buffer[] = [];
        for (const level of levels) frames.push(await encode(codec, engine, plain, level));
        for (const some of [...frames.map((frame) => [frame]), frames]) {
          const input = Buffer.concat(some);
          const { stdout, stderr } = await execa(program, args, {
            input,
            encoding: 'buffer',
            stripFinalNewline: false,
          });
          assert.equal(Buffer.from(stderr).toString(), '');
          assert.ok(Buffer.concat(some.map(() => plain)).equals(stdout), `${some.length} frames`);
        }
      });

      test(`${program} decodes ${name} (${engine}) frames of no, one and random bytes`, async () => {
        for (const plain of [sample('zeros', 0), sample('text', 1), sample('random', 100_000)]) {
          const frame = await encode(codec, engine, plain);
          const { stdout } = await execa(program, args, { input: frame, encoding: 'buffer', stripFinalNewline: false });
          assert.ok(plain.equals(stdout), `${plain.length} bytes`);
        }
      });
    }
  }
}

test('zstd and lz4 know the size and the checksum of the frames of both engines', async () => {
  for (const engine of ENGINES) {
    const frame = await encode(codecByName('zstd'), engine, sample('text', 70_000));
    // Frame header descriptor: bit 2 is the checksum; content size in some bytes, bit 5 or bits 6 and 7.
    assert.equal(frame.readUInt8(4) & 4, 4);
    assert.notEqual(frame.readUInt8(4) & 0xe0, 0);
    const lz4Frame = await encode(codecByName('lz4'), engine, sample('text', 70_000));
    assert.deepEqual([...lz4Frame.subarray(0, 5)], [0x04, 0x22, 0x4d, 0x18, 0x6c]);
    assert.equal(lz4Frame.readBigUInt64LE(6), 70_000n);
  }
});
