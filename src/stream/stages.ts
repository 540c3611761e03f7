/** How long each stage of a run worked and waited, in milliseconds. */
export interface StageTimes {
  wallMs: number;
  /** At least one read of the source was under way. */
  readMs: number;
  /** Nothing could be read because every slot was taken: the stages behind were slower. */
  readWaitMs: number;
  /** Time in the codec, summed over threads. */
  codecMs: number;
  threads: number;
  /** Threads had nothing to do, summed over threads. */
  codecWaitMs: number;
  writeMs: number;
  /** Nothing was there to be written: the stages before were slower. */
  writeWaitMs: number;
}

/** What the stages have done since a run began, while it goes on. Bytes and milliseconds. */
export interface StageCounts {
  wallMs: number;
  readBytes: number;
  readMs: number;
  /** In the codec, with what it was to compress, summed over threads. */
  encodeMs: number;
  /** Plaintext that was compressed, and what became of it. */
  encodedBytes: number;
  frameBytes: number;
  writtenBytes: number;
  writeMs: number;
}

export type Stage = 'reading' | 'codec' | 'writing';

/** The stage that was busy for the largest share of the time: the one to make faster. */
export function bottleneckOf(times: StageTimes): Stage {
  const shares: [Stage, number][] = [
    ['codec', times.codecMs / times.threads],
    ['writing', times.writeMs],
    ['reading', times.readMs],
  ];
  return shares.reduce((worst, next) => (next[1] > worst[1] ? next : worst))[0];
}
