import { endsEarly } from '../native/frame-error.js';

/**
 * A parser that asks for a number of bytes, gets exactly these, and so on; the same one serves a frame in memory and a
 * stream that comes in pieces. What it is given is valid until it asks for more.
 */
export type FrameWalk<T> = Generator<number, T, Buffer>;

export interface Walked<T> {
  value: T;
  /** What the parser took, from the start of the frame. */
  bytes: number;
}

/** @throws LifeboatError DAMAGE if the parser asks for more than `frame` has */
export function walkFrame<T>(codec: string, walk: FrameWalk<T>, frame: Buffer): Walked<T> {
  let bytes = 0;
  let next = walk.next(frame.subarray(0, 0));
  while (!next.done) {
    const wanted = next.value;
    if (wanted > frame.length - bytes) throw endsEarly(codec);
    next = walk.next(frame.subarray(bytes, bytes + wanted));
    bytes += wanted;
  }
  return { value: next.value, bytes };
}
