/** Data of a piece of a source, by its bytes alone. */
export type PieceKind = 'zeros' | 'compressible' | 'incompressible';

/**
 * Bits a byte, of pieces of 64 KiB: what is encrypted has 7.997, what xz, zstd or deflate made at least 7.99, 7.90 and 7.92;
 * half of a program's have less than 6.2, a tenth less than 3.9.
 */
const INCOMPRESSIBLE_BITS = 7.9;

/** Shannon's entropy of its bytes, for themselves: what no byte tells of the next is not seen. */
export function kindOfPiece(bytes: Buffer): PieceKind {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  if ((counts[0] ?? 0) === bytes.length) return 'zeros';
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / bytes.length) * Math.log2(count / bytes.length);
  return bits >= INCOMPRESSIBLE_BITS ? 'incompressible' : 'compressible';
}

const LEAST_PIECES = 6;
const NEARLY_ALL = 0.9;

/** Whether a source is not worth compressing; undefined where too little of it was seen that is no zeros. */
export function isIncompressible(pieces: readonly PieceKind[]): boolean | undefined {
  const filled = pieces.filter((kind) => kind !== 'zeros');
  if (filled.length < LEAST_PIECES) return undefined;
  return filled.filter((kind) => kind === 'incompressible').length >= NEARLY_ALL * filled.length;
}
