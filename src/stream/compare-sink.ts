import { fromSystem } from '../error.js';
import type { PlainSink } from './plain-sink.js';
import { type ReadableAt, ReadError, readAt } from './read-at.js';

/** How plaintext and another copy of it differ; in bytes. */
export interface Difference {
  firstOffset: number | undefined;
  differingBytes: number;
}

export interface CompareSink extends PlainSink {
  readonly difference: Difference;
}

/** Compares plaintext with what a source holds at the same offsets. */
export function compareSink(source: ReadableAt, path: string): CompareSink {
  const difference: Difference = { firstOffset: undefined, differingBytes: 0 };
  return {
    ordered: false,
    zerosForLost: false,
    difference,
    async put({ plain, plainOffset, spare }) {
      let got: number;
      try {
        got = await readAt(source, spare, plainOffset, plain.length);
      } catch (error) {
        throw error instanceof ReadError ? fromSystem(error.cause, 'read', path, error.offset) : error;
      }
      if (got === plain.length && spare.compare(plain, 0, plain.length, 0, plain.length) === 0) return;
      let first = -1;
      for (let at = 0; at < plain.length; at++) {
        if (at < got && plain[at] === spare[at]) continue;
        if (first < 0) first = at;
        difference.differingBytes += 1;
      }
      difference.firstOffset = Math.min(difference.firstOffset ?? Number.POSITIVE_INFINITY, plainOffset + first);
    },
  };
}
