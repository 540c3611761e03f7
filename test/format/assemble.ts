import { crc32 } from 'node:zlib';
import type { CodecName } from '../../src/codec/codec.js';
import { codecByName } from '../../src/codec/index.js';
import type { Container } from '../../src/format/container.js';
import { containerOf } from '../../src/format/containers.js';
import type { RandomReader } from '../../src/format/cursor.js';
import { createFrameTable, type GrowingFrameTable } from '../../src/format/frame-table.js';
import { sharedCopy } from '../codec/samples.js';

/** The codecs whose files prove themselves. */
export const PROVING_CODECS = ['gzip', 'zstd', 'lz4', 'xz'] as const;

/** Three chunks of 4096 bytes, the last one short, that become a few hundred bytes in any codec. */
export const CHUNK_BYTES = 4096;
export const THREE_CHUNKS = Buffer.concat([
  Buffer.from('The boat is small and the sea is wide. '.repeat(120)).subarray(0, CHUNK_BYTES),
  Buffer.alloc(CHUNK_BYTES),
  Buffer.from('0123456789'.repeat(100)),
]);
export interface Assembled {
  file: Buffer;
  frames: Buffer[];
  table: GrowingFrameTable;
}

/** A whole image out of frames, put together as the writer does it. */
export function assemble(
  container: Container,
  chunkBytes: number,
  frames: Buffer[],
  plainLengths: number[],
): Assembled {
  const prologue = container.prologue(chunkBytes);
  const table = createFrameTable(prologue.length, { alignBytes: container.alignBytes });
  frames.forEach((frame, number) => {
    table.add(container.indexedLength(frame), plainLengths[number] as number, crc32(frame));
  });
  return { file: Buffer.concat([prologue, ...frames, container.epilogue(chunkBytes, table)]), frames, table };
}

/** A whole image of real frames. */
export async function assembleImage(codec: CodecName, plain: Buffer, chunkBytes: number): Promise<Assembled> {
  const { createEncoder, defaultLevel, frameBound } = codecByName(codec);
  const encoder = await createEncoder('native', { level: defaultLevel, chunkBytes });
  const frames: Buffer[] = [];
  const lengths: number[] = [];
  try {
    for (let at = 0; at < plain.length; at += chunkBytes) {
      const chunk = sharedCopy(plain.subarray(at, at + chunkBytes));
      const out = sharedCopy(Buffer.alloc(frameBound(chunk.length)));
      frames.push(Buffer.from(out.subarray(0, await encoder.encode(chunk, out))));
      lengths.push(chunk.length);
    }
  } finally {
    encoder.close();
  }
  return assemble(containerOf(codec), chunkBytes, frames, lengths);
}

/** A file in memory that counts what is read of it. */
export function memoryFile(bytes: Buffer): RandomReader & { readBytes: number } {
  return {
    sizeBytes: bytes.length,
    readBytes: 0,
    async read(offset, length) {
      const piece = Buffer.from(bytes.subarray(offset, offset + length));
      this.readBytes += piece.length;
      return piece;
    },
  };
}

/** A table of so many frames of different lengths. */
export function syntheticTable(firstOffset: number, frames: number, alignBytes = 1): GrowingFrameTable {
  const table = createFrameTable(firstOffset, { alignBytes });
  for (let frame = 0; frame < frames; frame++) table.add(20 + (frame % 300), frame % 100_000, crc32(`${frame}`));
  return table;
}

/** A file with that table whose frames are all zeros: enough for whoever does not look at them. */
export function syntheticFile(container: Container, chunkBytes: number, frames: number): Assembled {
  const prologue = container.prologue(chunkBytes);
  const table = syntheticTable(prologue.length, frames, container.alignBytes);
  const file = Buffer.concat([prologue, Buffer.alloc(table.storedBytes), container.epilogue(chunkBytes, table)]);
  return { file, frames: [], table };
}
