import { parentPort, workerData } from 'node:worker_threads';
import { GpuUnusable } from '../gpu/device.js';
import { type GpuEngine, openEngine } from '../gpu/engine.js';
import { crc32 } from '../native/crc32.js';
import type { Job, JobOutcome, JobResult, WorkerSetup } from './job.js';
import { beNice } from './rest.js';
import { type SentError, sendError } from './sent-error.js';
import { type Slot, viewSlot } from './slots.js';
import { createZeroFrame, type ZeroFrame } from './zero-frame.js';
import { findDataRuns, isAllZeros } from './zeros.js';

/** What a thread with a device of its own is given at its start. */
export interface GpuWorkerStart {
  setup: WorkerSetup;
  /** Which device, as `--gpu` takes it. */
  wanted: string;
}

export type GpuWorkerRequest = { id: number; job: Job } | 'close';

/** Once `ready` or `unusable`; then an answer for each job. `unfit` is one that a processor has to do. */
export type GpuWorkerReply =
  | { kind: 'ready'; name: string; isSoftware: boolean; jobsAtOnce: number }
  | { kind: 'unusable'; reason: string }
  | { kind: 'done'; id: number; result: JobResult }
  | { kind: 'unfit'; id: number }
  | { kind: 'failed'; id: number; error: SentError };

if (parentPort !== null) void serve(parentPort);

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const { setup, wanted } = workerData as GpuWorkerStart;
  beNice(setup.niceness);
  const slots = Array.from({ length: setup.layout.count }, (_, number) => viewSlot(setup.memory, setup.layout, number));
  const reply = (message: GpuWorkerReply) => port.postMessage(message);
  let isOver = false;
  let engine: GpuEngine | undefined;
  const zeroFrame = createZeroFrame();
  /** Jobs overlap: of each only what no other one had before counts as busy. */
  let countedTo = 0;
  port.on('message', async (request: GpuWorkerRequest) => {
    if (request === 'close') {
      if (!isOver) engine?.close();
      isOver = true;
      port.close();
      return;
    }
    const { id, job } = request;
    const start = performance.now();
    try {
      const outcome = await perform(engine as GpuEngine, job, slots[job.slot] as Slot, zeroFrame);
      const end = performance.now();
      const busyMs = end - Math.max(start, countedTo);
      countedTo = end;
      if (outcome === undefined) reply({ kind: 'unfit', id });
      else reply({ kind: 'done', id, result: { ...outcome, busyMs, byGpu: true } });
    } catch (error) {
      if (isOver) return;
      if (error instanceof GpuUnusable) {
        // First of all: who reads the answer writes to the same slots.
        isOver = true;
        engine?.close();
        reply({ kind: 'unusable', reason: error.message });
      } else reply({ kind: 'failed', id, error: sendError(error) });
    }
  });
  try {
    engine = await openEngine(wanted, setup.chunkBytes);
    if (isOver) {
      engine.close();
      return;
    }
    const { name, isSoftware, jobsAtOnce } = engine;
    reply({ kind: 'ready', name, isSoftware, jobsAtOnce });
  } catch (error) {
    if (isOver) return;
    reply({ kind: 'unusable', reason: error instanceof Error ? error.message : String(error) });
  }
}

/** @returns undefined for what a processor has to do */
async function perform(engine: GpuEngine, job: Job, slot: Slot, zeroFrame: ZeroFrame): Promise<JobOutcome | undefined> {
  if (job.kind === 'scan') return undefined;
  if (job.kind === 'encode') {
    const plain = slot.plain.subarray(0, job.plainLength);
    if (!job.zerosToo && isAllZeros(plain)) return { kind: 'zeros' };
    const frameLength = await engine.encode(plain, slot.frame);
    return { kind: 'encoded', frameLength, crc: crc32(slot.frame.subarray(0, frameLength)) };
  }
  const frame = slot.frame.subarray(job.shift, job.shift + job.frameLength);
  const frameCrc = crc32(frame);
  if (job.crc !== undefined && frameCrc !== job.crc) return undefined;
  const zeros = zeroFrame.plainLengthOf(frame);
  if (zeros !== undefined) {
    if (job.plainLength !== undefined && zeros !== job.plainLength) return undefined;
    const plain = slot.plain.subarray(0, zeros);
    if (!job.isPlainUnread && !isAllZeros(plain)) plain.fill(0);
    return { kind: 'plain', plainLength: zeros, dataRuns: [], frameCrc };
  }
  const plainLength = await engine.decode(frame, slot.plain, job.isProvenLater);
  if (plainLength === undefined || (job.plainLength !== undefined && plainLength !== job.plainLength)) return undefined;
  const dataRuns = findDataRuns(slot.plain.subarray(0, plainLength));
  if (dataRuns.length === 0) zeroFrame.remember(frame, plainLength);
  return { kind: 'plain', plainLength, dataRuns, frameCrc };
}
