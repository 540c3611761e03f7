/// <reference types="@webgpu/types" />
import { USAGE } from './usage.js';

/** Two timestamps of 8 bytes: when a pass began and when it ended. */
export const TIMES_BYTES = 16;

/** Measures one compute pass at a time by the device's own clock; does nothing where it has none. */
export interface PassTimer {
  readonly descriptor: GPUComputePassDescriptor;
  /** Has the times copied to where the host can read them, at a multiple of 8. */
  copyTo(encoder: GPUCommandEncoder, target: GPUBuffer, offset: number): void;
  /** @returns milliseconds; undefined where there is no clock */
  read(times: BigUint64Array): number | undefined;
}

const NANOSECONDS_A_MS = 1e6;

export function createPassTimer(device: GPUDevice): PassTimer {
  if (!device.features.has('timestamp-query')) return { descriptor: {}, copyTo() {}, read: () => undefined };
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = device.createBuffer({ size: TIMES_BYTES, usage: USAGE.queryResolve | USAGE.copySource });
  return {
    descriptor: { timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } },
    copyTo(encoder, target, offset) {
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, target, offset, TIMES_BYTES);
    },
    read: ([begin = 0n, end = 0n]) => Number(end - begin) / NANOSECONDS_A_MS,
  };
}
