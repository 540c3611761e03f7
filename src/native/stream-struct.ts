/**
 * zlib, bzip2 and liblzma are driven through one shape of struct: next_in, avail_in, next_out, avail_out. It is kept in a
 * prepared buffer rather than a koffi struct, since the libraries remember its address and koffi would copy it.
 * Offsets are those of 64-bit Linux, little-endian.
 */
export interface StreamLayout {
  sizeBytes: number;
  nextIn: number;
  availIn: number;
  nextOut: number;
  availOut: number;
  availType: 'u32' | 'u64';
}

export interface StreamStruct {
  readonly bytes: Buffer;
  /** Points the struct at what the next call may read and write. */
  aim(input: Buffer, output: Buffer): void;
  /** What the call has written. */
  producedBytes(): number;
  /** What the call has done. */
  step(ended: boolean): CoderStep;
}

/** avail_in and avail_out are 32 bits wide in zlib and bzip2; what goes beyond comes with the next call. */
const MAX_AIM_BYTES = 0x7fff_ffff;

export function createStreamStruct(layout: StreamLayout, address: (bytes: Buffer) => bigint): StreamStruct {
  // Not Buffer.alloc: the struct has to lie outside of the JavaScript heap, where nothing moves it.
  const bytes = Buffer.from(new ArrayBuffer(layout.sizeBytes));
  const somewhere = address(bytes);
  // The libraries hold addresses only: these keep the memory alive while a call runs.
  let held: { input: Buffer; output: Buffer } | undefined;
  let inBytes = 0;
  let outBytes = 0;

  const setAvailable = (offset: number, value: number) => {
    bytes.writeUInt32LE(value, offset);
    if (layout.availType === 'u64') bytes.writeUInt32LE(0, offset + 4);
  };
  const producedBytes = () => outBytes - bytes.readUInt32LE(layout.availOut);
  return {
    bytes,
    aim(input, output) {
      held = { input, output };
      inBytes = Math.min(held.input.length, MAX_AIM_BYTES);
      outBytes = Math.min(held.output.length, MAX_AIM_BYTES);
      // An empty buffer has no address, and zlib refuses NULL even with a length of 0.
      bytes.writeBigUInt64LE(inBytes === 0 ? somewhere : address(input), layout.nextIn);
      bytes.writeBigUInt64LE(outBytes === 0 ? somewhere : address(output), layout.nextOut);
      setAvailable(layout.availIn, inBytes);
      setAvailable(layout.availOut, outBytes);
    },
    producedBytes,
    step: (ended) => ({
      consumedBytes: inBytes - bytes.readUInt32LE(layout.availIn),
      producedBytes: producedBytes(),
      ended,
    }),
  };
}

/** What one call to a library's decoder did. */
export interface CoderStep {
  consumedBytes: number;
  producedBytes: number;
  /** The member, stream or frame is over; the next one needs `restart`. */
  ended: boolean;
}

/** Decodes one member after another; `restart` before each, the first one too. */
export interface MemberCoder {
  restart(): void;
  /** @throws LifeboatError DAMAGE */
  run(input: Buffer, output: Buffer): CoderStep;
  close(): void;
}
