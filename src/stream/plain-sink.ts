import { crc32 } from 'node:zlib';
import type { DataRun } from './job.js';

/** Decoded plaintext on its way to where it belongs. */
export interface PlainPiece {
  plain: Buffer;
  /** Where it belongs, in bytes of the plaintext. */
  plainOffset: number;
  /** What of it is not zeros. */
  dataRuns: DataRun[];
  /** Memory that may be used until the piece is put. */
  spare: Buffer;
}

/** Where plaintext goes. Pieces of a sink that is not ordered come in any order, several at once. */
export interface PlainSink {
  readonly ordered: boolean;
  /** What is lost must be put as zeros: nothing else makes the target's bytes there known. */
  readonly zerosForLost: boolean;
  /** It looks at lengths only, and never at the plaintext. */
  readonly ignoresPlain?: boolean;
  put(piece: PlainPiece): Promise<void>;
}

/** For a verify: to have been decoded is all. */
export const nowhere: PlainSink = {
  ordered: false,
  zerosForLost: false,
  ignoresPlain: true,
  put: () => Promise.resolve(),
};

/** A range of the plaintext, from `start` up to `end`, in bytes. */
export interface PlainRange {
  start: number;
  end: number;
}

/** Passes on only a range of the plaintext, as if the image began with it. */
export function rangeSink(range: PlainRange, sink: PlainSink): PlainSink {
  return {
    ordered: sink.ordered,
    zerosForLost: sink.zerosForLost,
    async put({ plain, plainOffset, dataRuns, spare }) {
      const from = Math.max(range.start - plainOffset, 0);
      const to = Math.min(range.end - plainOffset, plain.length);
      if (from >= to) return;
      const cutRuns = dataRuns
        .map((run) => ({ start: Math.max(run.start, from) - from, end: Math.min(run.end, to) - from }))
        .filter((run) => run.start < run.end);
      await sink.put({
        plain: plain.subarray(from, to),
        plainOffset: plainOffset + from - range.start,
        dataRuns: cutRuns,
        spare,
      });
    },
  };
}

/** Writes zeros too, where something else may have been put before. */
export function overwritingSink(sink: PlainSink): PlainSink {
  return {
    ...sink,
    put: (piece) => sink.put({ ...piece, dataRuns: [{ start: 0, end: piece.plain.length }] }),
  };
}

/** A stretch that was put: where, in bytes of what the sink was given, and its CRC-32. */
export interface PutRecord {
  offset: number;
  length: number;
  crc: number;
}

/** Keeps account of what is put, so that it can be read back and compared later. */
export function recordingSink(sink: PlainSink, records: PutRecord[]): PlainSink {
  return {
    ordered: sink.ordered,
    zerosForLost: sink.zerosForLost,
    async put(piece) {
      records.push({ offset: piece.plainOffset, length: piece.plain.length, crc: crc32(piece.plain) });
      await sink.put(piece);
    },
  };
}
