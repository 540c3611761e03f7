import { endsEarly } from '../native/frame-error.js';
import type { MemberCoder } from '../native/stream-struct.js';

const NOTHING = Buffer.alloc(0);

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
  let next = walk.next(NOTHING);
  while (!next.done) {
    const wanted = next.value;
    if (wanted > frame.length - bytes) throw endsEarly(codec);
    next = walk.next(frame.subarray(bytes, bytes + wanted));
    bytes += wanted;
  }
  return { value: next.value, bytes };
}

/** Has the header of each member walked before its body goes to a coder that knows no headers. */
export function withHeader(body: MemberCoder, walkHeader: () => FrameWalk<void>): MemberCoder {
  let walk = walkHeader();
  let next = walk.next(NOTHING);
  let taken: Buffer = NOTHING;
  return {
    restart() {
      body.restart();
      walk = walkHeader();
      next = walk.next(NOTHING);
      taken = NOTHING;
    },
    run(input, output) {
      let consumedBytes = 0;
      while (!next.done) {
        const piece = input.subarray(consumedBytes, consumedBytes + next.value - taken.length);
        consumedBytes += piece.length;
        taken = Buffer.concat([taken, piece]);
        if (taken.length < next.value) return { consumedBytes, producedBytes: 0, ended: false };
        next = walk.next(taken);
        taken = NOTHING;
      }
      const step = body.run(input.subarray(consumedBytes), output);
      return { ...step, consumedBytes: consumedBytes + step.consumedBytes };
    },
    close: () => body.close(),
  };
}
