import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { execa } from 'execa';
import { assembleImage, CHUNK_BYTES, PROVING_CODECS, THREE_CHUNKS } from './assemble.js';

type Proving = (typeof PROVING_CODECS)[number];

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-stock-'));
after(() => rmSync(directory, { recursive: true }));

const SUFFIX: Readonly<Record<Proving, string>> = { gzip: 'gz', zstd: 'zst', lz4: 'lz4', xz: 'xz' };

/** What a tool is called with to test a file, and to write its plaintext to stdout; `-q` where it talks of success. */
const TOOLS: Readonly<Record<Proving, { test: string[][]; decode: string[][] }>> = {
  gzip: {
    test: [
      ['gzip', '-t'],
      ['pigz', '-t'],
      ['busybox', 'gunzip', '-t'],
    ],
    decode: [['gzip', '-dc'], ['pigz', '-dc'], ['zcat'], ['busybox', 'gunzip', '-c']],
  },
  zstd: { test: [['zstd', '-q', '-t']], decode: [['zstd', '-q', '-dc']] },
  lz4: { test: [['lz4', '-q', '-t']], decode: [['lz4', '-q', '-dc']] },
  xz: {
    test: [
      ['xz', '-t'],
      ['xz', '-t', '-T2'],
      ['busybox', 'unxz', '-t'],
    ],
    decode: [
      ['xz', '-dc'],
      ['xz', '-dc', '-T2'],
      ['busybox', 'unxz', '-c'],
    ],
  },
};

/** 3,000 frames of 16 bytes: two whole pieces of gzip's index and one more. */
const MANY_FRAMES = Buffer.from(Array.from({ length: 3000 * 16 }, (_, at) => (at * at) >> 4));

const SAMPLES: [title: string, plain: Buffer, chunkBytes: number][] = [
  ['no frames', Buffer.alloc(0), CHUNK_BYTES],
  ['one frame', Buffer.from('abc'), CHUNK_BYTES],
  ['three frames', THREE_CHUNKS, CHUNK_BYTES],
  ['3,000 frames', MANY_FRAMES, 16],
];

async function run([command = '', ...args]: string[], input?: Buffer) {
  const options = { encoding: 'buffer', stripFinalNewline: false, reject: false } as const;
  const { exitCode, stdout, stderr } = await execa(
    command,
    args,
    input === undefined ? options : { ...options, input },
  );
  return { exitCode, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr).toString() };
}

async function written(codec: Proving, plain: Buffer, chunkBytes: number): Promise<{ path: string; file: Buffer }> {
  const { file } = await assembleImage(codec, plain, chunkBytes);
  const path = join(directory, `image.${SUFFIX[codec]}`);
  writeFileSync(path, file);
  return { path, file };
}

for (const codec of PROVING_CODECS) {
  for (const [title, plain, chunkBytes] of SAMPLES) {
    test(`stock tools test and decode a ${codec} image of ${title} without a word`, async () => {
      const { path, file } = await written(codec, plain, chunkBytes);
      for (const command of TOOLS[codec].test) {
        const { exitCode, stdout, stderr } = await run([...command, path]);
        assert.deepEqual([exitCode, stdout.toString(), stderr], [0, '', ''], command.join(' '));
      }
      for (const command of TOOLS[codec].decode) {
        for (const fromPipe of [false, true]) {
          const { exitCode, stdout, stderr } = fromPipe ? await run(command, file) : await run([...command, path]);
          assert.deepEqual([exitCode, stderr], [0, ''], command.join(' '));
          assert.ok(stdout.equals(plain), `${command.join(' ')}: ${stdout.length} bytes`);
        }
      }
    });
  }
}

test('zstd -l adds up the frames', async () => {
  const { path } = await written('zstd', THREE_CHUNKS, CHUNK_BYTES);
  const { exitCode, stdout, stderr } = await run(['zstd', '-l', path]);
  assert.deepEqual([exitCode, stderr], [0, '']);
  const [, row = ''] = stdout.toString().split('\n');
  // Frames, skippable ones among them, sizes, ratio, check, name.
  assert.match(row, /^\s*6\s+3\s+.*8\.98 KiB\s+\S+\s+XXH64\s/);
});

test('xz -l shows one stream of blocks that tell their sizes', async () => {
  const { path } = await written('xz', THREE_CHUNKS, CHUNK_BYTES);
  const { exitCode, stdout, stderr } = await run(['xz', '--robot', '-lvv', path]);
  assert.deepEqual([exitCode, stderr], [0, '']);
  const lines = stdout.toString().split('\n');
  assert.match(stdout.toString(), /^file\t1\t3\t\d+\t9192\t/m);
  const blocks = lines.filter((line) => line.startsWith('block\t')).map((line) => line.split('\t'));
  assert.deepEqual(
    blocks.map((fields) => [fields[7], fields[9], fields[12]]),
    [
      ['4096', 'CRC64', 'cu'],
      ['4096', 'CRC64', 'cu'],
      ['1000', 'CRC64', 'cu'],
    ],
  );
});

test('gzip -l looks at the last member only, which is empty, and shows 0', async () => {
  const { path } = await written('gzip', THREE_CHUNKS, CHUNK_BYTES);
  const { exitCode, stdout } = await run(['gzip', '-l', path]);
  assert.equal(exitCode, 0);
  assert.match(stdout.toString(), /\s0\s+-?[\d.]+%/);
});
