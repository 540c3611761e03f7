import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type AdapterFacts, listAdapters } from './adapter.js';
import { openEngine } from './engine.js';
import { type GpuSpeed, measureSpeed } from './speed.js';
import type { GpuSurvey, SurveyedGpu } from './survey.js';
import { loadWebgpu } from './webgpu.js';

const CHUNK_BYTES = 4 * 1024 * 1024;
/** Four submits of 64 MiB, so that uploads, kernels and readbacks overlap. */
const SAMPLE_BYTES = 256 * 1024 * 1024;
/** Software does a megabyte a second or less. */
const SOFTWARE_SAMPLE_BYTES = 256 * 1024;

if (parentPort !== null) void serve(parentPort);

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  port.postMessage(await survey((workerData as { measure: boolean }).measure));
}

async function survey(measure: boolean): Promise<GpuSurvey> {
  const loaded = await loadWebgpu();
  if (loaded.module === undefined) return { gpus: [], reason: loaded.reason };
  const adapters = await listAdapters(loaded.module);
  const gpus: SurveyedGpu[] = [];
  for (const facts of adapters) {
    const shown = measure && facts.isReachable ? await showSpeed(facts) : { speed: undefined, problem: undefined };
    gpus.push({ ...facts, ...shown });
  }
  const none = 'no Vulkan driver shows a graphics card (apt install libvulkan1, and the driver of the card)';
  return { gpus, reason: gpus.length === 0 ? none : undefined };
}

async function showSpeed(facts: AdapterFacts): Promise<Pick<SurveyedGpu, 'speed' | 'problem'>> {
  try {
    const chunks = sampleChunks(facts.isSoftware ? SOFTWARE_SAMPLE_BYTES : SAMPLE_BYTES);
    const engine = await openEngine(String(facts.index), chunks[0]?.length ?? CHUNK_BYTES);
    try {
      const speed: GpuSpeed = await measureSpeed(engine, chunks);
      return { speed, problem: undefined };
    } finally {
      engine.close();
    }
  } catch (error) {
    return { speed: undefined, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Node's own program, again and again: real bytes that every host has. */
function sampleChunks(bytes: number): Buffer[] {
  const chunkBytes = Math.min(bytes, CHUNK_BYTES);
  const chunks = Array.from({ length: bytes / chunkBytes }, () => Buffer.alloc(chunkBytes));
  const fd = openSync(process.execPath, 'r');
  try {
    // Its middle is code; in front of it are tables that hardly compress.
    let position = Math.floor(fstatSync(fd).size / 2);
    for (const chunk of chunks) {
      if (readSync(fd, chunk, 0, chunkBytes, position) === chunkBytes) position += chunkBytes;
      else position = 0;
    }
  } finally {
    closeSync(fd);
  }
  return chunks;
}
