import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { directory, diskBytes, ends, fileOf, imageOf, lifeboat, MIB, namesIn, STATUS, sameFile } from './program.js';

const FLAGS = {
  image: [
    '-o, --output',
    '-c, --compress',
    '-l, --level',
    '-p, --threads',
    '--chunk',
    '--engine',
    '--bwlimit',
    '--ionice',
    '--verify',
    '--no-sha256',
    '--on-read-error',
    '-f, --force',
    '-n, --dry-run',
  ],
  verify: ['-p, --threads', '--engine', '--quick', '--against', '-c, --compress'],
  restore: [
    '-o, --output',
    '-p, --threads',
    '--engine',
    '--range',
    '--confirm',
    '--salvage',
    '--check',
    '-f, --force',
    '-c, --compress',
    '-n, --dry-run',
  ],
};
const COMMON = ['--json', '-q, --quiet', '-v, --verbose', '-h, --help', '--version'];

describe('the command line', { concurrency: 2 }, () => {
  for (const [verb, flags] of Object.entries(FLAGS)) {
    test(`${verb} --help names every flag, an example and every exit status`, async () => {
      const ran = await lifeboat([verb, '--help']);
      ends(ran, STATUS.done);
      assert.equal(ran.stderr, '');
      for (const flag of [...flags, ...COMMON]) assert.ok(ran.stdout.includes(flag), `${flag} in ${ran.stdout}`);
      assert.match(ran.stdout, /Examples:\n\s+lifeboat /);
      assert.match(ran.stdout, /0 done.*1 failed.*3 done, but not all.*11 busy/);
      assert.match(ran.stdout, /13 damage found.*14 not enough space.*64 wrong usage.*77 needs root/);
      assert.match(ran.stdout, /130, 143 stopped by SIGHUP, SIGINT, SIGTERM/);
    });
  }

  test('--help lists the commands that are there, and no others', async () => {
    const ran = await lifeboat(['--help']);
    ends(ran, STATUS.done);
    const commands = [...ran.stdout.matchAll(/^ {2}lifeboat ([\w-]+)/gm)].map((match) => match[1]);
    assert.deepEqual(commands.sort(), [
      'bench',
      'boot',
      'config',
      'doctor',
      'gpu',
      'hook',
      'image',
      'list',
      'prune',
      'report',
      'rescue-kit',
      'restore',
      'show',
      'verify',
    ]);
  });

  test('wrong usage is exit 64, says what is wrong, and writes nothing', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), diskBytes(100_000));
    const out = join(base, 'out');
    const image = ['image', source, '-o', out];
    const wrong: [string[], RegExp][] = [
      [[], /Say what to do/],
      [['imag', source], /Did you mean image|Unknown/],
      [['image'], /Not enough non-option arguments|source/],
      [['image', source], /output/],
      [['image', source, '-o'], /Not enough arguments following: o/],
      [['image', source, source, '-o', out], /Unknown argument/],
      [['image', '-', '-', '-o', out], /Unknown argument: -\n/],
      [[...image, '--frobnicate'], /Unknown argument: frobnicate/],
      [[...image, '-o', 'other'], /-o was given twice/],
      [[...image, '-c', 'zstd', '-c', 'gzip'], /-c was given twice/],
      [[...image, '--threads', '1', '--threads', '2'], /(-p|--threads) was given twice/],
      [[...image, '-c', 'lzma9000'], /lzma9000.*Choices:.*"zstd"/s],
      [[...image, '-c', '-'], /Given: "-"/],
      [[...image, '-c', ''], /The argument after -c is empty/],
      [[...image, '-l', ''], /The argument after -l is empty/],
      [[...image, '--bwlimit='], /The argument after --bwlimit is empty/],
      [['image', '', '-o', out], /argument is empty/],
      [['image', source, '-o', ''], /The argument after -o is empty/],
      [[...image, '-l', 'best'], /no level NaN/],
      [[...image, '-l', '1.5'], /no level 1\.5: .*/],
      [[...image, '-p', '0'], /--threads takes 1 to 256, not 0/],
      [[...image, '-p', '-3'], /--threads takes 1 to 256, not -3/],
      [[...image, '-p', 'all'], /--threads takes 1 to 256, not NaN/],
      [[...image, '--chunk', '4097'], /--chunk takes 4KiB to 64MiB/],
      [[...image, '--chunk', '128MiB'], /--chunk takes 4KiB to 64MiB/],
      [[...image, '--chunk', '0'], /--chunk takes 4KiB to 64MiB/],
      [[...image, '--chunk', '4 apples'], /"4 apples" is no size.*4MiB, 512K or 4096/s],
      [[...image, '--bwlimit', '-1'], /--bwlimit takes 0 to/],
      [[...image, '--bwlimit', '10M'], /--bwlimit takes 0 to/],
      [[...image, '--ionice', '9'], /--ionice takes 0 to 8, not 9/],
      [[...image, '--on-read-error', 'ignore'], /Choices: "fail", "zero"/],
      [[...image, '--engine', 'cuda'], /Choices: "auto", "native", "portable", "gpu"/],
      [['image', source, '-o', '-', '--json'], /--json and -o - both want stdout/],
      [['image', source, '-o', '-', '--verify'], /--verify cannot read back.*lifeboat verify -/s],
      [['image', base, '-o', out], /is a directory.*name the disk or partition/s],
      [['image', '/dev/null', '-o', out], /is a character device/],
      [['image', source, '-o', base], /is a directory.*name a file in it: -o .*disk\.img\.zst/s],
      [['image', source, '-o', source, '-f'], /into itself/],
      [['verify', out, '--quick', '--against', source], /--quick compares nothing/],
      [['verify', '-', '--quick'], /--quick needs a file/],
      [['verify', base], /is a directory/],
      [['restore', source, '-o', base], /./],
      [['restore', out, '-o', '-', '--json'], /both want stdout/],
      [['restore', out, '-o', '-', '--check'], /--check cannot read back/],
      [['restore', out, '-o', 'x', '--range', '5'], /"5" is no range.*OFFSET:LENGTH/s],
      [['restore', out, '-o', 'x', '--range', '0:0'], /length of 0/],
      [['restore', out, '-o', 'x', '--range', '1:2:3'], /is no range/],
      [['restore', out, '-o', 'x', '--range', '-1:5'], /is no size/],
      [['restore', out, '-o', 'x', '-c', 'zstd'], /Choices: "auto", "none"/],
    ];
    for (const [args, words] of wrong) {
      // An unknown file is damage, whatever else there is.
      const expected = args[0] === 'restore' && args[1] === source ? STATUS.damage : STATUS.usage;
      const ran = await lifeboat(args, { cwd: base });
      assert.equal(ran.status, expected, `${args.join(' ')}: ${ran.status} ${ran.stderr}`);
      assert.match(ran.stderr, words, args.join(' '));
      assert.match(ran.stderr, /^lifeboat: error: /);
      assert.ok(!ran.stderr.includes('\0') && !ran.stderr.includes('u0000'));
      if (!args.includes('--json')) assert.equal(ran.stdout, '', args.join(' '));
    }
    assert.deepEqual(namesIn(base), ['source']);
    sameFile(source, diskBytes(100_000));
  });

  test('a level that one engine lacks is exit 64 and names the engine that has it', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), 'abc');
    const image = ['image', source, '-o', join(base, 'out')];
    ends(
      await lifeboat([...image, '-c', 'gzip', '-l', '12', '--engine', 'portable']),
      STATUS.usage,
      /Only the native engine of gzip has level 12; portable takes 0 to 9\n.*--engine native/,
    );
    ends(await lifeboat([...image, '-c', 'zstd', '-l', '99']), STATUS.usage, /zstd has no level 99.*-?\d+ to 22/);
    ends(await lifeboat([...image, '-c', 'none', '-l', '3']), STATUS.usage, /none has no level 3/);
    for (const [codec, debian] of [
      ['xz', 'liblzma5'],
      ['bzip2', 'libbz2-1.0'],
    ] as const) {
      const ran = await lifeboat([...image, '-c', codec, '--engine', 'portable']);
      ends(ran, STATUS.usage, new RegExp(`${codec} has no portable engine: apt install ${debian}`));
    }
    assert.deepEqual(namesIn(base), ['source']);
  });

  test('a missing source is exit 1 and tells how to find the disks', async (t) => {
    const base = directory(t);
    for (const args of [
      ['image', join(base, 'nothing'), '-o', join(base, 'out')],
      ['verify', join(base, 'nothing')],
      ['restore', join(base, 'nothing'), '-o', join(base, 'out')],
    ]) {
      ends(await lifeboat(args), STATUS.failed, /Cannot open ".*nothing": there is no such file or device\n.*lsblk/);
    }
    assert.deepEqual(namesIn(base), []);
  });

  test('an OUT that exists is refused, and stays as it is', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), diskBytes(100_000));
    const out = fileOf(join(base, 'out'), 'precious');
    ends(await lifeboat(['image', source, '-o', out]), STATUS.failed, /Cannot write ".*out": it exists already\n.*-f/);
    const image = await imageOf(source, join(base, 'image'));
    ends(await lifeboat(['restore', image, '-o', out]), STATUS.failed, /it exists already\n.*-f/);
    sameFile(out, Buffer.from('precious'));
    assert.deepEqual(namesIn(base, 'out'), ['out']);
  });

  test('an OUT in a missing directory says so, and what to type', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), 'abc');
    const image = await imageOf(source, join(base, 'image'));
    const out = join(base, 'not mounted', 'out');
    for (const args of [
      ['image', source, '-o', out],
      ['restore', image, '-o', out],
    ]) {
      ends(await lifeboat(args), STATUS.failed, /there is no directory ".*not mounted"\n.*mkdir -p/);
    }
    assert.equal(existsSync(join(base, 'not mounted')), false);
  });

  test('a slip in a device name makes no file in /dev', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), 'abc');
    const image = await imageOf(source, join(base, 'image'));
    for (const args of [
      ['image', source, '-o', '/dev/lifeboat-no-such-disk'],
      ['restore', image, '-o', '/dev/lifeboat-no-such-disk'],
    ]) {
      ends(await lifeboat(args), STATUS.failed, /there is no such device\n.*lsblk/);
    }
    assert.deepEqual(namesIn('/dev', 'lifeboat-no-such-disk'), []);
  });

  test('a name too long for its sidecars is refused before anything is read', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), 'abc');
    ends(await lifeboat(['image', source, '-o', join(base, 'x'.repeat(250))]), STATUS.usage, /name is too long/);
    ends(await lifeboat(['image', source, '-o', join(base, 'x'.repeat(300))]), STATUS.usage, /name is too long/);
    ends(await lifeboat(['image', source, '-o', join(base, 'x'.repeat(240)), '-q']), STATUS.done);
  });

  test('names with blanks, quotes, dashes and other scripts work', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, "-it's a “disk” ü\\.img"), diskBytes(200_000));
    const out = join(base, '-o ut');
    ends(await lifeboat(['image', '-o', './-o ut', '--', source], { cwd: base }), STATUS.done);
    ends(await lifeboat(['restore', '-o', 'back', '--', '-o ut'], { cwd: base }), STATUS.done);
    sameFile(join(base, 'back'), readFileSync(source));
    assert.ok(existsSync(`${out}.json`));
  });

  test('without rights it is exit 77 and says to be root', {
    skip: process.getuid?.() === 0 ? false : 'needs root to become somebody else',
  }, async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), 'abc');
    chmodSync(base, 0o755);
    chmodSync(source, 0o600);
    const nobody = { uid: 65534, gid: 65534 };
    const ran = await lifeboat(['image', source, '-o', join(base, 'out')], nobody).catch(() => undefined);
    if (ran === undefined || ran.status === 126) return t.skip('the checkout cannot be read by others');
    ends(ran, STATUS.needsRoot, /Cannot open ".*source": EACCES.*\n.*run it as root/);
    chmodSync(source, 0o644);
    ends(await lifeboat(['image', source, '-o', join(base, 'out')], nobody), STATUS.needsRoot, /Cannot create/);
  });

  test('every size of chunk and every number of threads is taken, from the least to the most', async (t) => {
    const base = directory(t);
    const disk = diskBytes(MIB + 4321);
    const source = fileOf(join(base, 'source'), disk);
    for (const flags of [
      ['--chunk', '4096', '-c', 'lz4', '-p', '1'],
      ['--chunk', '4KiB', '-c', 'gzip'],
      ['--chunk', '64M', '-c', 'lz4'],
      ['--chunk', '64mib', '-c', 'gzip'],
      ['--chunk', '64MiB', '-c', 'bzip2', '-p', '3'],
      ['-c', 'zstd', '-l', '-7', '-p', '32'],
    ]) {
      const out = await imageOf(source, join(base, 'out'), '-f', ...flags);
      ends(await lifeboat(['restore', out, '-o', join(base, 'back'), '-f', '-q']), STATUS.done);
      sameFile(join(base, 'back'), disk);
    }
  });

  test('-n checks everything and writes nothing', async (t) => {
    const base = directory(t);
    const source = fileOf(join(base, 'source'), diskBytes(100_000));
    const image = await imageOf(source, join(base, 'image'));
    mkdirSync(join(base, 'empty'));
    const out = join(base, 'empty', 'out');
    ends(await lifeboat(['image', source, '-o', out, '-n']), STATUS.done, /would image .* with zstd 3/);
    ends(await lifeboat(['restore', image, '-o', out, '-n']), STATUS.done, /would restore .*zstd/);
    ends(
      await lifeboat(['restore', image, '-o', image, '-n', '-f']),
      STATUS.usage,
      /into itself: the image would be lost/,
    );
    assert.deepEqual(namesIn(join(base, 'empty')), []);
    ends(await lifeboat(['image', source, '-o', image, '-n']), STATUS.failed, /exists already/);
    const { stdout } = await lifeboat(['image', source, '-o', out, '-n', '--json']);
    assert.deepEqual(JSON.parse(stdout).dryRun, true);
    assert.deepEqual(namesIn(join(base, 'empty')), []);
  });
});
