import { readSync } from 'node:fs';
import { alignedBuffer } from '../native/libc.js';
import type { ChunkMap } from './btrfs-chunks.js';
import {
  isTreeBlock,
  malformed,
  parseSuperblock,
  pointersOf,
  SUPERBLOCK_BYTES,
  SUPERBLOCKS_AT,
  type Superblock,
  type TreeRoot,
} from './btrfs-format.js';
import { readWhole, writeWhole } from './read-whole.js';
import type { ScratchCopy } from './scratch-copy.js';
import type { Source } from './source.js';

/** A device, and the copy that takes its tree blocks, each at its own place. */
export interface CopyWork {
  source: Source;
  copy: ScratchCopy;
  /** The generation of each block that the copy has, by its address: with both the same it is the same block for ever. */
  known: Map<number, number>;
  /**
   * Nothing changes now, so a block that is not what its pointer says is damage. Else it is what was freed and written anew
   * since, and is left out.
   */
  isStill: boolean;
  /** Counts what is read from the device. */
  read: { bytes: number };
  signal: AbortSignal;
}

const RUN_BYTES = 1024 ** 2;
/** Reads under way at a time. A disk that seeks sorts them; an SSD wants more than one. */
const READS = 8;
const TRIES = 5;

/** @throws LifeboatError FAILED */
export async function readSuperblock(work: Pick<CopyWork, 'source' | 'read'>): Promise<Superblock> {
  for (let tries = 0; tries < TRIES; tries++) {
    const [offset = 0] = SUPERBLOCKS_AT;
    const found = parseSuperblock(await readDevice(work, offset, SUPERBLOCK_BYTES));
    if (found !== undefined) return found;
  }
  throw malformed(`"${work.source.path}" has no superblock`);
}

/** @returns the ranges that were copied */
export async function copySuperblocks(work: CopyWork): Promise<{ offset: number; length: number }[]> {
  const { source, copy } = work;
  const places = SUPERBLOCKS_AT.filter((offset) => offset + SUPERBLOCK_BYTES <= source.sizeBytes);
  for (const offset of places) await writeCopy(copy, await readDevice(work, offset, SUPERBLOCK_BYTES), [offset]);
  return places.map((offset) => ({ offset, length: SUPERBLOCK_BYTES }));
}

/**
 * The leaves of a tree, in order. Whatever is read of it is in the copy then.
 * @throws LifeboatError FAILED if it is damaged
 */
export async function* leavesOf(
  work: CopyWork,
  chunks: ChunkMap,
  superblock: Superblock,
  root: TreeRoot,
  visited?: Set<number>,
): AsyncGenerator<Buffer> {
  work.signal.throwIfAborted();
  if (visited?.has(root.address)) return;
  visited?.add(root.address);
  const block = await readTreeBlock(work, chunks, superblock, root);
  if (block === undefined) return;
  if (root.level === 0) yield block;
  else if (root.level === 1) {
    const below = pointersOf(block).filter(({ address }) => !visited?.has(address));
    for (const { address } of below) visited?.add(address);
    for (let at = 0; at < below.length; at += READS) {
      work.signal.throwIfAborted();
      const some = below.slice(at, at + READS).map((leaf) => readTreeBlock(work, chunks, superblock, leaf));
      for (const leaf of await allOf(some)) if (leaf !== undefined) yield leaf;
    }
  } else for (const child of pointersOf(block)) yield* leavesOf(work, chunks, superblock, child, visited);
}

async function readTreeBlock(
  work: CopyWork,
  chunks: ChunkMap,
  superblock: Superblock,
  wanted: TreeRoot,
): Promise<Buffer | undefined> {
  const { copy, known, isStill } = work;
  const { address, generation } = wanted;
  const { nodeBytes } = superblock;
  const places = chunks.placesOf(address, nodeBytes);
  const [first = 0] = places;
  if (known.get(address) === generation) {
    const block = Buffer.allocUnsafe(nodeBytes);
    readSync(copy.fd, block, 0, nodeBytes, first);
    if (isTreeBlock(block, superblock, wanted)) return block;
    throw malformed(`the copy of a tree block at ${address} is not what was written`);
  }
  for (const place of places) {
    const block = await readDevice(work, place, nodeBytes);
    if (!isTreeBlock(block, superblock, wanted)) continue;
    await writeCopy(copy, block, places);
    known.set(address, generation);
    return block;
  }
  if (isStill) throw malformed(`the tree block at ${address} is damaged`);
  return undefined;
}

