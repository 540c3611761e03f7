import { closeSync, constants, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDirect } from '../../src/device/direct.js';
import { readKernelLoad } from '../../src/device/host-load.js';
import { readSome } from '../../src/stream/read-at.js';
import { directMemory } from '../../src/stream/slots.js';
import { writeAll } from '../../src/stream/write-at.js';
import type { Trace } from './recorded-trace.js';

/**
 * Records what a host does, for the simulator: node build/test/policy/record-trace.js SECONDS WHAT DIRECTORY >trace.json.
 * Each second a piece is written to a file in DIRECTORY and another is read from it, past the cache.
 */

const PIECE_BYTES = 16 * 1024 * 1024;
const PIECES = 64;
const PERIOD_MS = 1000;
const LOOKS = 10;

async function record(seconds: number, what: string, directory: string): Promise<Trace> {
  const path = join(directory, '.lifeboat-trace');
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  closeSync(openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o600));
  const fd = openDirect(path, O_RDWR);
  unlinkSync(path);
  if (fd === undefined) throw new Error(`${directory} has no direct I/O`);
  const piece = directMemory(PIECE_BYTES);
  crypto.getRandomValues(new Uint8Array(piece.buffer, piece.byteOffset, 65_536));
  for (let at = 0; at < PIECES; at++) await writeAll(fd, [piece], at * PIECE_BYTES);
  const samples: Trace['samples'] = [];
  const look = () => {
    const load = readKernelLoad();
    if (load === undefined) throw new Error('no /proc/stat');
    return load;
  };
  let before = look();
  for (let second = 0; second < seconds; second++) {
    const start = performance.now();
    let runnable = 0;
    for (let at = 0; at < LOOKS; at++) {
      await sleep((0.8 * PERIOD_MS) / LOOKS);
      // Without this program itself.
      runnable += Math.max(0, look().runnable - 1) / LOOKS;
    }
    const writeMBps = await speedOf(() => writeAll(fd, [piece], (second % PIECES) * PIECE_BYTES));
    const other = ((second * 37) % PIECES) * PIECE_BYTES;
    const readMBps = await speedOf(() => readSome(fd, piece, PIECE_BYTES, other));
    await sleep(Math.max(0, PERIOD_MS - (performance.now() - start)));
    const after = look();
    const busy = (after.busyMs - before.busyMs) / (performance.now() - start);
    samples.push([Math.round(100 * busy) / 100, Math.round(10 * runnable) / 10, readMBps, writeMBps]);
    before = after;
  }
  closeSync(fd);
  return { what, cores: before.cores, periodMs: PERIOD_MS, samples };
}

async function speedOf(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return Math.round(PIECE_BYTES / (performance.now() - start) / 1000);
}

const [seconds, what = '', directory = '.'] = process.argv.slice(2);
writeFileSync(1, `${JSON.stringify(await record(Number(seconds), what, directory))}\n`);
