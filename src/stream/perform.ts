import type { Decoder, Encoder } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import { createXzDecoder } from '../codec/xz.js';
import { LifeboatError } from '../error.js';
import { crc32 } from '../native/crc32.js';
import { threadCpuMs } from '../native/libc.js';
import type { Job, JobOutcome, JobResult, WorkerSetup } from './job.js';
import { restAfter } from './rest.js';
import { type Slot, viewSlot } from './slots.js';
import { createZeroFrame } from './zero-frame.js';
import { findDataRuns, isAllZeros } from './zeros.js';

/** Does jobs in the thread that made it: a worker, or the main thread with one thread only. */
export interface Performer {
  perform(job: Job): Promise<JobResult>;
  close(): void;
}

export function createPerformer(setup: WorkerSetup): Performer {
  const codec = codecByName(setup.codec);
  const slots = Array.from({ length: setup.layout.count }, (_, number) => viewSlot(setup.memory, setup.layout, number));
  let encoder: Encoder | undefined;
  let level = setup.level;
  let decoder: Decoder | undefined;
  const zeroFrame = createZeroFrame();

  async function encode(job: Extract<Job, { kind: 'encode' }>, slot: Slot): Promise<JobOutcome> {
    const plain = slot.plain.subarray(0, job.plainLength);
    if (!job.zerosToo && isAllZeros(plain)) return { kind: 'zeros' };
    encoder ??= await codec.createEncoder(setup.engine, { level: setup.level, chunkBytes: setup.chunkBytes });
    if (job.level !== undefined && job.level !== level) {
      level = job.level;
      encoder.setLevel?.(level);
    }
    const frameLength = await encoder.encode(plain, slot.frame);
    return { kind: 'encoded', frameLength, crc: crc32(slot.frame.subarray(0, frameLength)) };
  }

  async function decode(job: Extract<Job, { kind: 'decode' }>, slot: Slot): Promise<JobOutcome> {
    const frame = slot.frame.subarray(job.shift, job.shift + job.frameLength);
    const frameCrc = crc32(frame);
    const damaged = (reason: string): JobOutcome => ({ kind: 'damaged', reason, frameCrc });
    if (job.crc !== undefined && frameCrc !== job.crc) return damaged('its stored bytes do not match their CRC');
    const zeros = zeroFrame.plainLengthOf(frame);
    if (zeros !== undefined) {
      if (job.plainLength !== undefined && job.plainLength !== zeros)
        return damaged(`it decodes to ${zeros} bytes, not ${job.plainLength}`);
      const plain = slot.plain.subarray(0, zeros);
      if (!job.isPlainUnread && !isAllZeros(plain)) plain.fill(0);
      return { kind: 'plain', plainLength: plain.length, dataRuns: [], frameCrc };
    }
    decoder ??= await createFrameDecoder();
    let plainLength: number;
    try {
      plainLength = await decoder.decode(frame, slot.plain);
    } catch (error) {
      if (error instanceof LifeboatError && error.code === 'DAMAGE') return damaged(error.message);
      throw error;
    }
    if (job.plainLength !== undefined && plainLength !== job.plainLength) {
      return damaged(`it decodes to ${plainLength} bytes, not ${job.plainLength}`);
    }
    const outcome = lookAt(slot.plain.subarray(0, plainLength), frameCrc);
    if (outcome.dataRuns.length === 0) zeroFrame.remember(frame, plainLength);
    return outcome;
  }

  function createFrameDecoder(): Decoder | Promise<Decoder> {
    return setup.xzCheck === undefined ? codec.createDecoder(setup.engine) : createXzDecoder(setup.xzCheck);
  }

  return {
    async perform(job) {
      const start = performance.now();
      const share = job.kind === 'encode' ? job.share : undefined;
      const cpuStart = share === undefined ? 0 : threadCpuMs();
      const slot = slots[job.slot] as Slot;
      const outcome =
        job.kind === 'encode'
          ? await encode(job, slot)
          : job.kind === 'decode'
            ? await decode(job, slot)
            : lookAt(slot.plain.subarray(0, job.plainLength), 0);
      const busyMs = performance.now() - start;
      if (share === undefined) return { ...outcome, busyMs };
      // A portable engine works on other threads: their time is not to be had, and all of it counts.
      const cpuMs = setup.engine === 'native' ? threadCpuMs() - cpuStart : busyMs;
      return { ...outcome, busyMs, restMs: restAfter(cpuMs, busyMs, share) };
    },
    close() {
      encoder?.close();
      decoder?.close();
    },
  };
}

function lookAt(plain: Buffer, frameCrc: number): Extract<JobOutcome, { kind: 'plain' }> {
  return {
    kind: 'plain',
    plainLength: plain.length,
    dataRuns: findDataRuns(plain),
    frameCrc,
  };
}
