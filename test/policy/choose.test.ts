import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CodecName } from '../../src/codec/codec.js';
import { BUILT_IN_CALIBRATION, type Calibration, speedOf, withBuiltIn } from '../../src/policy/calibration.js';
import { choose } from '../../src/policy/choose.js';
import { type ChoiceFacts, DATA_KINDS, PRIORITIES } from '../../src/policy/facts.js';
import type { PastRun } from '../../src/policy/past-run.js';

const GIB = 1024 ** 3;
const MB = 1e6;

const facts = (more: Partial<ChoiceFacts> = {}): ChoiceFacts => ({
  priority: 'balanced',
  kind: 'general',
  codecs: ['zstd', 'lz4', 'xz'],
  cores: 4,
  threads: 4,
  load: 0,
  cpuPressure: 0,
  ioPressure: 0,
  memoryPressure: 0,
  availableBytes: 16 * GIB,
  guests: 0,
  isIncompressible: false,
  sourceBytes: 100 * GIB,
  source: '/dev/sda',
  bwlimitBytesPerSecond: undefined,
  finishInMs: undefined,
  gpu: undefined,
  calibration: undefined,
  pastRuns: [],
  ...more,
});
const chosen = (more: Partial<ChoiceFacts>) => {
  const { codec, level } = choose(facts(more));
  return `${codec} ${level}`;
};
const slowTarget: Calibration = { ...BUILT_IN_CALIBRATION, codecs: [], writeBytesPerSecond: 100 * MB };
const withCodecs = (calibration: Calibration) => ({ ...calibration, codecs: BUILT_IN_CALIBRATION.codecs });

test('between quiet and busy it is zstd 3', () => {
  for (const load of [0.3, 0.5, 0.7]) assert.equal(chosen({ load }), 'zstd 3');
});

test('a quiet host of which nothing is known begins with the level that its processors keep up with any disk', () => {
  const quiet = (cores: number, more: Partial<ChoiceFacts> = {}) =>
    chosen({ cores, threads: cores, load: 0.29, ...more });
  assert.deepEqual([quiet(2), quiet(4), quiet(16), quiet(32)], ['zstd 3', 'zstd 3', 'zstd 5', 'zstd 9']);
  assert.equal(quiet(32, { threads: 2 }), 'zstd 3');
  const { reasons } = choose(facts({ cores: 32, threads: 32 }));
  assert.match(reasons.join('; '), /level 9 instead of 3 ends no later, as long as the disk gives 1500 MB\/s at most/);
});

const gpu = { name: 'H200', devices: ['H200', 'H200'], compressBytesPerSecond: 8e9, ratio: 2 };

test('a load over 70 % brings lz4, on a graphics card alone if there is one', () => {
  assert.equal(chosen({ load: 0.71 }), 'lz4 1');
  const choice = choose(facts({ load: 0.71, gpu }));
  assert.deepEqual([choice.codec, choice.level, choice.levels], ['lz4', 1, undefined]);
  assert.deepEqual(choice.gpu, { name: 'H200', devices: ['H200', 'H200'], isHybrid: false });
  assert.match(
    choice.reasons.join('; '),
    /71 % busy, over 70 %; H200 does 8000 MB\/s of lz4 for 2 threads that would do/,
  );
  assert.equal(choose(facts({ load: 0.2, gpu })).gpu, undefined);
  // A file that is called .zst gets the nearest that zstd has.
  assert.equal(chosen({ load: 0.71, codecs: ['zstd'] }), 'zstd -7');
  assert.equal(choose(facts({ load: 0.71, gpu, codecs: ['zstd'] })).gpu, undefined);
});

test('a card that does less than the threads that feed it would is left alone', () => {
  const slow = { ...gpu, compressBytesPerSecond: 1.4e9 };
  const choice = choose(facts({ load: 0.9, gpu: slow }));
  assert.deepEqual([choice.codec, choice.gpu], ['lz4', undefined]);
  assert.match(
    choice.reasons.join('; '),
    /not on the card: H200 does 1400 MB\/s of lz4 for 2 threads that would do 1500/,
  );
  assert.notEqual(choose(facts({ load: 0.9, gpu: { ...slow, devices: ['H200'] } })).gpu, undefined);
});