/** Copies the tree blocks that the copy has not got yet, in the order of the device. @throws LifeboatError FAILED */
export async function copyTreeBlocks(
  work: CopyWork,
  chunks: ChunkMap,
  superblock: Superblock,
  blocks: Iterable<TreeRoot>,
): Promise<void> {
  const { known } = work;
  const { nodeBytes } = superblock;
  const missing = [...blocks].filter(({ address, generation }) => known.get(address) !== generation);
  const runs = runsOf(missing, nodeBytes, chunks);
  await inParallel(runs, work.signal, async ({ address, length, members }) => {
    const places = chunks.placesOf(address, length);
    const bytes = await readDevice(work, places[0] ?? 0, length);
    const isWhole = members.every((member) =>
      isTreeBlock(bytes.subarray(member.address - address, member.address - address + nodeBytes), superblock, member),
    );
    if (isWhole) {
      await writeCopy(work.copy, bytes, places);
      for (const member of members) known.set(member.address, member.generation);
    } else for (const member of members) await readTreeBlock(work, chunks, superblock, member);
  });
}

/** Copies data as they are. @returns where they lie on the device */
export async function copyData(
  work: CopyWork,
  chunks: ChunkMap,
  extents: Iterable<{ address: number; length: number }>,
): Promise<{ offset: number; length: number }[]> {
  const ranges: { offset: number; length: number }[] = [];
  const pieces = function* () {
    for (const { address, length } of extents) {
      const places = chunks.placesOf(address, length);
      for (const offset of places) ranges.push({ offset, length });
      for (let done = 0; done < length; done += RUN_BYTES)
        yield { places: places.map((place) => place + done), length: Math.min(RUN_BYTES, length - done) };
    }
  };
  await inParallel(pieces(), work.signal, async ({ places, length }) => {
    await writeCopy(work.copy, await readDevice(work, places[0] ?? 0, length), places);
  });
  return ranges;
}

interface Run {
  address: number;
  length: number;
  members: TreeRoot[];
}

/** Blocks that lie one behind the other in one chunk, together. */
function* runsOf(blocks: TreeRoot[], nodeBytes: number, chunks: ChunkMap): Generator<Run> {
  let run: Run | undefined;
  let chunkEnd = 0;
  for (const block of blocks) {
    const end = run === undefined ? 0 : run.address + run.length;
    if (run !== undefined && block.address === end && end < chunkEnd && run.length + nodeBytes <= RUN_BYTES) {
      run.members.push(block);
      run.length += nodeBytes;
      continue;
    }
    if (run !== undefined) yield run;
    const chunk = chunks.chunkOf(block.address, nodeBytes);
    chunkEnd = chunk.address + chunk.length;
    run = { address: block.address, length: nodeBytes, members: [block] };
  }
  if (run !== undefined) yield run;
}

async function inParallel<T>(
  tasks: Iterable<T>,
  signal: AbortSignal,
  perform: (task: T) => Promise<void>,
): Promise<void> {
  const left = tasks[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let next = left.next(); !next.done && !failed; next = left.next()) {
      signal.throwIfAborted();
      await perform(next.value).catch((error) => {
        failed = true;
        throw error;
      });
    }
  };
  await allOf(Array.from({ length: READS }, worker));
}

/** Unlike `Promise.all` it waits for all of them, so that none still reads or writes when this is over. */
async function allOf<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

/** Past the cache, which is not that of the mounted file system. */
async function readDevice(
  { source: { directFd, path }, read }: Pick<CopyWork, 'source' | 'read'>,
  offset: number,
  length: number,
): Promise<Buffer> {
  if (directFd === undefined) throw malformed(`"${path}" cannot be read past the cache`);
  const into = alignedBuffer(length);
  await readWhole(directFd, into, offset, path);
  read.bytes += length;
  return into;
}

async function writeCopy({ fd, path }: ScratchCopy, bytes: Buffer, places: readonly number[]): Promise<void> {
  for (const place of places) await writeWhole(fd, bytes, place, path);
}
