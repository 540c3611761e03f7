import { open } from 'node:fs/promises';

/** What guest/layout wrote to where an image must not take it from. */
export const LEFT_OUT = ['data of a guest', 'free extents', 'memory swapped out', 'a deleted file'];
const MARK = 'lifeboat-vm: ';
const PIECE_BYTES = 4 * 1024 ** 2;

/** @returns {Promise<string[]>} those of LEFT_OUT that are on this disk all the same */
export async function foundOn(disk) {
  const found = new Set();
  const handle = await open(disk);
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; ; offset += PIECE_BYTES) {
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES, offset);
      if (bytesRead === 0) break;
      if (!piece.includes(MARK)) continue;
      for (const words of LEFT_OUT) if (piece.includes(`${MARK}${words}\n`)) found.add(words);
    }
  } finally {
    await handle.close();
  }
  return [...found];
}
