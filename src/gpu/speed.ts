import type { GpuEngine } from './engine.js';
import { gpuFrameBound } from './frame.js';

/** From host memory to host memory, in bytes of plaintext a second; kernels by the device's own clock. */
export interface GpuSpeed {
  sampleBytes: number;
  ratio: number;
  compressBytesPerSecond: number;
  decompressBytesPerSecond: number;
  /** Undefined where the device has no clock. */
  compressKernelBytesPerSecond: number | undefined;
  decompressKernelBytesPerSecond: number | undefined;
}

/**
 * Compresses and decodes all chunks with as many in flight as the device takes, after one that is not measured: the first compiles.
 * @throws GpuUnusable; Error if a chunk does not come back as it was
 */
export async function measureSpeed(engine: GpuEngine, chunks: readonly Buffer[]): Promise<GpuSpeed> {
  const frames = chunks.map(({ length }) => Buffer.allocUnsafe(gpuFrameBound(length)));
  const plains = chunks.map(({ length }) => Buffer.allocUnsafe(length));
  const lengths: number[] = [];
  const sampleBytes = chunks.reduce((bytes, { length }) => bytes + length, 0);

  const encodeOne = async (at: number) => {
    lengths[at] = await engine.encode(chunks[at] as Buffer, frames[at] as Buffer);
  };
  const decodeOne = async (at: number) => {
    const frame = frames[at]?.subarray(0, lengths[at]) as Buffer;
    const plainBytes = await engine.decode(frame, plains[at] as Buffer);
    if (plainBytes !== chunks[at]?.length) throw new Error(`"${engine.name}" does not decode what it made`);
  };
  async function all(work: (at: number) => Promise<void>): Promise<{ perSecond: number; kernelsPerSecond?: number }> {
    await work(0);
    const kernelMs = engine.kernelMs;
    const start = performance.now();
    await Promise.all(chunks.map((_, at) => work(at)));
    const wallMs = performance.now() - start;
    const inKernelsMs = engine.kernelMs - kernelMs;
    return {
      perSecond: (sampleBytes * 1000) / wallMs,
      ...(inKernelsMs > 0 ? { kernelsPerSecond: (sampleBytes * 1000) / inKernelsMs } : {}),
    };
  }

  const compressed = await all(encodeOne);
  const decompressed = await all(decodeOne);
  for (const [at, chunk] of chunks.entries()) {
    if (!plains[at]?.equals(chunk)) throw new Error(`"${engine.name}" gives other bytes back than it was given`);
  }
  return {
    sampleBytes,
    ratio: sampleBytes / lengths.reduce((bytes, length) => bytes + length, 0),
    compressBytesPerSecond: compressed.perSecond,
    decompressBytesPerSecond: decompressed.perSecond,
    compressKernelBytesPerSecond: compressed.kernelsPerSecond,
    decompressKernelBytesPerSecond: decompressed.kernelsPerSecond,
  };
}
