import type { CodecName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';
import type { Container } from './container.js';
import { codecOfHead, containerOf, HEAD_BYTES } from './containers.js';
import type { Cursor, RandomReader } from './cursor.js';
import { createFrameTable, type FrameTable } from './frame-table.js';
import { startIsDamaged } from './marker.js';
import { readXzIndex } from './xz.js';
import { readForeignSeekTable } from './zstd.js';

/** What a file turned out to be. */
export interface ImageShape {
  codec: CodecName;
  /** `lifeboat`: the file proves itself whole by our index. `foreign`: only what its codec checks is checked. */
  origin: 'lifeboat' | 'foreign';
  chunkBytes: number;
  /** Where the frames are; undefined where the file must be decoded from front to back. */
  table: FrameTable | undefined;
  /** The kind of check behind each block of an xz file. */
  xzCheck: number | undefined;
  /** What is wrong with the file's start, its end or its index; frames are not looked at. */
  damage: LifeboatError[];
}

/** Foreign frames up to this much plaintext are decoded side by side, larger ones from front to back: memory is bounded. */
export const MAX_PARALLEL_FRAME_BYTES = 64 * 1024 * 1024;

/**
 * Finds out what a file is by its first bytes and its index.
 * @throws LifeboatError DAMAGE if it is nothing that is known: raw data is never assumed
 */
export async function identifyFile(file: RandomReader): Promise<ImageShape> {
  const head = await file.read(0, Math.min(HEAD_BYTES, file.sizeBytes));
  const codec = codecOfHead(head);
  if (codec === undefined) return identifyByIndex(file);
  const container = containerOf(codec);
  if (!container.selfProving) return foreign(codec);

  const damage: LifeboatError[] = [];
  const prologue = await unlessDamaged(damage, () => container.parsePrologue(head));
  const startDamage = damage.length;
  const found = await unlessDamaged(damage, () => container.readIndex(file));
  if (damage.length === 0 && found === undefined && (prologue === undefined || codec === 'xz')) {
    return identifyForeign(file, container);
  }
  if (prologue === undefined && startDamage === 0) damage.push(startIsDamaged());
  if (found === undefined && damage.length === startDamage) {
    damage.push(new LifeboatError('DAMAGE', 'it has no index at its end: it is cut off', { offset: file.sizeBytes }));
  }
  const chunkBytes = found?.chunkBytes ?? prologue?.chunkBytes ?? 0;
  if (found !== undefined)
    damage.push(...(await checkAround(file, container, found, prologue?.chunkBytes ?? chunkBytes)));
  return { codec, origin: 'lifeboat', chunkBytes, table: found?.table, xzCheck: undefined, damage };
}

/** Our own files are one byte for byte predictable shape around the frames: whatever differs from it is damage. */
async function checkAround(
  file: RandomReader,
  container: Container,
  found: { chunkBytes: number; table: FrameTable },
  toldChunkBytes: number,
): Promise<LifeboatError[]> {
  const { chunkBytes, table } = found;
  if (toldChunkBytes !== chunkBytes) {
    return [new LifeboatError('DAMAGE', 'its start and its index tell different chunk sizes', { offset: 0 })];
  }
  const epilogue = container.epilogue(chunkBytes, table);
  const at = table.firstOffset + table.storedBytes;
  if (at + epilogue.length !== file.sizeBytes) {
    return [
      new LifeboatError('DAMAGE', `it is ${file.sizeBytes} bytes long, not the ${at + epilogue.length} of its index`),
    ];
  }
  const stored = await file.read(at, epilogue.length);
  if (stored.equals(epilogue)) return [];
  return [new LifeboatError('DAMAGE', 'its index is damaged', { offset: at })];
}

/** A file whose first bytes are nothing known may still be ours, with a damaged start: the index at its end tells. */
async function identifyByIndex(file: RandomReader): Promise<ImageShape> {
  for (const codec of ['zstd', 'lz4', 'gzip'] as const) {
    const found = await unlessDamaged([], () => containerOf(codec).readIndex(file));
    if (found === undefined) continue;
    const damage = [startIsDamaged()];
    return { codec, origin: 'lifeboat', ...found, xzCheck: undefined, damage };
  }
  throw unknownData();
}

/** What `look` finds; where it finds damage instead, that is put to the rest and the answer is undefined. */
async function unlessDamaged<T>(damage: LifeboatError[], look: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code !== 'DAMAGE') throw error;
    damage.push(error);
    return undefined;
  }
}

export function unknownData(): LifeboatError {
  return new LifeboatError(
    'DAMAGE',
    'it does not begin as a gzip, zstd, lz4, xz or bzip2 file, or its start is damaged',
    {
      hint: 'if it is a raw disk, say so with -c none',
    },
  );
}

async function identifyForeign(file: RandomReader, container: Container): Promise<ImageShape> {
  if (container.codec === 'xz') {
    const found = await readXzIndex(file);
    if (found !== undefined) return { ...foreign('xz'), table: found.table, xzCheck: found.check };
    return foreign('xz');
  }
  if (container.codec === 'zstd') {
    const table = await readForeignSeekTable(file);
    if (table !== undefined) return { ...foreign('zstd'), table };
  }
  return foreign(container.codec);
}

function foreign(codec: CodecName): ImageShape {
  return { codec, origin: 'foreign', chunkBytes: 0, table: undefined, xzCheck: undefined, damage: [] };
}

/** What walking over a file found: its frames as far as their structure is whole, and why it stopped. */
export interface WalkedFile {
  table: FrameTable;
  /** Nothing proves the plaintext of at least one frame. */
  unchecked: boolean;
  /** Undefined when the walk came to the end of the frames. */
  stoppedBy: LifeboatError | undefined;
}

/**
 * Finds frames by their structure: where the index is lost, and in files of other tools that are made of independent
 * frames. Gives up at the first frame which is larger than `MAX_PARALLEL_FRAME_BYTES` or does not tell its size.
 * @param cursor at the first frame
 */
export async function walkFile(cursor: Cursor, container: Container, signal?: AbortSignal): Promise<WalkedFile> {
  const table = createFrameTable(cursor.position, { hasCrc: false });
  let unchecked = false;
  for (;;) {
    signal?.throwIfAborted();
    const at = cursor.position;
    try {
      const frame = await container.walkFrame(cursor, undefined, MAX_PARALLEL_FRAME_BYTES);
      if (frame === undefined) return { table, unchecked, stoppedBy: undefined };
      if (frame.plainLength === undefined || frame.plainLength > MAX_PARALLEL_FRAME_BYTES) {
        throw new LifeboatError('FAILED', 'a frame is too large, or does not tell its size', { offset: at });
      }
      table.add(frame.length, frame.plainLength, 0);
      unchecked ||= !frame.checked;
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      return { table, unchecked, stoppedBy: error };
    }
  }
}
