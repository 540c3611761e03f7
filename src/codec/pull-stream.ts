import type { StreamDecoder, StreamStep } from './codec.js';
import type { FrameWalk } from './frame-walk.js';

/** What a decoder that is written from top to bottom asks of whoever runs it. The bytes it gets are its own. */
export type PullRequest =
  /** Exactly so many bytes. `fileMayEnd`: what lies before them is whole frames. */
  | { take: number; fileMayEnd?: boolean }
  /** 1 to so many bytes. */
  | { takeSome: number; fileMayEnd?: boolean }
  /** Bytes taken too many, which the next request gets first. */
  | { giveBack: Buffer }
  /** Plaintext for the reader, 1 byte or more. */
  | { put: Buffer };

export type PullProgram<T = void> = AsyncGenerator<PullRequest, T, Buffer>;

const NOTHING = Buffer.alloc(0);

/** Runs a pull program as a stream decoder. Once the program has returned, no more input is taken. */
export function createPullStream(program: PullProgram): StreamDecoder {
  // Answered with nothing, which starts the program.
  let request: PullRequest = { giveBack: NOTHING };
  let taken = NOTHING;
  let takenBytes = 0;
  let putBytes = 0;
  let unread = NOTHING;
  let done = false;

  const answer = async (bytes: Buffer) => {
    const next = await program.next(bytes);
    if (next.done) {
      done = true;
      return;
    }
    request = next.value;
    putBytes = 0;
    takenBytes = 0;
    if ('take' in request) taken = Buffer.allocUnsafe(request.take);
  };
  /** Fills `target` with what was given back, then from `input`. */
  const fill = (target: Buffer, input: Buffer): { filledBytes: number; consumedBytes: number } => {
    const unreadBytes = unread.copy(target);
    unread = unread.subarray(unreadBytes);
    const consumedBytes = input.copy(target, unreadBytes);
    return { filledBytes: unreadBytes + consumedBytes, consumedBytes };
  };
  const mayEnd = () => done || ('fileMayEnd' in request && request.fileMayEnd === true && takenBytes === 0);

  return {
    async step(input, output): Promise<StreamStep> {
      let consumedBytes = 0;
      let producedBytes = 0;
      while (!done) {
        if ('put' in request) {
          const copied = request.put.copy(output, producedBytes, putBytes);
          putBytes += copied;
          producedBytes += copied;
          if (putBytes < request.put.length) break;
          await answer(NOTHING);
        } else if ('giveBack' in request) {
          unread = Buffer.concat([request.giveBack, unread]);
          await answer(NOTHING);
        } else if ('take' in request) {
          const got = fill(taken.subarray(takenBytes), input.subarray(consumedBytes));
          takenBytes += got.filledBytes;
          consumedBytes += got.consumedBytes;
          if (takenBytes < taken.length) break;
          await answer(taken);
        } else {
          const some = Buffer.allocUnsafe(Math.min(request.takeSome, unread.length + input.length - consumedBytes));
          if (some.length === 0) break;
          consumedBytes += fill(some, input.subarray(consumedBytes)).consumedBytes;
          await answer(some);
        }
      }
      return { consumedBytes, producedBytes, atEnd: mayEnd() };
    },
    close() {
      done = true;
      // Runs the program's `finally`; it waits at a yield, where that cannot fail.
      void program.return();
    },
  };
}

/** Runs a parser of frames within a pull program. */
export async function* takeWalk<T>(walk: FrameWalk<T>, keep?: (piece: Buffer) => void): PullProgram<T> {
  let next = walk.next(NOTHING);
  while (!next.done) {
    const piece = yield { take: next.value };
    keep?.(piece);
    next = walk.next(piece);
  }
  return next.value;
}

/** Passes over so many bytes. */
export async function* skip(bytes: number): PullProgram {
  const PIECE_BYTES = 64 * 1024;
  for (let left = bytes; left > 0; ) left -= (yield { takeSome: Math.min(left, PIECE_BYTES) }).length;
}
