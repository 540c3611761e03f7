/** Where the frames of an image are: per frame its stored length, its plaintext's length and a CRC-32 of its stored bytes. */
export interface FrameTable {
  readonly count: number;
  /** Sum of all plaintext, in bytes. */
  readonly plainBytes: number;
  /** Sum of all stored frames, in bytes. */
  readonly storedBytes: number;
  /** Offset of the first frame in the file. */
  readonly firstOffset: number;
  readonly alignBytes: number;
  /** False where the file holds no CRC of the stored bytes (xz, files of other tools). */
  readonly hasCrc: boolean;
  /** Length of the frame as the index tells it: without the padding that follows it. */
  lengthOf(frame: number): number;
  plainLengthOf(frame: number): number;
  crcOf(frame: number): number;
}

/** A frame and its place in both the file and the plaintext; all in bytes. */
export interface LocatedFrame {
  number: number;
  offset: number;
  length: number;
  plainOffset: number;
  plainLength: number;
  crc: number | undefined;
}

export interface GrowingFrameTable extends FrameTable {
  add(length: number, plainLength: number, crc: number): void;
}

export interface FrameTableOptions {
  hasCrc?: boolean;
  /** Frames are padded to a multiple of this in the file (4 in xz). */
  alignBytes?: number;
}

/** 12 bytes a frame, so that 20 TB in chunks of 4 MiB take 60 MB. */
export function createFrameTable(firstOffset: number, options: FrameTableOptions = {}): GrowingFrameTable {
  const { hasCrc = true, alignBytes = 1 } = options;
  let lengths = new Uint32Array(1024);
  let plainLengths = new Uint32Array(1024);
  let crcs = new Uint32Array(1024);
  let count = 0;
  let plainBytes = 0;
  let storedBytes = 0;
  return {
    firstOffset,
    hasCrc,
    alignBytes,
    get count() {
      return count;
    },
    get plainBytes() {
      return plainBytes;
    },
    get storedBytes() {
      return storedBytes;
    },
    lengthOf: (frame) => lengths[frame] as number,
    plainLengthOf: (frame) => plainLengths[frame] as number,
    crcOf: (frame) => crcs[frame] as number,
    add(length, plainLength, crc) {
      if (count === lengths.length) {
        lengths = grown(lengths);
        plainLengths = grown(plainLengths);
        crcs = grown(crcs);
      }
      lengths[count] = length;
      plainLengths[count] = plainLength;
      crcs[count] = crc;
      count += 1;
      plainBytes += plainLength;
      storedBytes += paddedLength(length, alignBytes);
    },
  };
}

export function paddedLength(length: number, alignBytes: number): number {
  return Math.ceil(length / alignBytes) * alignBytes;
}

function grown(old: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(old.length * 2);
  larger.set(old);
  return larger;
}

/** All frames in the order of the file. */
export function* locateFrames(table: FrameTable): Generator<LocatedFrame> {
  let offset = table.firstOffset;
  let plainOffset = 0;
  for (let number = 0; number < table.count; number++) {
    const length = paddedLength(table.lengthOf(number), table.alignBytes);
    const plainLength = table.plainLengthOf(number);
    yield { number, offset, length, plainOffset, plainLength, crc: table.hasCrc ? table.crcOf(number) : undefined };
    offset += length;
    plainOffset += plainLength;
  }
}

/** The longest stored frame and the longest plaintext, in bytes: what a slot must hold. */
export function largestFrame(table: FrameTable): { storedBytes: number; plainBytes: number } {
  let storedBytes = 0;
  let plainBytes = 0;
  for (let frame = 0; frame < table.count; frame++) {
    storedBytes = Math.max(storedBytes, paddedLength(table.lengthOf(frame), table.alignBytes));
    plainBytes = Math.max(plainBytes, table.plainLengthOf(frame));
  }
  return { storedBytes, plainBytes };
}
