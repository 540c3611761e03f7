import type { CodecName } from '../codec/codec.js';
import type { Cursor, RandomReader } from './cursor.js';
import type { FrameTable } from './frame-table.js';

/** One frame as found by walking over it; lengths in bytes. */
export interface WalkedFrame {
  length: number;
  /** Undefined where the frame does not say. 0 only where there is no room for any: whoever sees 0 may pass it over. */
  plainLength: number | undefined;
  /** False where nothing in the frame proves its plaintext. */
  checked: boolean;
}

/** What stands around the frames of one codec's files, and how to find the frames in it. Pure: bytes in, bytes out. */
export interface Container {
  readonly codec: CodecName;
  /** True when prologue and epilogue let `verify` find any damage without a sidecar. */
  readonly selfProving: boolean;
  /** Frames are padded to a multiple of this. */
  readonly alignBytes: number;
  /** The length that the table keeps for a stored frame. */
  indexedLength(frame: Buffer): number;
  /** A file of this kind without any frame is not valid: nothing becomes one frame of nothing. */
  readonly needsFrame: boolean;
  /** What stands before the first frame. */
  prologue(chunkBytes: number): Buffer;
  /** What stands behind the last frame: the index, in a shape that stock tools skip. */
  epilogue(chunkBytes: number, table: FrameTable): Buffer;
  /** How long the epilogue of such a table is, in bytes. */
  epilogueBytes(table: FrameTable): number;
  /** How many bytes of the start `parsePrologue` wants. */
  readonly prologueBytes: number;
  /**
   * The chunk size in bytes that our own prologue tells; undefined for a file of another tool.
   * @throws LifeboatError DAMAGE where it is ours and broken
   */
  parsePrologue(head: Buffer): { chunkBytes: number } | undefined;
  /**
   * Finds our index from the end of a file.
   * @returns undefined where there is none
   * @throws LifeboatError DAMAGE where there is one that is broken
   */
  readIndex(file: RandomReader): Promise<{ chunkBytes: number; table: FrameTable } | undefined>;
  /**
   * Walks over the next frame without decoding it, copying it into `into` if given.
   * @param maxPlainBytes of a frame that is larger, or does not tell its size, nothing but the header is read
   * @returns undefined where no frame begins: at the epilogue, or at the end of the data
   * @throws LifeboatError DAMAGE where the frame's structure is broken, or it is longer than `into`
   */
  walkFrame(cursor: Cursor, into?: Buffer, maxPlainBytes?: number): Promise<WalkedFrame | undefined>;
}
