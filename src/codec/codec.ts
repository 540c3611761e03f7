/** What the rest of the program knows of a codec: plaintext chunk <-> frame. No file format and no I/O in here. */

export type CodecName = 'gzip' | 'zstd' | 'lz4' | 'xz' | 'bzip2' | 'none';
/** Who runs a codec: the system's C libraries, or npm packages. */
export type EngineName = 'native' | 'portable';

/** One context of one thread. Not to be shared; `close` frees what it holds outside of the JavaScript heap. */
export interface Encoder {
  /**
   * Compresses `plain` into one frame at the start of `out`.
   * @param out at least `codec.frameBound(plain.length)` bytes
   * @returns the frame's length in bytes
   */
  encode(plain: Buffer, out: Buffer): number | Promise<number>;
  /** Another level from the next frame on; undefined where a codec keeps the one that it was made with. */
  setLevel?(level: number): void;
  close(): void;
}

export interface Decoder {
  /**
   * Decodes exactly one frame.
   * @returns the plaintext's length in bytes
   * @throws LifeboatError DAMAGE if the frame is not valid, fails its checksum, ends early, has bytes behind its end,
   *   or holds more than `out` takes
   */
  decode(frame: Buffer, out: Buffer): number | Promise<number>;
  close(): void;
}

/** Decodes a file of that codec, whoever wrote it and however many frames it has, from front to back. */
export interface StreamDecoder {
  /**
   * Takes some of `input` and fills some of `output`; either may come back partly used. Makes progress whenever there is
   * input to take or output that it still holds.
   * @throws LifeboatError DAMAGE, with the reason
   */
  step(input: Buffer, output: Buffer): StreamStep | Promise<StreamStep>;
  close(): void;
}

export interface StreamStep {
  consumedBytes: number;
  producedBytes: number;
  /** True when everything taken so far is whole frames, one at least, so that the file may end here. */
  atEnd: boolean;
}

export interface LevelRange {
  min: number;
  max: number;
}

export interface EncoderOptions {
  level: number;
  /** The largest plaintext that will come, in bytes: dictionaries and windows are capped at it. */
  chunkBytes: number;
}

export interface Codec {
  readonly name: CodecName;
  readonly defaultLevel: number;
  readonly defaultChunkBytes: number;
  /** Undefined when the codec has no such engine at all. */
  levels(engine: EngineName): LevelRange | undefined;
  /** The largest frame that `plainBytes` of plaintext can become, in bytes. */
  frameBound(plainBytes: number): number;
  /** What is missing on this host for the engine, as a sentence with the Debian package to install; undefined if nothing. */
  missing(engine: EngineName): string | undefined;
  createEncoder(engine: EngineName, options: EncoderOptions): Encoder | Promise<Encoder>;
  createDecoder(engine: EngineName): Decoder | Promise<Decoder>;
  createStreamDecoder(engine: EngineName): StreamDecoder | Promise<StreamDecoder>;
}
