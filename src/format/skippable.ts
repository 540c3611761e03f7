/** Skippable frames, which the zstd and LZ4 frame formats share: a magic 0x184D2A50 to 5F, a length, anything. */
export const SKIPPABLE_HEADER_BYTES = 8;
/** Of the sixteen magics, the one that our markers and indexes bear. */
export const OUR_SKIPPABLE_MAGIC = 0x184d2a5b;

export function isSkippableMagic(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
}

export function skippableFrame(magic: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER_BYTES);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}
