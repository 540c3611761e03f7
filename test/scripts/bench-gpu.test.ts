import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { directory, STATUS } from '../cli/program.js';
import { SWIFTSHADER_ICD } from '../gpu/adapter.js';
import { realFile } from '../gpu/samples.js';

const BENCH = resolve('scripts/bench-gpu.mjs');
const built = existsSync('dist/main.js') ? false : 'the project is not built';
const skip = built || (existsSync(SWIFTSHADER_ICD) ? false : 'chromium, with its SwiftShader, is not installed');

interface Results {
  adapters: { name: string; isSoftware: boolean }[];
  rounds: {
    bench: {
      rows: { codec: string; compressBytesPerSecond: number; decompressBytesPerSecond: number; ratio: number }[];
    };
    kernels: { speed?: { compressKernelBytesPerSecond?: number; decompressKernelBytesPerSecond?: number } }[];
  }[];
}

test('what bench-gpu packs measures elsewhere, without npm, and says that a software device is one', {
  skip,
}, async (t) => {
  const base = directory(t);
  const [bare, source, out] = [join(base, 'bare'), join(base, 'source'), join(base, 'out/results.json')];
  writeFileSync(source, realFile('program', 2_000_000));
  await execa('node', [BENCH, '--pack', bare]);
  const ran = await execa(join(bare, 'bench-gpu'), ['--runs', '1', '--source', source, '--out', out], {
    cwd: base,
    env: { VK_ICD_FILENAMES: SWIFTSHADER_ICD },
    timeout: 180_000,
  });
  assert.match(ran.stdout, /^SwiftShader.*\n {2}A SOFTWARE DEVICE: it runs on the processors/m);
  assert.match(ran.stdout, /times what an OpenCL archiver claims, 2\.00 GB\/s to 3\.00 GB\/s/);
  const { adapters, rounds } = JSON.parse(readFileSync(out, 'utf8')) as Results;
  assert.deepEqual([adapters.length, adapters[0]?.isSoftware], [1, true]);
  const [round] = rounds;
  const card = round?.bench.rows.find(({ codec }) => codec === 'gpu-lz4');
  assert.ok(card !== undefined && card.compressBytesPerSecond > 0 && card.decompressBytesPerSecond > 0);
  assert.ok(card.ratio > 1);
  assert.ok(round?.bench.rows.some(({ codec }) => codec === 'lz4'));
  const speed = round?.kernels[0]?.speed;
  assert.ok((speed?.compressKernelBytesPerSecond ?? 0) > 0 && (speed?.decompressKernelBytesPerSecond ?? 0) > 0);
  assert.ok(!readFileSync(out, 'utf8').includes(base), 'results are published: no path of this machine');
});

test('bench-gpu without a card says so, and measures nothing', { skip: built }, async () => {
  const ran = await execa('node', [BENCH], { env: { VK_ICD_FILENAMES: '/nonexistent' }, reject: false });
  assert.equal(ran.exitCode, STATUS.failed);
  assert.match(ran.stderr, /no graphics card: /);
  const usage = await execa('node', [BENCH, '--runs', 'x'], { reject: false });
  assert.equal(usage.exitCode, STATUS.usage);
});
