import { chooseXxh32 } from '../codec/xxhash.js';
import { batchShape } from './batch.js';
import { type Compressor, createCompressor } from './compressor.js';
import { type CutFrame, cutFrame } from './cut-frame.js';
import { createDecompressor, type Decompressor } from './decompressor.js';
import { GpuUnusable, openDevice } from './device.js';
import { writeGpuFrame } from './frame.js';
import { LANES } from './lanes.js';

/** One device that makes and decodes LZ4 frames. What is asked of it while it is busy goes into its next submit together. */
export interface GpuEngine {
  /** As the driver calls it. */
  readonly name: string;
  readonly isSoftware: boolean;
  /** Jobs that it can have in hand at once: more would only wait. */
  readonly jobsAtOnce: number;
  /** What the kernels took so far by the device's clock; 0 where it has none. */
  readonly kernelMs: number;
  /**
   * Makes one LZ4 frame.
   * @param out at least `gpuFrameBound(plain.length)` bytes
   * @returns the frame's length in bytes
   * @throws GpuUnusable
   */
  encode(plain: Buffer, out: Buffer): Promise<number>;
  /**
   * @param isProvenLater a frame without a checksum is decoded all the same
   * @returns the plaintext's length in bytes, its checksum checked; undefined if the processor has to decode this frame, or to tell
   *   what is wrong with it
   * @throws GpuUnusable
   */
  decode(frame: Buffer, out: Buffer, isProvenLater?: boolean): Promise<number | undefined>;
  /** Frees the device, and writes to no job's buffers any more. */
  close(): void;
}

/**
 * @param wanted which device, as `--gpu` takes it: `auto`, an index, a part of a name
 * @param chunkBytes the largest plaintext of a frame
 * @throws GpuUnusable
 */
export async function openEngine(wanted: string, chunkBytes: number): Promise<GpuEngine> {
  const open = await openDevice(wanted);
  const { facts } = open;
  const shape = batchShape(chunkBytes, facts);
  if (shape === undefined) {
    open.close();
    throw new GpuUnusable('memory', `"${facts.name}" takes no chunks of ${chunkBytes} bytes`);
  }
  // By the processor: each of its four lanes is one chain of dependent steps through the whole chunk.
  const xxh32 = await chooseXxh32();
  let isClosed = false;
  let kernelMs = 0;
  /** Nothing may be written any more: the processors have the same slots in hand by now. */
  const refuseIfClosed = () => {
    if (isClosed) throw new GpuUnusable('lost', `"${facts.name}" is closed`);
  };
  const count = (ms: number | undefined) => {
    kernelMs += ms ?? 0;
  };
  // Made with the first job of their kind: most runs have one kind only.
  let compressor: Promise<Compressor> | undefined;
  let decompressor: Promise<Decompressor> | undefined;

  const encodings = createBatcher<EncodeJob, number>(shape.chunks, async (jobs) => {
    compressor ??= createCompressor(open, shape);
    const lengths: number[] = [];
    const plains = jobs.map(({ plain }) => plain);
    const ms = await (await compressor).compress(plains, (bodies) => {
      refuseIfClosed();
      for (const [at, { plain, out }] of jobs.entries()) {
        lengths.push(writeGpuFrame(out, plain, bodies[at] as Buffer, xxh32));
      }
    });
    count(ms);
    return lengths;
  });

  const decodings = createBatcher<DecodeJob, number | undefined>(shape.chunks, async (jobs) => {
    const lengths: (number | undefined)[] = [];
    const ms = await (await openDecompressor()).decompress(
      jobs.map(({ cut }) => cut),
      (plains) => {
        refuseIfClosed();
        for (const [at, { cut, out }] of jobs.entries()) lengths.push(copyProven(plains[at], cut, out));
      },
    );
    count(ms);
    return lengths;
  });

  function openDecompressor(): Promise<Decompressor> {
    decompressor ??= createDecompressor(open, shape as NonNullable<typeof shape>);
    return decompressor;
  }

  function copyProven(plain: Buffer | undefined, cut: CutFrame, out: Buffer): number | undefined {
    if (plain === undefined || plain.length > out.length) return undefined;
    plain.copy(out);
    if (cut.contentChecksum === undefined) return plain.length;
    return xxh32(out.subarray(0, plain.length)) >>> 0 === cut.contentChecksum ? plain.length : undefined;
  }

  return {
    name: facts.name,
    isSoftware: facts.isSoftware,
    jobsAtOnce: LANES * shape.chunks,
    get kernelMs() {
      return kernelMs;
    },
    encode: (plain, out) => encodings.add({ plain, out }),
    async decode(frame, out, isProvenLater) {
      const cut = cutFrame(frame, xxh32, isProvenLater);
      if (cut === undefined || !(await openDecompressor()).takes(cut)) return undefined;
      return decodings.add({ cut, out });
    },
    close() {
      isClosed = true;
      open.close();
    },
  };
}

interface EncodeJob {
  plain: Buffer;
  out: Buffer;
}

interface DecodeJob {
  cut: CutFrame;
  out: Buffer;
}

interface Batcher<Job, Result> {
  add(job: Job): Promise<Result>;
}

/** Gathers what comes while as many batches are under way as the device has lanes. */
function createBatcher<Job, Result>(most: number, work: (jobs: Job[]) => Promise<Result[]>): Batcher<Job, Result> {
  const queue: { job: Job; resolve: (result: Result) => void; reject: (reason: unknown) => void }[] = [];
  let underWay = 0;

  function start(): void {
    while (underWay < LANES && queue.length > 0) {
      const batch = queue.splice(0, most);
      underWay += 1;
      work(batch.map(({ job }) => job))
        .then(
          (results) => {
            for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result);
          },
          (error: unknown) => {
            for (const { reject } of batch) reject(error);
          },
        )
        .finally(() => {
          underWay -= 1;
          start();
        });
    }
  }

  return {
    add(job) {
      return new Promise((resolve, reject) => {
        queue.push({ job, resolve, reject });
        // What comes by the same turn of the event loop goes out together.
        setImmediate(start);
      });
    },
  };
}