test('where speed counts a card works beside the processors, if that ends sooner', () => {
  const fast = { priority: 'speed', gpu } as const;
  const { codec, gpu: card, reasons } = choose(facts(fast));
  assert.deepEqual([codec, card?.isHybrid], ['lz4', true]);
  assert.match(reasons.join('; '), /H200 beside the processors: 8000 MB\/s of lz4 more/);
  // Bound by the target, a higher ratio ends sooner than more speed.
  const bound = { ...withCodecs(slowTarget), gpus: [] };
  assert.equal(choose(facts({ ...fast, calibration: bound })).gpu, undefined);
  assert.equal(choose(facts({ priority: 'ratio', gpu })).gpu, undefined);
});

test('an end that was promised brings the card where nothing else keeps it', () => {
  const late = { sourceBytes: 1000 * GIB, finishInMs: 130_000, threads: 2, cores: 2 };
  assert.equal(choose(facts({ ...late, gpu })).gpu?.isHybrid, true);
  assert.equal(choose(facts({ ...late, gpu, finishInMs: 3_600_000 })).gpu, undefined);
});

test('little memory has one thread feed a card, and less none', () => {
  const feeders = (availableBytes: number) => choose(facts({ load: 0.8, gpu, availableBytes })).gpu?.devices.length;
  assert.deepEqual([feeders(16 * GIB), feeders(2.5 * GIB), feeders(1.9 * GIB)], [2, 1, undefined]);
});

test('less than 2 GiB of free memory, or pressure on it, brings what needs the least', () => {
  for (const short of [{ availableBytes: 2 * GIB - 1 }, { memoryPressure: 0.11 }]) {
    const { codec, threads, chunkBytes } = choose(facts(short));
    assert.deepEqual([codec, threads, chunkBytes], ['lz4', 2, 1024 ** 2]);
  }
  assert.equal(chosen({ availableBytes: 2 * GIB }), 'zstd 3');
});

test('databases begin at zstd 6, logs at 9, what cannot be compressed is not tried', () => {
  assert.equal(chosen({ kind: 'database' }), 'zstd 6');
  assert.equal(chosen({ kind: 'logs' }), 'zstd 9');
  assert.equal(chosen({ isIncompressible: true }), 'lz4 1');
});

test('an archive is zstd 19, or xz where that restores in time', () => {
  assert.equal(chosen({ priority: 'ratio', threads: 2, sourceBytes: 500 * GIB }), 'zstd 19');
  assert.equal(chosen({ priority: 'ratio', sourceBytes: undefined }), 'zstd 19');
  assert.equal(chosen({ priority: 'ratio', threads: 16, sourceBytes: 100 * GIB }), 'xz 6');
  // 64 contexts of zstd 19 are 6 GB.
  const { level } = choose(facts({ priority: 'ratio', codecs: ['zstd'], threads: 64, availableBytes: 8 * GIB }));
  assert.ok(level < 13, `level ${level}`);
});

test('a slow target makes a higher level free, on a quiet host and as far as processors go', () => {
  const calibration = withCodecs(slowTarget);
  const quiet = choose(facts({ calibration, load: 0.1 }));
  assert.ok(quiet.codec === 'zstd' && quiet.level > 3, `${quiet.codec} ${quiet.level}`);
  assert.ok(quiet.reasons.some((why) => why.includes('write 100 MB/s')));
  const busier = choose(facts({ calibration, load: 0.6 }));
  assert.ok(busier.level < quiet.level && busier.level >= 3);
  // With one thread the processor is what all wait for.
  assert.equal(choose(facts({ calibration, cores: 1, threads: 1 })).level, 3);
});

test('a slow source makes a higher level free too, and so does a limit', () => {
  const calibration = { ...withCodecs(slowTarget), writeBytesPerSecond: 5e9, readBytesPerSecond: 150 * MB };
  assert.ok(choose(facts({ calibration })).level > 5);
  assert.ok(choose(facts({ bwlimitBytesPerSecond: 50 * MB })).level > 5);
});

test('no choice of levels from the base on would have ended sooner by more than 3 %', () => {
  const rate = fc.integer({ min: 10, max: 5000 }).map((mb) => mb * MB);
  fc.assert(
    fc.property(rate, rate, fc.integer({ min: 1, max: 64 }), (readBytesPerSecond, writeBytesPerSecond, cores) => {
      const calibration = { ...BUILT_IN_CALIBRATION, readBytesPerSecond, writeBytesPerSecond };
      const made = choose(facts({ calibration, cores, threads: cores, availableBytes: 256 * GIB }));
      const speed = (level: number) => {
        const row = speedOf(calibration, 'zstd', level);
        assert.ok(row);
        return Math.min(readBytesPerSecond, writeBytesPerSecond * row.ratio, cores * row.bytesPerSecondPerThread);
      };
      const best = Math.max(...[3, 4, 5, 6, 7, 9, 12].map(speed));
      assert.ok(speed(made.level) * 1.031 >= best, `level ${made.level}: ${speed(made.level)} of ${best}`);
    }),
  );
});

