/// <reference types="@webgpu/types" />
import { BLOCK_BYTES } from './block.js';
import type { CutFrame } from './cut-frame.js';
import { allocating, type OpenDevice } from './device.js';
import { gpuFrameBound } from './frame.js';
import type { BatchShape } from './kernels/common.js';
import { RESOLVE_WGSL } from './kernels/resolve.js';
import { INVALID, MAX_DECODED_SEQUENCES, SEQUENCE_WORDS, WALK_WGSL } from './kernels/walk.js';
import { createLanePool, LANES } from './lanes.js';
import { bindSteps, createPipelines, type Kernel, type Step } from './pipeline.js';
import { createPassTimer, type PassTimer, TIMES_BYTES } from './timer.js';
import { MAP, USAGE } from './usage.js';

/** Decodes several frames by one submit; may be called again before it is done. */
export interface Decompressor {
  readonly shape: BatchShape;
  /** Whether a frame fits into a submit. */
  takes(cut: CutFrame): boolean;
  /**
   * @param cuts at most `shape.chunks` frames that it takes
   * @param take is given each frame's plaintext, to be copied at once and held against the frame's checksum; undefined for one that
   *   is not valid
   * @returns what the kernels took, in milliseconds of the device's clock; undefined where it has none
   * @throws GpuUnusable, and the device cannot be used any more then
   */
  decompress(cuts: readonly CutFrame[], take: (plains: (Buffer | undefined)[]) => void): Promise<number | undefined>;
}

const WORD_BYTES = 4;
const ENTRY_WORDS = 4;
const RESULT_WORDS = 2;
const STORED = 0x8000_0000;
const KERNELS: readonly Kernel[] = [
  { name: 'walk', code: WALK_WGSL, bindings: [0, 1, 2, 3] },
  { name: 'resolve', code: RESOLVE_WGSL, bindings: [0, 1, 2, 3, 4] },
];

interface Lane {
  /** The table of blocks, and behind it the frames. Mapped whenever the lane is free. */
  upload: GPUBuffer;
  /** The times, then a result for each block, then the plaintext. */
  readback: GPUBuffer;
  table: GPUBuffer;
  frames: GPUBuffer;
  results: GPUBuffer;
  plain: GPUBuffer;
  timer: PassTimer;
  steps: Step[];
}

/** @throws GpuUnusable if the device has too little memory for it */
export async function createDecompressor(open: OpenDevice, shape: BatchShape): Promise<Decompressor> {
  const { device, unlessFailed } = open;
  const room = roomFor(shape);
  const lanes = createLanePool(await allocating(open, () => createLanes(device, shape)));

  return {
    shape,
    takes: (cut) => roomOf(cut) <= shape.blocksPerChunk * BLOCK_BYTES && cut.frame.length <= room.frameBytes,
    decompress: (cuts, take) =>
      lanes.use(async (lane) => {
        fill(Buffer.from(lane.upload.getMappedRange()), cuts, shape);
        lane.upload.unmap();
        const blocks = cuts.length * shape.blocksPerChunk;
        submit(device, lane, cuts.length, shape);
        const remapped = unlessFailed(lane.upload.mapAsync(MAP.write));
        // Looked at last: by then the device may have failed otherwise.
        remapped.catch(() => undefined);
        const readBytes = TIMES_BYTES + room.resultBytes + blocks * BLOCK_BYTES;
        await unlessFailed(lane.readback.mapAsync(MAP.read, 0, readBytes));
        let kernelMs: number | undefined;
        try {
          const mapped = lane.readback.getMappedRange(0, readBytes);
          kernelMs = lane.timer.read(new BigUint64Array(mapped, 0, 2));
          const results = new Uint32Array(mapped, TIMES_BYTES, blocks * RESULT_WORDS);
          const plain = Buffer.from(mapped, TIMES_BYTES + room.resultBytes);
          take(cuts.map((cut, chunk) => plainOf(cut, chunk, results, plain, shape)));
        } finally {
          lane.readback.unmap();
        }
        await remapped;
        return kernelMs;
      }),
  };
}

function roomFor({ chunks, blocksPerChunk }: BatchShape) {
  const blocks = chunks * blocksPerChunk;
  // Every block stored, and with a checksum of its own.
  const frameBytes = Math.ceil((gpuFrameBound(blocksPerChunk * BLOCK_BYTES) + WORD_BYTES * blocksPerChunk) / 8) * 8;
  return {
    blocks,
    frameBytes,
    tableBytes: blocks * ENTRY_WORDS * WORD_BYTES,
    resultBytes: blocks * RESULT_WORDS * WORD_BYTES,
  };
}

/** What a frame's plaintext takes at most, in bytes. */
function roomOf({ blocks, blockBytes, contentBytes }: CutFrame): number {
  return contentBytes ?? blocks.length * blockBytes;
}

