import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { type TarEntry, tarArchive } from '../../src/sets/tar-archive.js';
import { directory, noise, sameBytes } from '../cli/program.js';

async function archiveOf(entries: TarEntry[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of tarArchive(entries)) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('tar unpacks what was archived, with its modes, sizes around the block and long names', async (t) => {
  const base = directory(t);
  const source = join(base, 'source');
  writeFileSync(source, noise(3_000_001));
  const long = `${'d'.repeat(90)}/${'e'.repeat(60)}/${'f'.repeat(99)}`;
  const sizes = [0, 1, 511, 512, 513];
  const entries: TarEntry[] = [
    ...sizes.map((size) => ({ name: `kit/size-${size}`, mode: 0o644, content: noise(size) })),
    { name: long, mode: 0o600, content: Buffer.from('long') },
    { name: 'kit/run', mode: 0o755, content: { path: source, sizeBytes: 3_000_001 } },
  ];
  const archive = await archiveOf(entries);
  assert.equal(archive.length % 512, 0);
  const out = join(base, 'out');
  mkdirSync(out);
  const { stderr } = await execa('tar', ['-xf', '-', '-C', out], { input: archive });
  assert.equal(stderr, '');
  for (const size of sizes) sameBytes(readFileSync(join(out, `kit/size-${size}`)), noise(size));
  assert.equal(readFileSync(join(out, long), 'utf8'), 'long');
  sameBytes(readFileSync(join(out, 'kit/run')), noise(3_000_001));
  assert.equal(statSync(join(out, 'kit/run')).mode & 0o777, 0o755);
  assert.ok((await archiveOf(entries)).equals(archive), 'another archive of the same');
});

test('a file that grows or shrinks meanwhile, and a name that is too long, are errors', async (t) => {
  const source = join(directory(t), 'source');
  writeFileSync(source, noise(1000));
  for (const sizeBytes of [999, 1001])
    await assert.rejects(archiveOf([{ name: 'a', mode: 0o644, content: { path: source, sizeBytes } }]), {
      code: 'FAILED',
      message: /it changed meanwhile/,
    });
  await assert.rejects(archiveOf([{ name: 'x'.repeat(101), mode: 0o644, content: Buffer.alloc(0) }]), RangeError);
});
