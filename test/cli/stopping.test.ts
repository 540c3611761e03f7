import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
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
  lifeboat,
  MIB,
  namesIn,
  noise,
  STATUS,
  sameFile,
  start,
  until,
} from './program.js';

/** vzdump kills 5 s after it has asked. */
const PATIENCE_MS = 5000;
/** Noise is the slowest that xz and bzip2 can get: about a second for each processor. */
const SLOW = noise(12 * MIB);

type Running = ReturnType<typeof start>;

/** Sends a signal, and proves that the process ends by it, in time, with one line of words. */
async function stopped(running: Running, signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', limitMs = PATIENCE_MS) {
  const since = performance.now();
  running.kill(signal);
  const ended = await running;
  const tookMs = performance.now() - since;
  assert.equal(ended.exitCode, undefined, String(ended.stderr));
  assert.equal(ended.signal, signal);
  assert.ok(tookMs < limitMs, `it took ${tookMs} ms`);
  assert.doesNotMatch(String(ended.stderr), /internal error|\n {4}at /);
  return { tookMs, stderr: String(ended.stderr) };
}

describe('a run that is stopped', { concurrency: 2 }, () => {
  for (const [name, flags, signal] of [
    ['by SIGTERM with workers', ['-c', 'xz', '-l', '9', '-p', '2'], 'SIGTERM'],
    ['by SIGINT without workers', ['-c', 'xz', '-p', '1', '--chunk', '512KiB'], 'SIGINT'],
    ['by SIGHUP while it waits for its rate', ['--bwlimit', '100', '--chunk', '64KiB'], 'SIGHUP'],
    ['by SIGTERM with bzip2', ['-c', 'bzip2', '-p', '3'], 'SIGTERM'],
  ] as const) {
    test(`${name} ends by that signal and leaves nothing of an image`, async (t) => {
      const base = directory(t);
      const source = fileOf(join(base, 'source'), SLOW);
      const running = start(['image', source, '-o', join(base, 'out'), ...flags]);
      await until('it writes', () => existsSync(join(base, 'out.partial')));
      await sleep(300);
      const { stderr } = await stopped(running, signal);
      assert.match(stderr, new RegExp(`^lifeboat: stopped by ${signal}$`, 'm'));
      assert.deepEqual(namesIn(base), ['source']);
    });
  }

  for (const [name, args] of [
    ['an image', (base: string) => ['image', '-', '-o', join(base, 'out')]],
    ['a restore', (base: string) => ['restore', '-', '-o', join(base, 'out')]],
    ['a verify', () => ['verify', '-']],
  ] as const) {
    test(`${name} of a pipe from which nothing comes ends in time`, async (t) => {
      const base = directory(t);
      const running = start(args(base), { stdin: 'pipe' });
      await sleep(600);
      await stopped(running, 'SIGTERM');
      assert.deepEqual(namesIn(base), []);
    });
  }

  test('a second SIGINT ends it at once', async (t) => {
    const base = directory(t);
    const running = start(['image', '-', '-o', join(base, 'out')], { stdin: 'pipe' });
    running.stdin?.write(SLOW.subarray(0, MIB));
    await until('it writes', () => existsSync(join(base, 'out.partial')));
    await sleep(200);
    running.kill('SIGINT');
    await sleep(200);
    const { tookMs } = await stopped(running, 'SIGINT');
    assert.ok(tookMs < 3000, `${tookMs} ms`);
    assert.deepEqual(namesIn(base), []);
  });

  test('a restore and a verify that are stopped leave nothing, and the image as it was', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), SLOW);
    const image = await imageOf(source, join(base, 'image'), '-c', 'bzip2', '--chunk', '256KiB');
    const before = namesIn(base);
    const { mtimeMs } = statSync(image);
    const restoring = start(['restore', image, '-o', join(base, 'back'), '-p', '1']);
    await until('it writes', () => existsSync(join(base, 'back.partial')));
    await sleep(100);
    await stopped(restoring, 'SIGTERM');
    assert.deepEqual(namesIn(base), before);
    const verifying = start(['verify', image, '-p', '2']);
    await sleep(350);
    await stopped(verifying, 'SIGINT');
    assert.deepEqual(namesIn(base), before);
    assert.equal(statSync(image).mtimeMs, mtimeMs);
  });

  test('a run to a FIFO that nobody reads from can be stopped', async (t) => {
    const base = directory(t);
    await execa('mkfifo', [join(base, 'fifo')]);
    const running = start(['image', fileOf(join(base, 'source'), 'abc'), '-o', join(base, 'fifo')]);
    await sleep(500);
    const { tookMs } = await stopped(running, 'SIGTERM');
    assert.ok(tookMs < 4000);
  });

  test('after kill -9 there is only a .partial, and the next run to the same place replaces it', async (t) => {
    const base = directory(t);
    const disk = diskBytes(2 * MIB);
    const source = fileOf(join(base, 'source'), disk);
    const out = join(base, 'out');
    const running = start(['image', '-', '-o', out, '-c', 'lz4'], { stdin: 'pipe' });
    running.stdin?.on('error', () => undefined);
    running.stdin?.write(noise(9 * MIB));
    await until('it has written', () => (statSync(`${out}.partial`, { throwIfNoEntry: false })?.size ?? 0) > MIB);
    running.kill('SIGKILL');
    assert.equal((await running).signal, 'SIGKILL');
    assert.deepEqual(namesIn(base, 'out'), ['out.partial']);
    await imageOf(source, out);
    assert.deepEqual(namesIn(base, 'out'), ['out', 'out.json', 'out.log', 'out.sha256']);
    ends(await lifeboat(['restore', out, '-o', join(base, 'back')]), STATUS.done);
    sameFile(join(base, 'back'), disk);
  });

  test('an image that is replaced with -f stays whole when the run is stopped', async (t) => {
    const base = directory(t);
    const disk = diskBytes(MIB);
    const out = await imageOf(fileOf(join(base, 'old'), disk), join(base, 'out'));
    const running = start(['image', '-', '-o', out, '-f'], { stdin: 'pipe' });
    running.stdin?.write(SLOW.subarray(0, MIB));
    await until('it writes', () => existsSync(`${out}.partial`));
    await sleep(200);
    running.kill('SIGINT');
    await sleep(50);
    await stopped(running, 'SIGINT');
    assert.deepEqual(namesIn(base, 'out'), ['out', 'out.json', 'out.log', 'out.sha256']);
    ends(await lifeboat(['verify', out, '--against', join(base, 'old')]), STATUS.done);
    const killed = start(['image', '-', '-o', out, '-f'], { stdin: 'pipe' });
    await until('it writes', () => existsSync(`${out}.partial`));
    killed.kill('SIGKILL');
    await killed;
    ends(await lifeboat(['verify', out, '--against', join(base, 'old')]), STATUS.done);
  });
});
