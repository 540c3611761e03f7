import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { directory, diskBytes, ends, fileOf, flip, imageOf, lifeboat, MIB, STATUS, start } from '../cli/program.js';

const DISK = diskBytes(MIB + 777);
const SELF_PROVING = ['gzip', 'zstd', 'lz4', 'xz'] as const;

/** Runs a stock tool into a file. */
async function stock(tool: string, flags: string[], source: string, file: string): Promise<string> {
  await execa(tool, [...flags, '-c', source], { stdout: { file } });
  return file;
}

describe('verify', { concurrency: 2 }, () => {
  for (const codec of [...SELF_PROVING, 'bzip2', 'none']) {
    test(`proves a whole ${codec} image, quickly too, and finds a flip with and without its sidecars`, async (t) => {
      const base = directory(t);
      const image = await imageOf(
        fileOf(join(base, 'source'), DISK),
        join(base, 'image'),
        '-c',
        codec,
        '--chunk',
        '128KiB',
      );
      ends(await lifeboat(['verify', image]), STATUS.done, /whole, .*proven by its index/);
      ends(await lifeboat(['verify', image, '--quick']), STATUS.done, /quick: only its index and its ends/);
      const bytes = readFileSync(image);
      fileOf(image, flip(bytes, bytes.length >> 1, 6));
      ends(await lifeboat(['verify', image]), STATUS.damage, /is damaged; restore --salvage/);
      fileOf(image, bytes.subarray(0, bytes.length - 1));
      ends(await lifeboat(['verify', image]), STATUS.damage);
      // A cut xz file could be anybody's: without its index there is nothing that is quick.
      const quick = await lifeboat(['verify', image, '--quick']);
      ends(quick, codec === 'xz' ? STATUS.failed : STATUS.damage);
      if (codec === 'none') return;
      for (const suffix of ['.json', '.sha256']) rmSync(image + suffix);
      const damaged = flip(bytes, bytes.length >> 1, 6);
      fileOf(image, damaged);
      ends(await lifeboat(['verify', image]), STATUS.damage);
      ends(await lifeboat(['verify', '-'], { input: damaged }), STATUS.damage);
      ends(await lifeboat(['verify', '-'], { input: bytes }), STATUS.done);
    });
  }

  test('--against names the first differing offset and how much differs', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const image = await imageOf(source, join(base, 'image'), '--chunk', '64KiB');
    ends(await lifeboat(['verify', image, '--against', source]), STATUS.done);
    const other = Buffer.from(DISK);
    for (const at of [300_001, 300_005, 900_000]) other[at] = ~(other[at] ?? 0);
    fileOf(join(base, 'other'), other);
    const args = ['verify', image, '--against', join(base, 'other')];
    ends(await lifeboat(args), STATUS.damage, /differs from ".*other" at offset 300001 first, in 3 bytes in all/);
    const ran = await lifeboat([...args, '--json', '-p', '1']);
    assert.deepEqual(JSON.parse(ran.stdout).difference, { firstOffset: 300_001, differingBytes: 3 });
    const piped = await lifeboat(['verify', '-', '--against', join(base, 'other')], { input: readFileSync(image) });
    ends(piped, STATUS.damage, /at offset 300001 first/);
    fileOf(join(base, 'other'), Buffer.concat([DISK, Buffer.from('x')]));
    ends(
      await lifeboat(args),
      STATUS.damage,
      new RegExp(`it holds ${DISK.length} bytes, ".*other" has ${DISK.length + 1}`),
    );
    fileOf(join(base, 'other'), DISK.subarray(0, DISK.length - 1));
    ends(await lifeboat(args), STATUS.damage, new RegExp(`at offset ${DISK.length - 1} first, in 1 bytes`));
    ends(await lifeboat(['verify', image, '--against', join(base, 'missing')]), STATUS.failed, /missing": there is no/);
  });

  test('says so where only one of several frames has no checksum', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const checked = readFileSync(await stock('zstd', ['-q'], source, join(base, 'checked')));
    const unchecked = readFileSync(await stock('zstd', ['-q', '--no-check'], source, join(base, 'unchecked')));
    const file = fileOf(join(base, 'both'), Buffer.concat([checked, unchecked]));
    ends(await lifeboat(['verify', file]), STATUS.done, /STRUCTURE ONLY/);
  });

  test('takes the files of stock tools, and says where nothing proves them right', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const checked = /its checksums are right/;
    const unchecked = /STRUCTURE ONLY: it decodes, but has no checksums/;
    for (const [tool, flags, words] of [
      ['gzip', [], checked],
      ['zstd', ['-q'], checked],
      ['zstd', ['-q', '--no-check'], unchecked],
      ['lz4', ['-q'], checked],
      ['lz4', ['-q', '--no-frame-crc'], unchecked],
      ['xz', ['-1'], /proven by its index|its checksums are right/],
      ['xz', ['-1', '--check=none'], unchecked],
      ['bzip2', [], checked],
    ] as const) {
      const file = await stock(tool, [...flags], source, join(base, 'foreign'));
      ends(await lifeboat(['verify', file]), STATUS.done, words);
      const { stdout } = await lifeboat(['verify', '-', '--json'], { input: readFileSync(file) });
      assert.equal(JSON.parse(stdout).proof, words === unchecked ? 'structure only' : 'checksums');
      assert.equal(JSON.parse(stdout).origin, 'foreign');
      const cut = fileOf(join(base, 'cut'), readFileSync(file).subarray(0, -5));
      ends(await lifeboat(['verify', cut]), STATUS.damage);
    }
  });

  test('a foreign file with a wrong .sha256 beside it is damaged, with a right one or none that tells of it it is not', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const file = await stock('gzip', [], source, join(base, 'disk.gz'));
    await execa('sh', ['-c', 'sha256sum disk.gz > disk.gz.sha256'], { cwd: base });
    ends(await lifeboat(['verify', file]), STATUS.done);
    const right = readFileSync(`${file}.sha256`, 'utf8');
    const other = `${'ab'.repeat(32)}  other.gz\n`;
    fileOf(`${file}.sha256`, other + right);
    ends(await lifeboat(['verify', file]), STATUS.done);
    for (const text of [`${'ab'.repeat(32)}  disk.gz\n`, `${other}${'ab'.repeat(32)} *disk.gz\n`]) {
      fileOf(`${file}.sha256`, text);
      ends(await lifeboat(['verify', file]), STATUS.damage, /does not match disk\.gz\.sha256/);
    }
    for (const text of ['', 'no checksum', other]) {
      fileOf(`${file}.sha256`, text);
      ends(await lifeboat(['verify', file]), STATUS.done);
    }
    rmSync(`${file}.sha256`);
    mkdirSync(`${file}.sha256`);
    ends(await lifeboat(['verify', file]), STATUS.done);
  });

  test('tiny files that begin as an image are damage, never an internal error', async (t) => {
    const base = directory(t);
    const magics = ['1f8b0800', '28b52ffd', '04224d18', 'fd377a585a00', '425a6839', '502a4d18', '5e2a4d18', 'ffffffff'];
    const tails = [Buffer.alloc(20), Buffer.alloc(20, 255)];
    const seen: string[] = [];
    for (const magic of magics) {
      for (const bytes of [0, 4, 7, 12, 20]) {
        const tail = tails[bytes % 2] ?? Buffer.alloc(0);
        const file = fileOf(
          join(base, `${magic}-${bytes}`),
          Buffer.concat([Buffer.from(magic, 'hex'), tail]).subarray(0, bytes),
        );
        seen.push(file);
      }
    }
    // One after another would be most of this file's time.
    const next = async (): Promise<void> => {
      for (let file = seen.pop(); file !== undefined; file = seen.pop()) {
        const input = readFileSync(file);
        const ran =
          seen.length % 2 === 0 ? await lifeboat(['verify', file]) : await lifeboat(['verify', '-'], { input });
        ends(ran, STATUS.damage);
      }
    };
    await Promise.all([next(), next()]);
  });

  test('an empty disk is an image too, of every codec', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), '');
    for (const codec of [...SELF_PROVING, 'bzip2', 'none']) {
      const image = await imageOf(source, join(base, codec), '-c', codec);
      ends(await lifeboat(['verify', image, '--against', source]), STATUS.done);
      ends(await lifeboat(['verify', image, '--quick']), STATUS.done);
    }
  });

  test('--quick of a file without an index says what to do instead', async (t) => {
    const base = directory(t);
    const file = await stock('gzip', [], fileOf(join(base, 'source'), DISK), join(base, 'disk.gz'));
    ends(await lifeboat(['verify', file, '--quick']), STATUS.failed, /has no index .*\n.*without --quick/);
  });

  test('takes pipes that come in small pieces', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    for (const codec of SELF_PROVING) {
      const image = readFileSync(await imageOf(source, join(base, codec), '-c', codec, '--chunk', '64KiB'));
      const running = start(['verify', '-', '--against', source], { stdin: 'pipe' });
      for (let at = 0; at < image.length; at += 9999) running.stdin?.write(image.subarray(at, at + 9999));
      running.stdin?.end();
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 0, String(stderr));
    }
  });
});
