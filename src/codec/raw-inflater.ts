import { createInflateRaw } from 'node:zlib';

export interface RawInflateStep {
  plain: Buffer[];
  consumedBytes: number;
  /** The deflate data is over; what was not consumed lies behind it. */
  ended: boolean;
}

export interface RawInflater {
  /**
   * Decodes the next piece. All plaintext has come once `ended` is true; before that some may come with a later piece.
   * The end shows with the first byte behind it, which every gzip member has.
   */
  run(piece: Buffer): Promise<RawInflateStep>;
  close(): void;
}

/** node:zlib's stream of raw deflate data, a piece at a time, telling where the data ends. */
export function createRawInflater(): RawInflater {
  const stream = createInflateRaw();
  let plain: Buffer[] = [];
  stream.on('data', (data: Buffer) => plain.push(data));

  const settle = (consumedBefore: number, ended: boolean): RawInflateStep => {
    const step = { plain, consumedBytes: stream.bytesWritten - consumedBefore, ended };
    plain = [];
    return step;
  };
  return {
    run(piece) {
      const consumedBefore = stream.bytesWritten;
      return new Promise((resolve, reject) => {
        const onEnd = () => {
          stream.off('error', reject);
          resolve(settle(consumedBefore, true));
        };
        stream.once('end', onEnd);
        stream.once('error', reject);
        stream.write(piece, (error) => {
          // The failure itself comes with the event.
          if (error) return;
          stream.off('end', onEnd);
          stream.off('error', reject);
          resolve(settle(consumedBefore, false));
        });
      });
    },
    close: () => stream.destroy(),
  };
}
