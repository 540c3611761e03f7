/** The last frame that held nothing but zeros: most of a disk may be such frames, each the same bytes. */
export interface ZeroFrame {
  /** @returns how many zeros in bytes, if it is that frame */
  plainLengthOf(frame: Buffer): number | undefined;
  remember(frame: Buffer, plainLength: number): void;
}

/** 4 MiB of zeros are 16 KiB of lz4, and less of any other codec. */
const LARGEST_BYTES = 64 * 1024;

export function createZeroFrame(): ZeroFrame {
  let known: { frame: Buffer; plainLength: number } | undefined;
  return {
    plainLengthOf: (frame) => (known !== undefined && frame.equals(known.frame) ? known.plainLength : undefined),
    remember(frame, plainLength) {
      if (frame.length <= LARGEST_BYTES) known = { frame: Buffer.from(frame), plainLength };
    },
  };
}