test('priority speed ends soonest: lz4 with fast disks, a level with a slow target', () => {
  assert.match(chosen({ priority: 'speed' }), /^(lz4 1|zstd -\d)$/);
  assert.match(chosen({ priority: 'speed', calibration: withCodecs(slowTarget) }), /^zstd \d+$/);
});

test('an end that was promised brings the densest that keeps it, or the quickest there is', () => {
  const archive = { priority: 'ratio' as const, codecs: ['zstd' as const] };
  const soon = choose(facts({ ...archive, finishInMs: 20 * 60_000 }));
  assert.ok(soon.level > 3 && soon.level < 13, `level ${soon.level}`);
  const late = choose(facts({ finishInMs: 1000 }));
  assert.match(late.reasons.at(-1) ?? '', /will not do/);
  assert.ok(late.codec === 'lz4' || late.level < 0);
  assert.equal(chosen({ finishInMs: 10 * 3_600_000 }), 'zstd 3');
});

test('past runs of the same source tell how it compresses and what the target takes; those of others do not', () => {
  const run: PastRun = {
    time: '2026-11-20T00:00:00.000Z',
    source: '/dev/sda',
    codec: 'zstd',
    level: 3,
    ratio: 2.66,
    bytesPerSecond: 200 * MB,
    writeBytesPerSecond: 75 * MB,
    bottleneck: 'writing',
  };
  assert.ok(choose(facts({ pastRuns: [run, run] })).level > 3);
  assert.equal(choose(facts({ pastRuns: [{ ...run, source: '/dev/sdb' }] })).level, 3);
  assert.equal(choose(facts({ pastRuns: [{ ...run, bottleneck: 'codec' }] })).level, 3);
  assert.equal(choose(facts({ pastRuns: [{ ...run, ratio: Number.NaN }] })).level, 3);
});

test("a host's own calibration moves what it did not measure along", () => {
  const zstd3 = BUILT_IN_CALIBRATION.codecs.find(({ codec, level }) => codec === 'zstd' && level === 3);
  assert.ok(zstd3);
  const half = { ...zstd3, bytesPerSecondPerThread: zstd3.bytesPerSecondPerThread / 2 };
  const whole = withBuiltIn({ madeAt: '', threads: 1, codecs: [half, { ...half, level: 9, ratio: Number.NaN }] });
  const builtIn = speedOf(BUILT_IN_CALIBRATION, 'lz4', 1)?.bytesPerSecondPerThread ?? 0;
  assert.equal(speedOf(whole, 'lz4', 1)?.bytesPerSecondPerThread, builtIn / 2);
  assert.equal(speedOf(whole, 'zstd', 9)?.ratio, speedOf(BUILT_IN_CALIBRATION, 'zstd', 9)?.ratio);
});

test('whatever the numbers are, a choice can be run: no NaN, no zero threads, a level that exists, a reason', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(undefined, Number.NaN, 0, -1, Number.POSITIVE_INFINITY));
  const any = fc.record({
    priority: fc.constantFrom(...PRIORITIES),
    kind: fc.constantFrom(...DATA_KINDS),
    codecs: fc.constantFrom<CodecName[]>(['zstd'], ['zstd', 'lz4', 'xz']),
    cores: number.map((value) => value ?? 0),
    threads: number.map((value) => value ?? 0),
    load: number,
    memoryPressure: number,
    availableBytes: number,
    sourceBytes: number,
    bwlimitBytesPerSecond: number,
    finishInMs: number,
    isIncompressible: fc.constantFrom(true, false, undefined),
  });
  fc.assert(
    fc.property(any, (given) => {
      const made = choose(facts(given));
      assert.ok(Number.isInteger(made.level) && made.level >= -7 && made.level <= 19, `level ${made.level}`);
      assert.ok(made.threads >= 1 && Number.isInteger(made.threads));
      assert.ok(made.reasons.length > 0 && !made.reasons.join().includes('NaN'), made.reasons.join());
      assert.ok(made.codec === 'zstd' || given.codecs.includes(made.codec));
    }),
    { numRuns: 500 },
  );
});
