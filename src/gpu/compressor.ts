/// <reference types="@webgpu/types" />
import { FOUND_BYTES } from './batch.js';
import { BLOCK_BYTES, BLOCK_HEADER_BYTES, MAX_SEQUENCES } from './block.js';
import { allocating, type OpenDevice } from './device.js';
import { CHOOSE_WGSL } from './kernels/choose.js';
import { type BatchShape, commonWgsl } from './kernels/common.js';
import { EMIT_WGSL } from './kernels/emit.js';
import { FIND_WGSL } from './kernels/find.js';
import { MEASURE_WGSL } from './kernels/measure.js';
import { PARSE_WGSL } from './kernels/parse.js';
import { placeWgsl } from './kernels/place.js';
import { createLanePool, LANES } from './lanes.js';
import { bindSteps, createPipelines, type Kernel, type Step } from './pipeline.js';
import { createPassTimer, type PassTimer, TIMES_BYTES } from './timer.js';
import { MAP, USAGE } from './usage.js';

/** Compresses several chunks by one submit; may be called again before it is done, and has several submits in flight. */
export interface Compressor {
  readonly shape: BatchShape;
  /**
   * @param plains at most `shape.chunks` chunks of at most `shape.blocksPerChunk` blocks of 64 KiB
   * @param take is given the body of each chunk's frame (every block behind its header), to be copied at once
   * @returns what the kernels took, in milliseconds of the device's clock; undefined where it has none
   * @throws GpuUnusable, and the device cannot be used any more then
   */
  compress(plains: readonly Buffer[], take: (bodies: Buffer[]) => void): Promise<number | undefined>;
}

const WORD_BYTES = 4;
const MASK_BYTES = BLOCK_BYTES / 8;

interface Lane {
  /** Mapped whenever the lane is free. */
  upload: GPUBuffer;
  readback: GPUBuffer;
  /** The packed bytes of each chunk, the words of all, and from `timesAt` on when the kernels began and ended. */
  head: GPUBuffer;
  lengths: GPUBuffer;
  source: GPUBuffer;
  packedBytes: GPUBuffer;
  packed: GPUBuffer;
  timer: PassTimer;
  steps: Step[];
}

/** @throws GpuUnusable if the device has too little memory for it */
export async function createCompressor(open: OpenDevice, shape: BatchShape): Promise<Compressor> {
  const { device, unlessFailed } = open;
  const lanes = createLanePool(await allocating(open, () => createLanes(device, shape)));
  const strideBytes = shape.blocksPerChunk * BLOCK_BYTES;

  async function readHead({ head, timer }: Lane): Promise<{ chunkBytes: Uint32Array; kernelMs: number | undefined }> {
    await unlessFailed(head.mapAsync(MAP.read));
    const copy = head.getMappedRange().slice(0);
    head.unmap();
    return {
      chunkBytes: new Uint32Array(copy, 0, shape.chunks + 1),
      kernelMs: timer.read(new BigUint64Array(copy, timesAt(shape))),
    };
  }

  return {
    shape,
    compress: (plains, take) =>
      lanes.use(async (lane) => {
        const mapped = Buffer.from(lane.upload.getMappedRange());
        for (const [chunk, plain] of plains.entries()) plain.copy(mapped, chunk * strideBytes);
        lane.upload.unmap();
        submitKernels(device, lane, plains, shape);
        const remapped = unlessFailed(lane.upload.mapAsync(MAP.write));
        // Looked at last: by then the device may have failed otherwise.
        remapped.catch(() => undefined);
        const { chunkBytes, kernelMs } = await readHead(lane);
        // The host learns the length first, so that only real bytes cross the bus.
        const packedBytes = (chunkBytes[shape.chunks] ?? 0) * WORD_BYTES;
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(lane.packed, 0, lane.readback, 0, packedBytes);
        device.queue.submit([encoder.finish()]);
        await unlessFailed(lane.readback.mapAsync(MAP.read, 0, packedBytes));
        try {
          take(cutBodies(Buffer.from(lane.readback.getMappedRange(0, packedBytes)), chunkBytes, plains.length));
        } finally {
          lane.readback.unmap();
        }
        await remapped;
        return kernelMs;
      }),
  };
}

/** Where the times lie in a lane's head: at a multiple of 8. */
function timesAt({ chunks }: BatchShape): number {
  return Math.ceil((chunks + 1) / 2) * 2 * WORD_BYTES;
}

