import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import {
  directory,
  diskBytes,
  ends,
  fileOf,
  imageOf,
  lifeboat,
  MIB,
  namesIn,
  STATUS,
  sameFile,
  start,
  until,
} from '../cli/program.js';

const DISK = diskBytes(2 * MIB);
const OTHER = diskBytes(2 * MIB, 77);
const ALL = ['out', 'out.json', 'out.log', 'out.sha256'];

describe('the files of an image', { concurrency: 2 }, () => {
  test('are for root alone, and what stands in them is true', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const out = join(base, 'out');
    const args = ['image', source, '-o', out, '-c', 'lz4', '-l', '1', '--chunk', '256KiB', '-p', '2', '--verify'];
    ends(await lifeboat(args), STATUS.done);
    assert.deepEqual(namesIn(base, 'out'), ALL);
    for (const name of ALL) assert.equal(statSync(join(base, name)).mode & 0o7777, 0o600, name);

    await execa('sha256sum', ['--check', '--strict', 'out.sha256'], { cwd: base });
    const sha256 = createHash('sha256').update(readFileSync(out)).digest('hex');
    assert.equal(readFileSync(`${out}.sha256`, 'utf8'), `${sha256}  out\n`);

    const manifest = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
    assert.equal(manifest.format, 'lifeboat-manifest');
    assert.equal(manifest.formatVersion, 1);
    assert.equal(manifest.lifeboatVersion, JSON.parse(readFileSync('package.json', 'utf8')).version);
    assert.ok(Math.abs(Date.parse(manifest.createdAt) - Date.now()) < 60_000);
    const { image, timing } = manifest;
    assert.deepEqual(
      { ...manifest.source, zeroBytes: 0 },
      {
        path: source,
        kind: 'file',
        sizeBytes: DISK.length,
        logicalSectorBytes: null,
        consistency: 'unknown',
        skippedBytes: 0,
        zeroBytes: 0,
        badRanges: [],
      },
    );
    assert.ok(manifest.source.zeroBytes >= 256 * 1024);
    assert.deepEqual(
      [image.name, image.codec, image.level, image.threads, image.chunkBytes, image.frames, image.verified],
      ['out', 'lz4', 1, 2, 256 * 1024, 8, true],
    );
    assert.equal(image.sizeBytes, statSync(out).size);
    assert.equal(image.sha256, sha256);
    assert.match(image.indexHash, /^[0-9a-f]{64}$/);
    assert.ok(Math.abs(image.ratio - DISK.length / image.sizeBytes) < 1e-9);
    for (const stage of ['wallMs', 'readMs', 'readWaitMs', 'codecMs', 'codecWaitMs', 'writeMs', 'writeWaitMs'])
      assert.ok(timing[stage] >= 0, stage);
    assert.match(timing.bottleneck, /^(reading|codec|writing)$/);

    const log = readFileSync(`${out}.log`, 'utf8');
    assert.match(log, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z lifeboat image .*source -o .*out\n/);
    assert.match(log, /ratio \d/);
    assert.match(log, /lz4 level 1/);
    assert.match(log, /bottleneck: /);
  });

  test('--no-sha256 writes no checksum file, and takes away one that would be wrong', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const out = await imageOf(source, join(base, 'out'), '--no-sha256');
    assert.deepEqual(namesIn(base, 'out'), ['out', 'out.json', 'out.log']);
    await imageOf(source, out, '-f');
    assert.deepEqual(namesIn(base, 'out'), ALL);
    await imageOf(source, out, '-f', '--no-sha256');
    assert.deepEqual(namesIn(base, 'out'), ['out', 'out.json', 'out.log']);
    assert.equal(JSON.parse(readFileSync(`${out}.json`, 'utf8')).image.sha256, null);
  });

  test('-f replaces them all', async (t) => {
    const base = directory(t);
    const out = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'out'), '-c', 'gzip');
    await imageOf(fileOf(join(base, 'other'), OTHER), out, '-f');
    ends(await lifeboat(['verify', out, '--against', join(base, 'other')]), STATUS.done);
    await execa('sha256sum', ['--check', '--strict', 'out.sha256'], { cwd: base });
    assert.deepEqual(namesIn(base, 'out'), ALL);
  });

  test('those of another image are ignored, and that is said', async (t) => {
    const base = directory(t);
    const first = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'first'));
    const other = await imageOf(fileOf(join(base, 'other'), OTHER), join(base, 'second'));
    const gzip = await imageOf(join(base, 'source'), join(base, 'third'), '-c', 'gzip');
    const raw = await imageOf(join(base, 'source'), join(base, 'raw'), '-c', 'none');
    for (const stranger of [other, gzip]) {
      copyFileSync(`${stranger}.json`, `${first}.json`);
      for (const args of [
        ['verify', first],
        ['verify', first, '--quick'],
        ['restore', first, '-o', join(base, 'back'), '-f'],
      ]) {
        ends(await lifeboat(args), STATUS.done, /warning: ".*first\.json" belongs to another image: it is ignored/);
      }
      sameFile(join(base, 'back'), DISK);
    }
    // A manifest that says raw must not make a disk of compressed bytes.
    copyFileSync(`${raw}.json`, `${first}.json`);
    const ran = await lifeboat(['restore', first, '-o', join(base, 'never')]);
    assert.notEqual(ran.status, STATUS.done);
    assert.equal(existsSync(join(base, 'never')), false);
  });

  test('a manifest that is broken, a directory, or of a later version hides nothing', async (t) => {
    const base = directory(t);
    const out = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'out'));
    const manifest = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
    for (const text of ['', '{', 'null', '[]', '7', JSON.stringify({ ...manifest, formatVersion: 2 })]) {
      fileOf(`${out}.json`, text);
      ends(await lifeboat(['verify', out]), STATUS.done);
    }
    unlinkSync(`${out}.json`);
    mkdirSync(`${out}.json`);
    ends(await lifeboat(['verify', out]), STATUS.done);
  });

  test('a raw disk or bzip2 file with a damaged manifest is not called proven', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const raw = await imageOf(source, join(base, 'raw'), '-c', 'none');
    const bzip2 = await imageOf(source, join(base, 'bzip2'), '-c', 'bzip2');
    for (const out of [raw, bzip2]) {
      const manifest = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
      const block = Buffer.from(manifest.image.index, 'base64');
      block[20] = (block[20] ?? 0) ^ 1;
      manifest.image.index = block.toString('base64');
      fileOf(`${out}.json`, JSON.stringify(manifest));
    }
    ends(await lifeboat(['verify', raw]), STATUS.damage, /raw\.json" says that it is a raw disk, but is damaged/);
    ends(await lifeboat(['restore', raw, '-o', join(base, 'x')]), STATUS.damage, /-c none/);
    ends(await lifeboat(['verify', bzip2]), STATUS.done, /bzip2\.json" is damaged: .* ignored[\s\S]*it has no index/);
    ends(await lifeboat(['verify', raw, '-c', 'none']), STATUS.done, /STRUCTURE ONLY/);
  });

  test('an image may be moved with them, and renamed', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    await imageOf(source, join(base, 'out'), '-c', 'none');
    mkdirSync(join(base, 'nas'));
    for (const name of ALL) renameSync(join(base, name), join(base, 'nas', name.replace('out', 'moved')));
    ends(await lifeboat(['verify', join(base, 'nas', 'moved')]), STATUS.done, /proven by its index/);
  });

  test("somebody else's files with their names are kept, and -f replaces them", async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    for (const suffix of ['.json', '.log', '.sha256', '.map']) {
      const out = join(base, `out${suffix}`, 'image');
      mkdirSync(join(base, `out${suffix}`));
      const precious = fileOf(out + suffix, '{"mine": true}');
      ends(
        await lifeboat(['image', source, '-o', out]),
        STATUS.failed,
        new RegExp(
          `Cannot write ".*image${suffix.replace('.', '\\.')}": it exists already and was not written by lifeboat\\n.*-f`,
        ),
      );
      assert.equal(existsSync(out), false);
      sameFile(precious, Buffer.from('{"mine": true}'));
      await imageOf(source, out, '-f');
      ends(await lifeboat(['verify', out]), STATUS.done);
      assert.equal(existsSync(precious), suffix !== '.map');
    }
  });

  test('a directory with one of their names is found before the work, not after it', async (t) => {
    const base = directory(t);
    const out = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'out'));
    unlinkSync(`${out}.log`);
    mkdirSync(`${out}.log`);
    const sum = readFileSync(`${out}.sha256`, 'utf8');
    ends(
      await lifeboat(['image', fileOf(join(base, 'other'), OTHER), '-o', out, '-f']),
      STATUS.failed,
      /Cannot write ".*out\.log": it is a directory/,
    );
    assert.equal(readFileSync(`${out}.sha256`, 'utf8'), sum);
    ends(await lifeboat(['verify', out, '--against', join(base, 'source')]), STATUS.done);
  });

  test('behind a symbolic link the file it names is made, and the link stays', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    mkdirSync(join(base, 'nas'));
    fileOf(join(base, 'nas', 'real'), 'old');
    const link = join(base, 'link');
    symlinkSync('nas/real', link);
    ends(await lifeboat(['image', source, '-o', link]), STATUS.failed, /exists already/);
    await imageOf(source, link, '-f');
    assert.equal(readlinkSync(link), 'nas/real');
    assert.deepEqual(namesIn(join(base, 'nas')), ['real', 'real.json', 'real.log', 'real.sha256']);
    assert.deepEqual(namesIn(base, 'link'), ['link']);
    ends(await lifeboat(['verify', link]), STATUS.done);
    const restored = join(base, 'restored');
    symlinkSync(fileOf(join(base, 'nas', 'disk'), 'old'), restored);
    ends(await lifeboat(['restore', link, '-o', restored, '-f']), STATUS.done);
    sameFile(join(base, 'nas', 'disk'), DISK);
    assert.equal(readlinkSync(restored), join(base, 'nas', 'disk'));
    symlinkSync('nowhere', join(base, 'dangling'));
    ends(await lifeboat(['image', source, '-o', join(base, 'dangling')]), STATUS.failed, /symbolic link to nothing/);
  });
});

