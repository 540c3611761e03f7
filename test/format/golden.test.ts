import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import type { CodecName } from '../../src/codec/codec.js';
import { codecByName } from '../../src/codec/index.js';
import { openImageFile } from '../../src/image/open-image.js';
import { verifyImage } from '../../src/image/verify.js';
import { ENGINES, unpack } from '../codec/samples.js';
import { THREE_CHUNKS } from './assemble.js';
import { quiet } from './damage-scan.js';

/** Files that every later version must read. They pin what is accepted, never what an encoder writes. */
const GOLDEN = resolve('test/golden');

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-golden-'));
const plainPath = join(directory, 'plain');
writeFileSync(plainPath, THREE_CHUNKS);
after(() => rmSync(directory, { recursive: true }));

const OURS: [file: string, codec: CodecName][] = [
  ['three-chunks.gz', 'gzip'],
  ['three-chunks.zst', 'zstd'],
  ['three-chunks.lz4', 'lz4'],
  ['three-chunks.xz', 'xz'],
  ['three-chunks.bz2', 'bzip2'],
];
const FOREIGN: [file: string, codec: CodecName] = ['foreign-seekable.zst', 'zstd'];

const common = () => ({ raw: false, engine: 'auto' as const, signal: new AbortController().signal });

function verify(file: string) {
  const options = { image: join(GOLDEN, file), quick: false, against: plainPath, threads: 1, ...common() };
  return verifyImage(options, quiet);
}

test('the plaintext of the golden files is what it was', () => {
  const hash = createHash('sha256').update(THREE_CHUNKS).digest('hex');
  assert.equal(hash, '89c8f71875f331e9e192d41eba7e204320b69a30169ab7f42e5c9964ac8f20ce');
});

for (const [file] of OURS) {
  test(`${file} is whole and holds its plaintext`, async () => {
    const { damage, difference, origin, proof, plainBytes } = await verify(file);
    assert.deepEqual([damage, difference?.firstOffset], [[], undefined]);
    assert.deepEqual([origin, proof, plainBytes], ['lifeboat', 'index', THREE_CHUNKS.length]);
  });
}

test('a seekable file of another tool holds its plaintext, in frames that its seek table tells', async () => {
  const [file] = FOREIGN;
  const { damage, origin, proof } = await verify(file);
  assert.deepEqual([damage, origin, proof], [[], 'foreign', 'checksums']);
  const image = await openImageFile(join(GOLDEN, file), { ...common(), salvage: false });
  assert.equal(image.table?.count, 3);
  image.close();
});

for (const [file, name] of [...OURS, FOREIGN]) {
  const codec = codecByName(name);
  for (const engine of ENGINES.filter((candidate) => codec.levels(candidate) !== undefined)) {
    test(`${file} decodes from front to back (${engine})`, async () => {
      const { plain, atEnd } = await unpack(codec, engine, readFileSync(join(GOLDEN, file)), 50);
      assert.ok(atEnd);
      assert.ok(plain.equals(THREE_CHUNKS));
    });
  }
}
