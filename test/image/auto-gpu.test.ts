import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { countLoad } from '../../src/image/host-counts.js';
import { runImage } from '../../src/image/image.js';
import { planRun } from '../../src/image/plan-run.js';
import type { RunReport } from '../../src/image/report.js';
import { BUILT_IN_CALIBRATION } from '../../src/policy/calibration.js';
import { testDevice } from '../gpu/adapter.js';
import { realFile } from '../gpu/samples.js';
import { eventually } from '../stream/machine.js';
import { imageOptions } from './image-options.js';

const { open, skip } = await testDevice();
const name = open?.facts.name ?? '';
open?.close();

const KIB = 1024;
const DATA = realFile('program', 300 * KIB);
/** Above what is too small to look at the host for; holes are not read. */
const SIZE = 65 * KIB * KIB;

/** A host that was calibrated with this card, whatever it does. */
const knowledge = (card: string) => async () => ({
  calibration: {
    ...BUILT_IN_CALIBRATION,
    gpus: [{ index: 0, name: card, feeders: 1, ratio: 2, compressBytesPerSecond: 5e9, decompressBytesPerSecond: 5e9 }],
  },
  pastRuns: [],
});

/** As if others had kept every processor busy since. */
function fullyLoaded() {
  const now = countLoad();
  assert.ok(now !== undefined);
  return { ...now, atMs: now.atMs - 60_000, busyMs: now.busyMs - 60_000 * now.cores - 1e6, ownMs: now.ownMs };
}

function setUp(t: TestContext) {
  const base = mkdtempSync(join(tmpdir(), 'lifeboat-auto-gpu-'));
  t.after(() => rmSync(base, { recursive: true }));
  const source = join(base, 'disk');
  writeFileSync(source, DATA);
  truncateSync(source, SIZE);
  const warnings: string[] = [];
  const details: string[] = [];
  const report: RunReport = {
    warn: (text) => warnings.push(text),
    detail: (text) => details.push(text),
    follow: () => () => undefined,
  };
  const options = imageOptions({
    source,
    out: join(base, 'image'),
    codec: 'auto',
    chunkBytes: 256 * KIB,
    yields: true,
    loadSince: fullyLoaded(),
  });
  return { options, report, warnings, details };
}

/** Of this process, those that let others go first. */
function niceThreads(): number {
  const niceOf = (thread: string) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    // proc(5): behind the name, which may hold anything, nice is the 17th.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  };
  return readdirSync('/proc/self/task').filter(
    (thread) => existsSync(`/proc/self/task/${thread}`) && niceOf(thread) >= 10,
  ).length;
}

function decoded(image: string): Buffer {
  return execFileSync('lz4', ['-dc', image], { maxBuffer: 2 * SIZE });
}

test('under load auto compresses on the card that was measured and named, alone, and says why', { skip }, async (t) => {
  const { options, report, warnings } = setUp(t);
  const before = niceThreads();
  const running = runImage({ ...options, knowledge: knowledge(name), autoGpus: [name] }, report);
  // Nobody else compresses: it is the thread that feeds the card.
  assert.ok(await eventually(() => niceThreads() > before, 30_000));
  const result = await running;
  assert.ok('manifest' in result);
  const { image, policy } = result.manifest;
  assert.deepEqual([image.codec, image.engine, image.threads], ['lz4', 'gpu', 1]);
  const [decision, ...more] = policy?.decisions ?? [];
  assert.equal(decision?.what, `lz4 level 1 on ${name} alone`);
  assert.match(decision?.why ?? '', /100 % busy, over 70 %; .* does 5000 MB\/s of lz4 for one thread/);
  assert.deepEqual([more, warnings], [[], []]);
  const back = decoded(result.out);
  assert.ok(back.length === SIZE && back.subarray(0, DATA.length).equals(DATA));
});

test('a software device is left alone where it was measured but not named', { skip }, async (t) => {
  const { options } = setUp(t);
  const plan = await planRun({ ...options, out: 'image', knowledge: knowledge('SwiftShader Device') }, undefined);
  assert.equal(plan.gpu, undefined);
});

test('a card that is gone when the run begins leaves it to the processors, said once, in the manifest too', {
  skip,
}, async (t) => {
  const { options, report, warnings } = setUp(t);
  const result = await runImage({ ...options, knowledge: knowledge('A card that was sold') }, report);
  assert.ok('manifest' in result);
  assert.deepEqual([result.manifest.image.codec, result.manifest.image.engine], ['lz4', 'native']);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /no graphics card is called "A card that was sold".*; the processors go on/);
  assert.deepEqual(result.manifest.warnings, warnings);
  assert.equal(decoded(result.out).length, SIZE);
});

test('a name that says zstd, and an engine that was named, keep the card out of it', { skip }, async (t) => {
  const { options } = setUp(t);
  const auto = { ...options, knowledge: knowledge(name), autoGpus: [name] };
  assert.deepEqual((await planRun(auto, undefined)).gpu, { wanted: [name], isHybrid: false, isRequired: false });
  const zstd = await planRun({ ...auto, out: 'disk.img.zst' }, undefined);
  assert.deepEqual([zstd.codec.name, zstd.gpu], ['zstd', undefined]);
  assert.equal((await planRun({ ...auto, engine: 'native' }, undefined)).gpu, undefined);
});

test('without any driver a card that was measured does not count', async (t) => {
  const { options } = setUp(t);
  const before = process.env.VK_ICD_FILENAMES;
  process.env.VK_ICD_FILENAMES = '/nonexistent';
  t.after(() => {
    if (before === undefined) delete process.env.VK_ICD_FILENAMES;
    else process.env.VK_ICD_FILENAMES = before;
  });
  const plan = await planRun({ ...options, knowledge: knowledge('H200') }, undefined);
  assert.deepEqual([plan.codec.name, plan.gpu], ['lz4', undefined]);
});

test('who asks for a card has as many threads feed it as were best when it was measured', async (t) => {
  const { options } = setUp(t);
  const gpu = { wanted: ['auto'], isHybrid: true, isRequired: false };
  const twice = async () => {
    const known = await knowledge('H200')();
    const gpus = known.calibration.gpus.map((card) => ({ ...card, feeders: 2 }));
    return { ...known, calibration: { ...known.calibration, gpus } };
  };
  const fed = await planRun({ ...options, codec: 'lz4', gpu, knowledge: twice }, undefined);
  assert.deepEqual(fed.gpu?.wanted, ['auto', 'auto']);
  assert.deepEqual((await planRun({ ...options, codec: 'lz4', gpu }, undefined)).gpu?.wanted, ['auto']);
});
