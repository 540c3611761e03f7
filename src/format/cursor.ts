/** Reads a file of frames from front to back, from wherever its bytes come. */
export interface Cursor {
  /** Offset of the next byte. */
  readonly position: number;
  /** The next bytes without taking them; fewer only where the data ends. `bytes` is at most 64 KiB. */
  peek(bytes: number): Promise<Buffer>;
  /**
   * Takes bytes, into the start of `into` if it is given.
   * @throws LifeboatError DAMAGE where the data ends before
   */
  advance(bytes: number, into?: Buffer): Promise<void>;
}

/** Reads at any place of a file. Returns fewer bytes only at its end. */
export interface RandomReader {
  readonly sizeBytes: number;
  read(offset: number, bytes: number): Promise<Buffer>;
}
