import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { patterned, scratch } from '../stream/machine.js';

/** Memory is that of the slots, whatever the source's size: measured in processes of their own. */

const MIB = 1024 * 1024;
const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Saves a file to nowhere and tells the most memory that the process ever had, in KiB. */
const SAVE = `
  const { closeSync, openSync, readFileSync } = await import('node:fs');
  const { saveImage } = await import(${at('../../src/stream/save.js')});
  const { extentSource } = await import(${at('../../src/stream/chunk-source.js')});
  const { fileExtents } = await import(${at('../../src/device/extents.js')});
  const { containerOf } = await import(${at('../../src/format/containers.js')});
  const [path, sizeBytes] = [process.env.SOURCE, Number(process.env.SIZE)];
  const fd = openSync(path, 'r');
  const progress = { plainBytes: 0, writtenBytes: 0, zeroBytes: 0, skippedBytes: 0 };
  await saveImage({
    source: extentSource({ file: { fd }, path, sizeBytes, extents: fileExtents(fd, sizeBytes) }),
    sink: { write: async () => {}, skip: undefined },
    container: containerOf('lz4'), codec: 'lz4', engine: 'native', level: 0, chunkBytes: 1 << 20, threads: 2,
    sha256: true, throttle: async () => {}, progress, signal: new AbortController().signal,
  });
  closeSync(fd);
  if (progress.plainBytes !== sizeBytes) throw new Error(progress.plainBytes + ' bytes');
  process.stdout.write(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
`;

/** Workers inherit the options of the process, and refuse those of a script that is no file. */
async function runScript(t: TestContext, script: string, env: Record<string, string> = {}): Promise<number> {
  const path = join(scratch(t), 'script.mjs');
  writeFileSync(path, script);
  const { stdout } = await execa(process.execPath, ['--expose-gc', path], { env });
  return Number(stdout);
}

test('the memory of a save does not grow with the source', { timeout: 60_000 }, async (t) => {
  const path = join(scratch(t), 'disk');
  const fd = openSync(path, 'w');
  // Every second stretch of 16 MiB is data, the others are holes.
  const piece = patterned(4 * MIB);
  for (let start = 0; start < 512 * MIB; start += 32 * MIB) {
    for (let done = 0; done < 16 * MIB; done += piece.length) writeSync(fd, piece, 0, piece.length, start + done);
  }
  ftruncateSync(fd, 512 * MIB);
  closeSync(fd);
  const small = await runScript(t, SAVE, { SOURCE: path, SIZE: String(64 * MIB) });
  const large = await runScript(t, SAVE, { SOURCE: path, SIZE: String(512 * MIB) });
  t.diagnostic(`${small} KiB for 64 MiB, ${large} KiB for 512 MiB`);
  assert.ok(large - small < 40 * 1024, `${small} KiB for 64 MiB, ${large} KiB for 512 MiB`);
});

/** Compresses again and again in one process, as a run over several disks does, and tells how memory grew, in KiB. */
const REPEAT = `
  const { readFileSync } = await import('node:fs');
  const { saveImage } = await import(${at('../../src/stream/save.js')});
  const { containerOf } = await import(${at('../../src/format/containers.js')});
  const chunkBytes = 1 << 20;
  const chunks = function* () {
    for (let number = 0; number < 4; number++) {
      const offset = number * chunkBytes;
      yield { number, offset, length: chunkBytes, pieces: [{ kind: 'data', offset, length: chunkBytes }] };
    }
  };
  async function once() {
    // Each run has a signal of its own that is ended: only what codecs hold is looked at here.
    const stop = new AbortController();
    await saveImage({
      source: { readsInFlight: 4, sizeBytes: 4 * chunkBytes, chunks, fill: async (c, into) => (into.fill('abc', 0, 1000), c.length) },
      sink: { write: async () => {}, skip: undefined },
      container: containerOf('zstd'), codec: 'zstd', engine: 'native', level: 19, chunkBytes, threads: 2,
      sha256: false, throttle: async () => {}, signal: stop.signal,
      progress: { plainBytes: 0, writtenBytes: 0, zeroBytes: 0, skippedBytes: 0 },
    });
    stop.abort();
    for (let i = 0; i < 3; i++) { await new Promise((r) => setTimeout(r, 10)); gc(); }
  }
  const rss = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  await once();
  await once();
  const before = rss();
  for (let i = 0; i < 6; i++) await once();
  process.stdout.write(String(rss() - before));
`;

test('a second image in the same process needs no more memory', {
  timeout: 60_000,
}, async (t) => {
  const moreKib = await runScript(t, REPEAT);
  t.diagnostic(`${moreKib} KiB more after 6 more runs`);
  assert.ok(moreKib < 24 * 1024, `${moreKib} KiB more after 6 more runs`);
});