function fill(mapped: Buffer, cuts: readonly CutFrame[], shape: BatchShape): void {
  const { tableBytes, frameBytes } = roomFor(shape);
  const table = new Uint32Array(mapped.buffer, mapped.byteOffset, tableBytes / WORD_BYTES).fill(0);
  for (const [chunk, cut] of cuts.entries()) {
    const { frame, blocks, blockBytes, contentBytes } = cut;
    frame.copy(mapped, tableBytes + chunk * frameBytes);
    for (const [at, { offset, bytes, isStored }] of blocks.entries()) {
      const isLast = at === blocks.length - 1;
      const plainBytes = isLast ? roomOf(cut) - at * blockBytes : blockBytes;
      const isExact = !isLast || contentBytes !== undefined;
      const length = isStored ? (bytes | STORED) >>> 0 : bytes;
      const entry = [chunk * frameBytes + offset, length, plainBytes, isExact ? 1 : 0];
      table.set(entry, unitOf(chunk, at, blockBytes, shape) * ENTRY_WORDS);
    }
  }
}

/** Blocks lie one behind another in their chunk's place, each from a multiple of 64 KiB on: that is its number in all tables. */
function unitOf(chunk: number, at: number, blockBytes: number, { blocksPerChunk }: BatchShape): number {
  return chunk * blocksPerChunk + (at * blockBytes) / BLOCK_BYTES;
}

function submit(device: GPUDevice, lane: Lane, chunks: number, shape: BatchShape): void {
  const { tableBytes, frameBytes, resultBytes } = roomFor(shape);
  const blocks = chunks * shape.blocksPerChunk;
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(lane.upload, 0, lane.table, 0, tableBytes);
  encoder.copyBufferToBuffer(lane.upload, tableBytes, lane.frames, 0, chunks * frameBytes);
  const pass = encoder.beginComputePass(lane.timer.descriptor);
  for (const { pipeline, group } of lane.steps) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(blocks);
  }
  pass.end();
  lane.timer.copyTo(encoder, lane.readback, 0);
  encoder.copyBufferToBuffer(lane.results, 0, lane.readback, TIMES_BYTES, resultBytes);
  encoder.copyBufferToBuffer(lane.plain, 0, lane.readback, TIMES_BYTES + resultBytes, blocks * BLOCK_BYTES);
  device.queue.submit([encoder.finish()]);
}

/** Every block but the last must be full, or the plaintext would have gaps. */
function plainOf(
  { blocks, blockBytes, contentBytes }: CutFrame,
  chunk: number,
  results: Uint32Array,
  plain: Buffer,
  shape: BatchShape,
): Buffer | undefined {
  let plainBytes = 0;
  for (const at of blocks.keys()) {
    const bytes = results[unitOf(chunk, at, blockBytes, shape) * RESULT_WORDS] ?? INVALID;
    if (bytes === INVALID || (bytes !== blockBytes && at < blocks.length - 1)) return undefined;
    plainBytes += bytes;
  }
  if (contentBytes !== undefined && plainBytes !== contentBytes) return undefined;
  const start = chunk * shape.blocksPerChunk * BLOCK_BYTES;
  return plain.subarray(start, start + plainBytes);
}

async function createLanes(device: GPUDevice, shape: BatchShape): Promise<Lane[]> {
  const { blocks, tableBytes, frameBytes, resultBytes } = roomFor(shape);
  const pipelines = await createPipelines(device, KERNELS);
  const buffer = (size: number, usage: number) => device.createBuffer({ size, usage });
  const framesBytes = shape.chunks * frameBytes;
  // The queue does one submit after another, so all of them can work in it.
  const sequences = buffer(blocks * MAX_DECODED_SEQUENCES * SEQUENCE_WORDS * WORD_BYTES, USAGE.storage);
  return Array.from({ length: LANES }, () => {
    const own = {
      upload: device.createBuffer({
        size: tableBytes + framesBytes,
        usage: USAGE.mapWrite | USAGE.copySource,
        mappedAtCreation: true,
      }),
      readback: buffer(TIMES_BYTES + resultBytes + blocks * BLOCK_BYTES, USAGE.mapRead | USAGE.copyTarget),
      table: buffer(tableBytes, USAGE.storage | USAGE.copyTarget),
      frames: buffer(framesBytes, USAGE.storage | USAGE.copyTarget),
      results: buffer(resultBytes, USAGE.storage | USAGE.copySource),
      plain: buffer(blocks * BLOCK_BYTES, USAGE.storage | USAGE.copySource),
      timer: createPassTimer(device),
    };
    const bound = new Map([
      [0, own.table] as const,
      [1, own.frames] as const,
      [2, sequences] as const,
      [3, own.results] as const,
      [4, own.plain] as const,
    ]);
    return { ...own, steps: bindSteps(device, KERNELS, pipelines, bound) };
  });
}
