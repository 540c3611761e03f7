import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import {
  directory,
  diskBytes,
  ends,
  fileOf,
  imageOf,
  KIB,
  lifeboat,
  MIB,
  namesIn,
  noise,
  STATUS,
  sameFile,
  start,
  until,
} from '../cli/program.js';
import { attachLoop, noLoops } from '../device/loop.js';

describe('what is imaged', { concurrency: 2 }, () => {
  test('sources of every odd length come back, from a file and from a pipe', async (t) => {
    const base = directory(t);
    for (const bytes of [0, 1, 4095, 65537]) {
      const disk = noise(bytes, bytes + 1);
      const source = fileOf(join(base, 'source'), disk);
      const out = await imageOf(source, join(base, 'out'), '-f', '--chunk', '64KiB', '-c', 'lz4');
      ends(await lifeboat(['restore', out, '-o', join(base, 'back'), '-f']), STATUS.done);
      sameFile(join(base, 'back'), disk);
      ends(await lifeboat(['image', '-', '-o', join(base, 'piped'), '-f', '-q'], { input: disk }), STATUS.done);
      ends(await lifeboat(['verify', join(base, 'piped'), '--against', source]), STATUS.done);
    }
  });

  test('holes are not read and come back as holes', async (t) => {
    const base = directory(t);
    const source = join(base, 'source');
    const fd = openSync(source, 'w');
    writeSync(fd, noise(MIB), 0, MIB, 8 * MIB);
    ftruncateSync(fd, 64 * MIB);
    closeSync(fd);
    const out = await imageOf(source, join(base, 'out'));
    const { skippedBytes, zeroBytes } = JSON.parse(readFileSync(`${out}.json`, 'utf8')).source;
    assert.ok(skippedBytes >= 56 * MIB, `${skippedBytes}`);
    assert.ok(zeroBytes >= skippedBytes);
    ends(await lifeboat(['restore', out, '-o', join(base, 'back')]), STATUS.done);
    sameFile(join(base, 'back'), readFileSync(source));
    assert.ok(statSync(join(base, 'back')).blocks * 512 < 4 * MIB);
    const raw = await imageOf(source, join(base, 'raw'), '-c', 'none');
    assert.ok(statSync(raw).blocks * 512 < 6 * MIB);
    sameFile(raw, readFileSync(source));
  });

  test('a source that grows is saved as long as it was, with a warning', async (t) => {
    const base = directory(t);
    const disk = diskBytes(MIB);
    const source = fileOf(join(base, 'source'), disk);
    const out = join(base, 'out');
    const running = start(['image', source, '-o', out, '--bwlimit', '1000', '--chunk', '64KiB']);
    await until('it writes', () => existsSync(`${out}.partial`));
    appendFileSync(source, 'more');
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, String(stderr));
    assert.match(String(stderr), /warning: ".*source" has grown from 1048576 to 1048580 bytes/);
    assert.match(JSON.parse(readFileSync(`${out}.json`, 'utf8')).warnings[0], /has grown/);
    ends(await lifeboat(['restore', out, '-o', join(base, 'back')]), STATUS.done);
    sameFile(join(base, 'back'), disk);
  });

  test('a source that shrinks is exit 1 with the offset, and no image', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), noise(MIB));
    const running = start(['image', source, '-o', join(base, 'out'), '--bwlimit', '1000', '--chunk', '64KiB']);
    await until('it writes', () => existsSync(join(base, 'out.partial')));
    truncateSync(source, 640 * KIB);
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, STATUS.failed, String(stderr));
    assert.match(String(stderr), /error: .*(655360|shorter)/);
    assert.doesNotMatch(String(stderr), /internal error/);
    assert.deepEqual(namesIn(base), ['source']);
  });

  test('--bwlimit holds the rate, and --ionice is taken', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), noise(MIB));
    const out = join(base, 'out');
    const args = ['image', source, '-o', out, '--bwlimit', '1000', '--chunk', '64KiB', '--ionice', '8', '--json'];
    const ran = await lifeboat(args);
    ends(ran, STATUS.done);
    const { wallMs } = JSON.parse(ran.stdout).timing;
    assert.ok(wallMs > 850 && wallMs < 6000, `${wallMs} ms`);
    const running = start(['image', '-', '-o', out, '-f', '--ionice', '7'], { stdin: 'pipe' });
    const priority = async () => (await execa('ionice', ['-p', String(running.pid)], { reject: false })).stdout;
    let found = await priority();
    for (let looks = 0; found !== 'best-effort: prio 7' && looks < 100; looks++) {
      await sleep(50);
      found = await priority();
    }
    running.stdin?.end();
    await running;
    assert.equal(found, 'best-effort: prio 7');
  });

  test('a read error is exit 1 with the offset; --on-read-error zero saves the rest, exit 3, and lists it', {
    skip: noLoops,
  }, async (t) => {
    const size = 8 * MIB;
    const lostFrom = 5 * MIB;
    const loop = await attachLoop(size);
    t.after(loop.detach);
    const disk = noise(size);
    const base = directory(t);
    const writing = ['restore', '-', '-c', 'none', '-o', loop.device, '--confirm', loop.device];
    ends(await lifeboat(writing, { input: disk }), STATUS.done);
    // A loop device reads errors where its file has ended meanwhile.
    truncateSync(loop.file, lostFrom);
    await execa('blockdev', ['--flushbufs', loop.device]);

    const out = join(base, 'out');
    const failed = await lifeboat(['image', loop.device, '-o', out]);
    ends(failed, STATUS.failed, /Cannot read "\/dev\/loop\d+" at offset \d+: EIO[\s\S]*--on-read-error zero/);
    assert.deepEqual(namesIn(base), []);

    const ran = await lifeboat(['image', loop.device, '-o', out, '--on-read-error', 'zero', '--json']);
    ends(ran, STATUS.partial, /warning: \d+ bytes in \d+ ranges? could not be read and were saved as zeros/);
    const { badRanges } = JSON.parse(ran.stdout).source;
    assert.deepEqual(badRanges, [{ offset: lostFrom, length: size - lostFrom }]);
    assert.deepEqual(namesIn(base), ['out', 'out.json', 'out.log', 'out.map', 'out.sha256']);
    const map = readFileSync(`${out}.map`, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('0x'));
    assert.deepEqual(map.slice(1), ['0x00000000  0x00500000  +', '0x00500000  0x00300000  -']);
    ends(await lifeboat(['restore', out, '-o', join(base, 'back')]), STATUS.done);
    const expected = Buffer.from(disk);
    expected.fill(0, lostFrom);
    sameFile(join(base, 'back'), expected);

    truncateSync(loop.file, size);
    await imageOf(loop.device, out, '-f');
    assert.equal(existsSync(`${out}.map`), false);
  });

  test('a pipe that gives nothing is told: an empty image is rarely meant', async (t) => {
    const base = directory(t);
    ends(await lifeboat(['image', '-', '-o', join(base, 'out')]), STATUS.done, /warning: stdin was empty/);
    ends(await lifeboat(['verify', join(base, 'out')]), STATUS.done);
  });
});