describe('OUT.partial', { concurrency: 2 }, () => {
  test('of a live run is exit 11, with and without -f, and that run is not disturbed', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const out = join(base, 'out');
    const living = start(['image', '-', '-o', out, '-q'], { stdin: 'pipe' });
    living.stdin?.write(OTHER.subarray(0, 1000));
    await until('it writes', () => existsSync(`${out}.partial`));
    for (const flags of [[], ['-f']]) {
      ends(
        await lifeboat(['image', source, '-o', out, ...flags]),
        STATUS.busy,
        /Cannot write ".*out\.partial": another run is writing it\n.*wait/,
      );
    }
    const image = await imageOf(source, join(base, 'image'));
    ends(await lifeboat(['restore', image, '-o', out]), STATUS.busy);
    living.stdin?.end(OTHER.subarray(1000));
    assert.equal((await living).exitCode, 0);
    fileOf(join(base, 'other'), OTHER);
    ends(await lifeboat(['verify', out, '--against', join(base, 'other')]), STATUS.done);
  });

  test('of a dead run is replaced, without a write through its other names', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const precious = fileOf(join(base, 'precious'), 'precious');
    for (const name of ['out.partial', 'out.json.partial', 'out.sha256.partial', 'out.log.partial'])
      linkSync(precious, join(base, name));
    await imageOf(source, join(base, 'out'));
    sameFile(precious, Buffer.from('precious'));
    assert.deepEqual(namesIn(base, 'out'), ALL);
    linkSync(precious, join(base, 'back.partial'));
    ends(await lifeboat(['restore', join(base, 'out'), '-o', join(base, 'back')]), STATUS.done);
    sameFile(precious, Buffer.from('precious'));
    sameFile(join(base, 'back'), DISK);
  });

  test('that is a symbolic link, a FIFO or a directory is not followed, written to or removed', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const precious = fileOf(join(base, 'precious'), 'precious');
    symlinkSync(precious, join(base, 'a.partial'));
    symlinkSync('nowhere', join(base, 'b.partial'));
    await execa('mkfifo', [join(base, 'c.partial')]);
    mkdirSync(join(base, 'd.partial'));
    for (const name of ['a', 'b', 'c', 'd']) {
      const partial = join(base, `${name}.partial`);
      const ran = await lifeboat(['image', source, '-o', join(base, name), '-f']);
      ends(ran, STATUS.failed, new RegExp(`Cannot replace ".*${basename(partial)}": it is .*\\n.*ls -ld`));
      assert.equal(existsSync(join(base, name)), false);
    }
    sameFile(precious, Buffer.from('precious'));
    assert.equal(readlinkSync(join(base, 'b.partial')), 'nowhere');
    assert.deepEqual(namesIn(base).length, 6);
  });

  test('is gone after a run that failed', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    const cut = fileOf(join(base, 'cut'), readFileSync(image).subarray(0, 300_000));
    const before = namesIn(base);
    ends(await lifeboat(['restore', '-', '-o', join(base, 'out')], { input: readFileSync(cut) }), STATUS.damage);
    ends(await lifeboat(['restore', cut, '-o', join(base, 'out')]), STATUS.damage);
    assert.deepEqual(namesIn(base), before);
  });
});
