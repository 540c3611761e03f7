import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { eventually, KIB, madeSource, memorySink, openModules, save, scratch } from '../stream/machine.js';

/** Runs that end while their threads are still starting: in a process of their own, for they may take it along. */

const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

const FAIL_EARLY = `
  const { setTimeout: sleep } = await import('node:timers/promises');
  const { saveImage } = await import(${at('../../src/stream/save.js')});
  const { containerOf } = await import(${at('../../src/format/containers.js')});
  const chunkBytes = 65536;
  for (let delay = 0; delay < 120; delay += 4) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped')), delay);
    try {
      await saveImage({
        source: {
          readsInFlight: 4, sizeBytes: undefined, fill: async (chunk, into) => (into.fill('abc', 0, 1000), chunk.length),
          *chunks() {
            for (let number = 0; ; number++) {
              const offset = number * chunkBytes;
              yield { number, offset, length: chunkBytes, pieces: [{ kind: 'data', offset, length: chunkBytes }] };
            }
          },
        },
        sink: { write: () => sleep(0), skip: undefined },
        container: containerOf('gzip'), codec: 'gzip', engine: 'native', level: 1, chunkBytes, threads: 3,
        sha256: true, throttle: async () => {}, signal: stop.signal,
        progress: { plainBytes: 0, writtenBytes: 0, zeroBytes: 0, skippedBytes: 0 },
      });
    } catch (error) {
      if (error.message !== 'stopped') throw error;
    }
  }
  process.stdout.write('alive');
`;

test('a run that ends while its threads load their codec ends with its own error', async (t) => {
  const path = join(scratch(t), 'script.mjs');
  writeFileSync(path, FAIL_EARLY);
  const { stdout, signal, stderr } = await execa(process.execPath, [path], { reject: false, timeout: 30_000 });
  assert.equal(stdout, 'alive', `ended by ${signal}: ${stderr.slice(0, 100)}`);
});

test('a run that ends while its threads are starting leaves no file open', async () => {
  const before = openModules();
  for (let round = 0; round < 12; round++) {
    const source = madeSource(Array<number>(8).fill(16 * KIB), (number) => {
      if (number === round % 8) throw new Error('no such sector');
    });
    await assert.rejects(save({ source, sink: memorySink(), threads: 2 }), /no such sector/);
  }
  assert.ok(await eventually(() => openModules() <= before, 2000), `${openModules() - before} more`);
});
