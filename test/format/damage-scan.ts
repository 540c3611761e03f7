import assert from 'node:assert/strict';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CodecName } from '../../src/codec/codec.js';
import { LifeboatError } from '../../src/error.js';
import { runImage } from '../../src/image/image.js';
import { openImageStream } from '../../src/image/open-stream.js';
import type { RunReport } from '../../src/image/report.js';
import { verifyImage, verifyOpenImage } from '../../src/image/verify.js';
import { imageOptions } from '../image/image-options.js';
import { CHUNK_BYTES, THREE_CHUNKS } from './assemble.js';

export const quiet: RunReport = { warn() {}, detail() {}, follow: () => () => undefined };

const THREE_BYTES = Buffer.from('abc');

type Verify = (path: string) => Promise<string[]>;

const common = () => ({
  raw: false,
  quick: false,
  against: undefined,
  threads: 1,
  engine: 'native' as const,
  signal: new AbortController().signal,
});

export async function verifyFile(path: string): Promise<string[]> {
  return (await verifyImage({ image: path, ...common() }, quiet)).damage;
}

export async function verifyPipe(path: string): Promise<string[]> {
  const fd = openSync(path, 'r');
  try {
    const options = common();
    const image = await openImageStream(fd, 'stdin', { ...options, salvage: false });
    return (await verifyOpenImage({ image: '-', ...options }, image, quiet)).damage;
  } finally {
    closeSync(fd);
  }
}

/** Whether it says that there is damage, either way; anything but an answer is thrown. */
async function findsDamage(verify: Verify, path: string): Promise<boolean> {
  try {
    return (await verify(path)).length > 0;
  } catch (error) {
    if (error instanceof LifeboatError && error.code === 'DAMAGE') return true;
    throw error;
  }
}

/** Makes an image with its sidecars in a directory of its own. */
export async function withImage(codec: CodecName, plain: Buffer, body: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-damage-'));
  try {
    const source = join(directory, 'source');
    const out = join(directory, 'image');
    writeFileSync(source, plain);
    const { engine, threads } = common();
    const options = imageOptions({ source, out, codec, chunkBytes: CHUNK_BYTES, sha256: true, engine, threads });
    await runImage(options, quiet);
    await body(out);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export function removeSidecars(path: string): void {
  const directory = join(path, '..');
  for (const name of readdirSync(directory)) {
    if (name.startsWith('image.')) rmSync(join(directory, name));
  }
}

interface ScanOptions {
  path: string;
  verify: Verify;
  /** Every so-many-th bit is flipped, and the file is cut at every so-many-th byte. */
  step?: number;
}

/** Flips bits and cuts, one at a time. @returns what `verify` did not find */
async function scan({ path, verify, step = 1 }: ScanOptions): Promise<string[]> {
  const bytes = readFileSync(path);
  assert.deepEqual(await verify(path), [], 'the image as it was written');
  const missed: string[] = [];
  const fd = openSync(path, 'r+');
  try {
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      const at = bit >> 3;
      writeSync(fd, Buffer.from([bytes.readUInt8(at) ^ (1 << (bit & 7))]), 0, 1, at);
      const found = await findsDamage(verify, path);
      if (!found) missed.push(`flip of bit ${bit & 7} of byte ${at}`);
      writeSync(fd, bytes, at, 1, at);
    }
    for (let length = bytes.length - 1; length >= 0; length -= step) {
      ftruncateSync(fd, length);
      if (!(await findsDamage(verify, path))) missed.push(`cut at byte ${length}`);
    }
  } finally {
    closeSync(fd);
    writeFileSync(path, bytes);
  }
  return missed;
}

/**
 * One file of tests for each codec, thus one process: a slot memory reserves 10 GiB of address space, and a process has
 * room for 12,000 of them if they are not given back at once.
 */
export function testDamageOf(codec: CodecName): void {
  const images: [string, Buffer][] = [
    ['no bytes', Buffer.alloc(0)],
    ['3 bytes', THREE_BYTES],
    ['3 chunks', THREE_CHUNKS],
  ];
  for (const [title, plain] of images) {
    test(`verify finds every flipped bit and every cut of a ${codec} image of ${title} without sidecars`, () =>
      withImage(codec, plain, async (path) => {
        removeSidecars(path);
        assert.deepEqual(await scan({ path, verify: verifyFile }), []);
      }));

    test(`verify finds flipped bits and cuts of a ${codec} image of ${title} beside its sidecars`, () =>
      withImage(codec, plain, async (path) => assert.deepEqual(await scan({ path, verify: verifyFile, step: 5 }), [])));

    test(`verify finds flipped bits and cuts of a ${codec} image of ${title} on stdin`, () =>
      withImage(codec, plain, async (path) => assert.deepEqual(await scan({ path, verify: verifyPipe, step: 3 }), [])));
  }
}

/** For codecs whose files have no place for an index: the manifest beside them has it. */
export function testDamageWithSidecarsOf(codec: CodecName): void {
  for (const [title, plain] of [['3 bytes', THREE_BYTES] as const, ['3 chunks', THREE_CHUNKS] as const]) {
    const step = plain.length > 1000 && codec === 'none' ? 23 : 1;
    test(`verify finds flipped bits and cuts of a ${codec} image of ${title} beside its sidecars`, () =>
      withImage(codec, plain, async (path) => assert.deepEqual(await scan({ path, verify: verifyFile, step }), [])));
  }
}