function submitKernels(device: GPUDevice, lane: Lane, plains: readonly Buffer[], shape: BatchShape): void {
  const blocks = plains.length * shape.blocksPerChunk;
  const lengths = new Uint32Array(shape.chunks);
  lengths.set(plains.map(({ length }) => length));
  device.queue.writeBuffer(lane.lengths, 0, lengths);
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(lane.upload, 0, lane.source, 0, blocks * BLOCK_BYTES);
  const pass = encoder.beginComputePass(lane.timer.descriptor);
  for (const { pipeline, group } of lane.steps) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(pipeline.label === 'place' ? 1 : blocks);
  }
  pass.end();
  encoder.copyBufferToBuffer(lane.packedBytes, 0, lane.head, 0, (shape.chunks + 1) * WORD_BYTES);
  lane.timer.copyTo(encoder, lane.head, timesAt(shape));
  device.queue.submit([encoder.finish()]);
}

function cutBodies(packed: Buffer, chunkBytes: Uint32Array, chunks: number): Buffer[] {
  let at = 0;
  return Array.from(chunkBytes.subarray(0, chunks), (bytes) => {
    const body = packed.subarray(at, at + bytes);
    at += Math.ceil(bytes / WORD_BYTES) * WORD_BYTES;
    return body;
  });
}

async function createLanes(device: GPUDevice, shape: BatchShape): Promise<Lane[]> {
  const blocks = shape.chunks * shape.blocksPerChunk;
  const kernels = compressKernels(shape);
  const pipelines = await createPipelines(device, kernels);
  const buffer = (size: number, usage: number) => device.createBuffer({ size, usage });
  const scratch = (bytesPerBlock: number) => buffer(blocks * bytesPerBlock, USAGE.storage);
  // The queue does one submit after another, so all of them can work in these.
  const shared: [number, GPUBuffer][] = [
    [2, scratch(FOUND_BYTES)],
    [3, scratch(MASK_BYTES)],
    [4, scratch(MASK_BYTES)],
    [5, scratch(MASK_BYTES)],
    [6, scratch(MAX_SEQUENCES * 2 * WORD_BYTES)],
    [7, scratch(MAX_SEQUENCES * WORD_BYTES)],
    [8, scratch(2 * WORD_BYTES)],
    [9, scratch(WORD_BYTES)],
  ];
  return Array.from({ length: LANES }, () => {
    const packedBytes = blocks * (BLOCK_BYTES + BLOCK_HEADER_BYTES);
    const lengthsBytes = shape.chunks * WORD_BYTES;
    const own = {
      upload: device.createBuffer({
        size: blocks * BLOCK_BYTES,
        usage: USAGE.mapWrite | USAGE.copySource,
        mappedAtCreation: true,
      }),
      readback: buffer(packedBytes, USAGE.mapRead | USAGE.copyTarget),
      head: buffer(timesAt(shape) + TIMES_BYTES, USAGE.mapRead | USAGE.copyTarget),
      lengths: buffer(lengthsBytes, USAGE.storage | USAGE.copyTarget),
      source: buffer(blocks * BLOCK_BYTES, USAGE.storage | USAGE.copyTarget),
      packedBytes: buffer(lengthsBytes + WORD_BYTES, USAGE.storage | USAGE.copySource),
      packed: buffer(packedBytes, USAGE.storage | USAGE.copySource),
      timer: createPassTimer(device),
    };
    const bound = new Map([
      ...shared,
      [0, own.lengths] as const,
      [1, own.source] as const,
      [10, own.packedBytes] as const,
      [11, own.packed] as const,
    ]);
    return { ...own, steps: bindSteps(device, kernels, pipelines, bound) };
  });
}

function compressKernels(shape: BatchShape): Kernel[] {
  const common = commonWgsl(shape);
  return [
    { name: 'find', code: common + FIND_WGSL, bindings: [0, 1, 2] },
    { name: 'choose', code: common + CHOOSE_WGSL, bindings: [0, 1, 2, 3] },
    { name: 'parse', code: common + PARSE_WGSL, bindings: [0, 1, 2, 3, 4, 5] },
    { name: 'measure', code: common + MEASURE_WGSL, bindings: [0, 1, 2, 5, 6, 7, 8] },
    { name: 'place', code: common + placeWgsl(shape.chunks), bindings: [0, 8, 9, 10] },
    { name: 'emit', code: common + EMIT_WGSL, bindings: [0, 1, 6, 7, 8, 9, 11] },
  ];
}
