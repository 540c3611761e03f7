import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import {
  directory,
  diskBytes,
  ends,
  fileOf,
  flip,
  imageOf,
  lifeboat,
  lifeboatBytes,
  MIB,
  PROGRAM,
  STATUS,
  sameBytes,
  sameFile,
} from './program.js';

const DISK = diskBytes(3 * MIB);
const hasScript = existsSync('/usr/bin/script');

/** Runs a shell line on a terminal of 100 columns; gives what it showed there. */
async function onTerminal(line: string, env: Record<string, string> = {}): Promise<{ status: number; shown: string }> {
  const { stdout, exitCode } = await execa('script', ['-qec', `stty cols 100; ${line}`, '/dev/null'], {
    reject: false,
    stdin: 'ignore',
    extendEnv: true,
    env: { TERM: 'xterm', ...env },
    stripFinalNewline: false,
  });
  return { status: exitCode ?? -1, shown: stdout };
}

describe('what lifeboat says', { concurrency: 2 }, () => {
  test('--json gives one object on stdout, for success and for failure', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const image = join(base, 'image');
    const only = (stdout: string) => {
      assert.match(stdout, /^\{.*\}\n$/);
      return JSON.parse(stdout);
    };

    const imaged = await lifeboat(['image', source, '-o', image, '--json']);
    ends(imaged, STATUS.done);
    assert.equal(imaged.stderr, '');
    const manifest = only(imaged.stdout);
    assert.equal(manifest.out, image);
    assert.equal(manifest.source.sizeBytes, DISK.length);
    assert.equal(manifest.image.codec, 'zstd');
    assert.ok(manifest.timing.wallMs > 0);

    const verified = await lifeboat(['verify', image, '--json']);
    ends(verified, STATUS.done);
    assert.deepEqual(only(verified.stdout).damage, []);
    assert.equal(only(verified.stdout).proof, 'index');

    const restored = await lifeboat(['restore', image, '-o', join(base, 'back'), '--json', '--check']);
    ends(restored, STATUS.done);
    assert.equal(only(restored.stdout).plainBytes, DISK.length);
    assert.equal(only(restored.stdout).checked, true);

    const again = await lifeboat(['image', source, '-o', image, '--json']);
    ends(again, STATUS.failed, /^lifeboat: error: Cannot write/);
    assert.deepEqual(only(again.stdout).error, {
      code: 'FAILED',
      exitStatus: 1,
      message: `Cannot write "${image}": it exists already`,
      hint: '-f replaces it; or choose another name',
    });

    const unknown = await lifeboat(['verify', source, '--json']);
    ends(unknown, STATUS.damage);
    assert.equal(only(unknown.stdout).error.code, 'DAMAGE');

    const wrong = await lifeboat(['image', source, '--json']);
    ends(wrong, STATUS.usage);
    assert.equal(only(wrong.stdout).error.exitStatus, 64);

    const damaged = fileOf(join(base, 'damaged'), flip(readFileSync(image), 100_000));
    const found = await lifeboat(['verify', damaged, '--json']);
    ends(found, STATUS.damage);
    const { damage, lostRanges } = only(found.stdout);
    assert.equal(damage.length, 1);
    assert.deepEqual(lostRanges, [{ offset: 0, length: DISK.length }]);
  });

  test('words go to stderr, and without a terminal there is no carriage return and no colour', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    for (const args of [
      ['image', source, '-o', join(base, 'image')],
      ['verify', join(base, 'image')],
      ['restore', join(base, 'image'), '-o', join(base, 'back')],
      ['verify', source],
    ]) {
      const { stdout, stderr } = await lifeboat(args, { env: { FORCE_COLOR: '1' } });
      assert.equal(stdout, '');
      assert.ok(stderr.length > 0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      assert.doesNotMatch(stderr, /[\r\x1b]/);
    }
  });

  test('the closing words tell time, rate, ratio, engine, threads and the bottleneck', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const { stderr } = await lifeboat(['image', source, '-o', join(base, 'image'), '-p', '2', '-c', 'gzip']);
    assert.match(stderr, /3\.0 MiB.* in .* s, .* MiB\/s; image .*, ratio \d+\.\d\d/);
    assert.match(stderr, /gzip level \d, (native|portable) engine, 2 threads, chunks of 1\.0 MiB/);
    assert.match(
      stderr,
      /bottleneck: (reading|compressing|writing) \(busy: reading \d+ %, compressing \d+ %, writing \d+ %\)/,
    );
  });

  test('-q says nothing, but warnings and errors', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    for (const args of [
      ['image', source, '-o', join(base, 'image'), '-q'],
      ['verify', join(base, 'image'), '-q'],
      ['restore', join(base, 'image'), '-o', join(base, 'back'), '-q'],
    ]) {
      const ran = await lifeboat(args);
      ends(ran, STATUS.done);
      assert.deepEqual([ran.stdout, ran.stderr], ['', '']);
    }
    ends(await lifeboat(['verify', source, '-q']), STATUS.damage, /error: /);
    ends(await lifeboat(['image', '-', '-o', join(base, 'empty'), '-q']), STATUS.done, /warning: stdin was empty/);
  });

  test('in a log progress has the form of vzdump, a line every two seconds at most', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK.subarray(0, MIB));
    const flags = ['--bwlimit', '300', '--chunk', '64KiB'];
    const { stderr } = await lifeboat(['image', source, '-o', join(base, 'image'), ...flags]);
    const lines = stderr.split('\n').filter((line) => / in \d+s, /.test(line));
    assert.ok(lines.length >= 1 && lines.length <= 2, stderr);
    for (const line of lines) {
      assert.match(
        line,
        /^\d+% \(\d+.* KiB|MiB.* of 1\.0 MiB.*\) in \d+s, read: \d+(\.\d+)? MiB\/s, write: \d+(\.\d+)? MiB\/s$/,
      );
    }
  });

  test('on a terminal one line shows the progress, and is gone at the end', {
    skip: hasScript ? false : 'needs script from util-linux',
  }, async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK.subarray(0, MIB));
    const args = `image ${source} -o ${join(base, 'image')} -c zstd --bwlimit 1000 --chunk 64KiB`;
    const { status, shown } = await onTerminal(`${PROGRAM} ${args}`);
    assert.equal(status, 0, shown);
    const drawn = shown.split('\r\x1b[K');
    assert.ok(drawn.length > 2, JSON.stringify(shown));
    assert.match(drawn[1] ?? '', /^image {2}\[[#.]{24}\] +\d+% {2}read .* write .* ratio \d+\.\d\d {2}.* left$/);
    for (const line of drawn.slice(1, -1)) assert.ok(line.length < 100 && !line.includes('\n'), line);
    // The last thing drawn over the line is nothing, then come the closing words.
    assert.match(drawn.at(-1) ?? '', /^\S+source -> \S+image\r\n/);
    assert.doesNotMatch(drawn.at(-1) ?? '', /\[#/);
  });

  test('a terminal gets colours, unless NO_COLOR or TERM=dumb asks for none', {
    skip: hasScript ? false : 'needs script from util-linux',
  }, async () => {
    for (const [env, coloured] of [
      [{ NO_COLOR: '' }, true],
      [{ NO_COLOR: '1' }, false],
      [{ NO_COLOR: '', TERM: 'dumb' }, false],
    ] as const) {
      const { shown, status } = await onTerminal(`${PROGRAM} verify /nowhere`, env);
      assert.equal(status, STATUS.failed);
      assert.equal(shown.includes('\x1b['), coloured, `${JSON.stringify(env)}: ${JSON.stringify(shown)}`);
    }
  });

  test('no image is written to a terminal', { skip: hasScript ? false : 'needs script from util-linux' }, async (t) => {
    const source = fileOf(join(directory(t), 'source'), DISK);
    const { status, shown } = await onTerminal(`${PROGRAM} image ${source} -o -`);
    assert.equal(status, STATUS.usage);
    assert.match(shown, /Cannot write an image to a terminal/);
    assert.ok(shown.length < 1000);
  });

  test('a reader of stdout that goes away ends the run quietly with 141', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const image = await imageOf(source, join(base, 'image'));
    for (const line of [
      `"$1" image "$2" -o - -c none`,
      `"$1" restore "$3" -o -`,
      `"$1" restore "$3" -o - -p 1`,
      `"$1" restore - -o - < "$3"`,
    ]) {
      const { stdout, stderr } = await execa(
        'bash',
        ['-c', `${line} | head -c 1 >/dev/null; echo "\${PIPESTATUS[0]}"`, 'bash', PROGRAM, source, image],
        { reject: false, stdin: 'ignore' },
      );
      assert.deepEqual([stdout, stderr], ['141', ''], line);
    }
  });

  test('an answer that nobody could read, or that found no room, is no success', async (t) => {
    const base = directory(t);
    const image = await imageOf(fileOf(join(base, 'source'), DISK), join(base, 'image'));
    const gone = await execa('bash', [
      '-c',
      `"$1" verify --json "$2" | true; echo "\${PIPESTATUS[0]}"`,
      'bash',
      PROGRAM,
      image,
    ]);
    assert.equal(gone.stdout, '141');
    const full = await execa('sh', ['-c', '"$1" verify --json "$2" > /dev/full', 'sh', PROGRAM, image], {
      reject: false,
    });
    assert.equal(full.exitCode, STATUS.failed);
  });

  test('a run goes on when nobody reads its words any more', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK.subarray(0, MIB));
    const out = join(base, 'image');
    const { stdout } = await execa('bash', [
      '-c',
      `"$1" image "$2" -o "$3" --bwlimit 350 --chunk 64KiB 2>&1 >/dev/null | true; echo "\${PIPESTATUS[0]}"`,
      'bash',
      PROGRAM,
      source,
      out,
    ]);
    assert.equal(stdout, '0');
    ends(await lifeboat(['verify', out]), STATUS.done);
  });

  test('it leaves its pipes at its end: nothing in the background holds them', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    const since = performance.now();
    const ran = await lifeboat(['image', source, '-o', join(base, 'image'), '-p', '4', '--verify']);
    ends(ran, STATUS.done, /read back and proven/);
    assert.ok(performance.now() - since < 20_000);
  });

  test('data on stdout is complete in itself: it verifies and restores without sidecars', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), DISK);
    for (const codec of ['zstd', 'lz4', 'xz', 'none']) {
      const { bytes, status, stderr } = await lifeboatBytes([
        'image',
        source,
        '-o',
        '-',
        '-c',
        codec,
        '--chunk',
        '1MiB',
      ]);
      assert.equal(status, 0, stderr);
      const raw = codec === 'none' ? ['-c', 'none'] : [];
      ends(await lifeboat(['verify', '-', ...raw], { input: bytes }), STATUS.done);
      const back = await lifeboatBytes(['restore', '-', '-o', '-', ...raw], { input: bytes });
      sameBytes(back.bytes, DISK, codec);
      const image = fileOf(join(base, `image.${codec}`), bytes);
      ends(await lifeboat(['restore', image, '-o', join(base, `back.${codec}`), ...raw]), STATUS.done);
      sameFile(join(base, `back.${codec}`), DISK);
    }
  });
});
