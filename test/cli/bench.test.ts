import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BenchResult } from '../../src/image/bench.js';
import { SWIFTSHADER_ICD } from '../gpu/adapter.js';
import { directory, ends, lifeboat, STATUS } from './program.js';

const BYTES = 4 * 1024 * 1024;
const ZERO_BYTES = 8 * 1024 * 1024;

test('bench tries every codec on the data given, not on its zeros, and leaves it alone', async (t) => {
  const source = join(directory(t), 'disk.img');
  writeFileSync(source, readFileSync(process.execPath).subarray(0, BYTES));
  truncateSync(source, BYTES + ZERO_BYTES);
  const before = statSync(source).mtimeMs;

  const ran = await lifeboat(['bench', source, '--json', '-p', '2'], { timeout: 60_000 });
  ends(ran, STATUS.done);
  const result = JSON.parse(ran.stdout) as BenchResult;
  assert.deepEqual(result.skipped, []);
  assert.equal(result.sourceBytes, BYTES + ZERO_BYTES);
  assert.deepEqual([result.sampleBytes, result.zeroBytes], [BYTES + ZERO_BYTES, ZERO_BYTES]);
  assert.deepEqual([...new Set(result.rows.map(({ codec }) => codec))], ['lz4', 'zstd', 'gzip', 'xz', 'bzip2']);
  for (const row of result.rows) {
    assert.ok(row.ratio > 1 && row.ratio < 20, `${row.codec} ${row.level}: ratio ${row.ratio}`);
    assert.ok(row.compressBytesPerSecond > 1e5 && row.decompressBytesPerSecond > 1e5);
    assert.ok(Math.abs(row.restoreSeconds * row.decompressBytesPerSecond - BYTES) < 1, row.codec);
  }
  const ratioOf = (codec: string, level: number) =>
    result.rows.find((row) => row.codec === codec && row.level === level)?.ratio ?? 0;
  assert.ok(ratioOf('zstd', 19) > ratioOf('zstd', 1));
  assert.equal(statSync(source).mtimeMs, before);
});

const skip = existsSync(SWIFTSHADER_ICD) ? false : 'chromium, with its SwiftShader, is not installed';

test('bench tries a software device where it is named, says that it is one, and leaves it out otherwise', {
  skip,
}, async () => {
  const env = { VK_ICD_FILENAMES: SWIFTSHADER_ICD };
  const bench = ['bench', process.execPath, '--codecs', 'gpu-lz4'];
  const ran = await lifeboat([...bench, '--gpu', 'swiftshader'], { env, timeout: 120_000 });
  ends(ran, STATUS.done);
  assert.match(ran.stdout, /^gpu-lz4 +1 +gpu +[\d.]+ +1\.\d\d /m);
  assert.match(ran.stdout, /^gpu-lz4: SwiftShader.*, fed by one thread, which is software: never saved/m);
  const usual = await lifeboat([...bench, '--json'], { env });
  ends(usual, STATUS.done);
  const { rows, skipped } = JSON.parse(usual.stdout) as BenchResult;
  assert.deepEqual([rows, skipped], [[], []]);
  const none = await lifeboat([...bench, '--gpu', 'H200', '--json'], { env });
  assert.match((JSON.parse(none.stdout) as BenchResult).skipped.join(), /no graphics card is called "H200"/);
});

test('bench takes no codec that there is none of, and saves no part of what it would measure', async () => {
  ends(await lifeboat(['bench', process.execPath, '--codecs', 'lz5']), STATUS.usage);
  ends(await lifeboat(['bench', process.execPath, '--codecs', 'lz4', '--save']), STATUS.usage, /leave --codecs out/);
});

test('bench refuses a stream and an empty source', async (t) => {
  const empty = join(directory(t), 'empty');
  writeFileSync(empty, '');
  ends(await lifeboat(['bench', '-']), STATUS.usage);
  ends(await lifeboat(['bench', empty]), STATUS.failed, /is empty/);
});
