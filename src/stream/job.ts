import type { CodecName, EngineName } from '../codec/codec.js';
import type { SlotLayout } from './slots.js';

/** What a worker needs once, at its start. */
export interface WorkerSetup {
  memory: SharedArrayBuffer;
  layout: SlotLayout;
  codec: CodecName;
  engine: EngineName;
  level: number;
  chunkBytes: number;
  /** For xz files of other tools; undefined for what we write. */
  xzCheck: number | undefined;
  /** The nice value of the threads, at least; undefined leaves it as it is. */
  niceness?: number | undefined;
}

/** One piece of work on one slot; all lengths in bytes. */
export type Job =
  /** Compress the slot's plaintext into its frame, unless it is all zeros and `zerosToo` is not set. */
  | {
      kind: 'encode';
      slot: number;
      plainLength: number;
      zerosToo: boolean;
      /** Undefined: as before. */
      level?: number | undefined;
      /** Of a processor, what the thread may take: it rests afterwards. Undefined: all of it. */
      share?: number | undefined;
    }
  /** Decode the frame that begins `shift` bytes into the slot's frame room. */
  | {
      kind: 'decode';
      slot: number;
      shift: number;
      frameLength: number;
      plainLength: number | undefined;
      crc: number | undefined;
      /** Nobody looks at the plaintext: where the outcome says that it is zeros, the slot need not hold any. */
      isPlainUnread?: boolean;
      /** Something else proves the plaintext of a frame that has no checksum. */
      isProvenLater?: boolean;
    }
  /** Look at plaintext that is already in the slot. */
  | { kind: 'scan'; slot: number; plainLength: number };

/** `restMs`: how long the thread is to do nothing now. `byGpu`: a graphics card did it. */
export type JobResult = JobOutcome & { busyMs: number; restMs?: number; byGpu?: boolean };

export type JobOutcome =
  | { kind: 'zeros' }
  | { kind: 'encoded'; frameLength: number; crc: number }
  | { kind: 'plain'; plainLength: number; dataRuns: DataRun[]; frameCrc: number }
  | { kind: 'damaged'; reason: string; frameCrc: number };

/** A stretch of plaintext that is not all zeros, from `start` up to `end`. */
export interface DataRun {
  start: number;
  end: number;
}
