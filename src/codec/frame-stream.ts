import type { CoderStep } from '../native/stream-struct.js';
import type { StreamDecoder } from './codec.js';

export interface FrameCoder {
  /** Neither buffer may be empty, but for `input` when `output` was filled before. */
  run(input: Buffer, output: Buffer): CoderStep;
  close(): void;
}

/** Decodes a file of frames with a coder that finds the next frame itself (libzstd, liblz4). */
export function createFrameStream(coder: FrameCoder): StreamDecoder {
  let atEnd = false;
  // A call that filled its output may hold more. One that makes no progress is an error to libzstd after the 16th time.
  let holdsOutput = false;
  return {
    step(input, output) {
      let consumedBytes = 0;
      let producedBytes = 0;
      while (producedBytes < output.length && (consumedBytes < input.length || holdsOutput)) {
        const room = output.length - producedBytes;
        const done = coder.run(input.subarray(consumedBytes), output.subarray(producedBytes));
        consumedBytes += done.consumedBytes;
        producedBytes += done.producedBytes;
        atEnd = done.ended;
        holdsOutput = !done.ended && done.producedBytes === room;
      }
      return { consumedBytes, producedBytes, atEnd };
    },
    close: coder.close,
  };
}
