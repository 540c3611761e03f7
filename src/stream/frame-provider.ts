import type { StreamDecoder } from '../codec/codec.js';
import { fromSystem, LifeboatError } from '../error.js';
import type { Container } from '../format/container.js';
import type { Cursor } from '../format/cursor.js';
import type { LocatedFrame } from '../format/frame-table.js';
import { endedEarly, type StreamRead } from './cursors.js';
import { leaveCache, type ReadableAt, ReadError, readAt } from './read-at.js';
import { DIRECT_ALIGNMENT, type Slot } from './slots.js';

/** What was put into a slot; all in bytes. */
export type Fetched =
  /** A frame, `shift` bytes into the slot's room for frames. */
  | {
      kind: 'frame';
      number: number;
      offset: number;
      shift: number;
      length: number;
      /** Undefined where it is known only after the frames before it are decoded. */
      plainOffset: number | undefined;
      plainLength: number | undefined;
      /** What it most likely has, should it turn out to be damaged. */
      presumedLength?: number | undefined;
      /** It has no checksum; `follow` proves what comes out of it. */
      isProvenLater?: boolean;
      crc: number | undefined;
    }
  /** Plaintext. */
  | { kind: 'plain'; number: number; offset: number; plainOffset: number | undefined; plainLength: number }
  /** A frame that could not be read. */
  | {
      kind: 'unreadable';
      number: number;
      offset: number;
      plainOffset: number | undefined;
      plainLength: number | undefined;
      reason: string;
    };

/** A frame that is lost: where it is in the image, and what of the plaintext it takes along. */
export interface FrameDamage {
  number: number;
  offset: number;
  plainOffset: number | undefined;
  plainLength: number | undefined;
  reason: string;
}

/** Where the frames of an image come from. */
export interface FrameProvider {
  /** How many fetches may be under way at once. */
  readonly readsInFlight: number;
  /**
   * Fetches what comes next; calls begin in the order of the image. Undefined at its end.
   * @throws LifeboatError DAMAGE where nothing behind can be found any more
   */
  fetch(slot: Slot): Promise<Fetched | undefined>;
  /**
   * Told of every frame in order, where its plaintext proves anything only together with that of others.
   * @param plain undefined if it could not be decoded
   * @returns what is wrong with those that are complete now
   */
  follow?(number: number, plain: Buffer | undefined, plainOffset: number): FrameDamage | undefined;
  /** Frees what is held outside of the JavaScript heap. */
  close?(): void;
}

const READS_IN_FLIGHT = 4;

/** Room before and behind a frame in its slot, so that it can be read with O_DIRECT from any offset. */
export const FRAME_SLACK_BYTES = 2 * DIRECT_ALIGNMENT;

/** Frames of a file, at known places: read several at once, decoded in any order. */
export function locatedFrames(
  file: ReadableAt,
  path: string,
  frames: Iterator<LocatedFrame & { plainOffset: number | undefined }>,
): FrameProvider {
  return {
    readsInFlight: READS_IN_FLIGHT,
    async fetch(slot) {
      const next = frames.next();
      if (next.done === true) return undefined;
      const { number, offset, length, plainOffset, plainLength, crc } = next.value;
      const shift = offset % DIRECT_ALIGNMENT;
      const lost = (reason: string): Fetched => ({
        kind: 'unreadable',
        number,
        offset,
        plainOffset,
        plainLength,
        reason,
      });
      if (shift + length > slot.frame.length) return lost(`its length of ${length} bytes cannot be`);
      try {
        const bytes = await readAt(file, slot.frame, offset - shift, shift + length);
        leaveCache(file, offset - shift, shift + length);
        if (bytes < shift + length) return lost('the file ends before it');
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        return lost(fromSystem(error.cause, 'read', path, error.offset).message);
      }
      return { kind: 'frame', number, offset, shift, length, plainOffset, plainLength, crc };
    },
  };
}

export interface SplitFrames extends FrameProvider {
  /** The frames so far, as the container's index counts them; lengths in bytes. */
  readonly shapes: readonly { indexedLength: number; plainLength: number }[];
}

/** Frames of a stream that we wrote: cut by their own headers, decoded side by side. */
export function splitFrames(cursor: Cursor, container: Container): SplitFrames {
  let number = 0;
  let plainOffset = 0;
  const shapes: { indexedLength: number; plainLength: number }[] = [];
  return {
    readsInFlight: 1,
    shapes,
    async fetch(slot) {
      const offset = cursor.position;
      const frame = await container.walkFrame(cursor, slot.frame);
      if (frame === undefined) return undefined;
      const { length, plainLength } = frame;
      if (plainLength === undefined) {
        throw new LifeboatError('DAMAGE', `the frame at offset ${offset} does not tell its size`, { offset });
      }
      shapes.push({ indexedLength: container.indexedLength(slot.frame.subarray(0, frame.length)), plainLength });
      const fetched: Fetched = {
        kind: 'frame',
        number,
        offset,
        shift: 0,
        length,
        plainOffset,
        plainLength,
        crc: undefined,
      };
      number += 1;
      plainOffset += plainLength;
      return fetched;
    },
  };
}

const INPUT_BYTES = 1024 * 1024;

/**
 * Any file of a codec, decoded from front to back by one decoder; only what follows (zeros, writing, comparing) is shared
 * out. Runs in the main thread: nothing else there takes time.
 */
export function sequentialFrames(read: StreamRead, decoder: StreamDecoder, chunkBytes: number): FrameProvider {
  const input = Buffer.alloc(INPUT_BYTES);
  let pending: Buffer = input.subarray(0, 0);
  let number = 0;
  let plainOffset = 0;
  let consumed = 0;
  let atEnd = false;
  let inputEnded = false;

  async function refill(): Promise<void> {
    if (pending.length > 0 || inputEnded) return;
    const got = await read(input, input.length);
    pending = input.subarray(0, got);
    inputEnded = got === 0;
  }

  return {
    readsInFlight: 1,
    close: () => decoder.close(),
    async fetch(slot) {
      const room = slot.plain.subarray(0, chunkBytes);
      const offset = consumed;
      let produced = 0;
      while (produced < room.length) {
        await refill();
        const step = await decoder.step(pending, room.subarray(produced));
        pending = pending.subarray(step.consumedBytes);
        consumed += step.consumedBytes;
        produced += step.producedBytes;
        atEnd = step.atEnd;
        if (step.consumedBytes === 0 && step.producedBytes === 0 && pending.length > 0) {
          throw new Error(`the decoder takes nothing at offset ${consumed}`);
        }
        if (inputEnded && step.producedBytes === 0) break;
      }
      if (produced === 0) {
        if (!atEnd) throw endedEarly(consumed);
        return undefined;
      }
      const fetched: Fetched = { kind: 'plain', number, offset, plainOffset, plainLength: produced };
      number += 1;
      plainOffset += produced;
      return fetched;
    },
  };
}
