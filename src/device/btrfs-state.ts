import { type Chunk, ChunkMap, parseChunk, systemChunks } from './btrfs-chunks.js';
import { type CopyWork, leavesOf, readSuperblock } from './btrfs-copy.js';
import {
  dataAddressOf,
  EXTENT_TREE,
  ITEM,
  itemsOf,
  malformed,
  parseExtentItem,
  parseRootItem,
  parseRootRef,
  type RootItem,
  type RootRef,
  type Superblock,
  type TreeRoot,
} from './btrfs-format.js';

/** The roots of all trees, at one commit. */
export interface Roots {
  superblock: Superblock;
  chunks: ChunkMap;
  roots: RootItem[];
  refs: RootRef[];
}

/** All that is in use, at one commit. */
export interface Allocation {
  trees: TreeRoot[];
  /** Address and length by turns: there may be millions. Sorted. */
  data: number[];
}

/** @throws LifeboatError FAILED */
export async function readRoots(work: CopyWork): Promise<Roots> {
  const superblock = await readSuperblock(work);
  const found: Chunk[] = [];
  for await (const leaf of leavesOf(work, systemChunks(superblock), superblock, superblock.chunkTree))
    for (const item of itemsOf(leaf)) if (item.type === ITEM.chunk) found.push(parseChunk(leaf, item, superblock));
  const chunks = new ChunkMap(found);
  const roots: RootItem[] = [];
  const refs: RootRef[] = [];
  for await (const leaf of leavesOf(work, chunks, superblock, superblock.rootTree))
    for (const item of itemsOf(leaf)) {
      if (item.type === ITEM.rootItem) roots.push(parseRootItem(leaf, item));
      else if (item.type === ITEM.rootRef) refs.push(parseRootRef(leaf, item));
    }
  return { superblock, chunks, roots, refs };
}

/** What the extent tree lists. @throws LifeboatError FAILED */
export async function readAllocation(work: CopyWork, { superblock, chunks, roots }: Roots): Promise<Allocation> {
  const trees: TreeRoot[] = [];
  const data: number[] = [];
  const root = roots.find(({ id }) => id === EXTENT_TREE);
  if (root === undefined) {
    if (work.isStill) throw malformed('it has no extent tree');
    return { trees, data };
  }
  for await (const leaf of leavesOf(work, chunks, superblock, root))
    for (const item of itemsOf(leaf)) {
      if (item.type !== ITEM.extent && item.type !== ITEM.metadata) continue;
      const { address, length, generation, treeLevel } = parseExtentItem(leaf, item, superblock.nodeBytes);
      if (treeLevel === undefined) data.push(address, length);
      else trees.push({ address, generation, level: treeLevel });
    }
  return { trees, data };
}

/** The addresses of all data that files of some subvolumes have. Sorted. @throws LifeboatError FAILED */
export async function dataOf(
  work: CopyWork,
  { superblock, chunks }: Roots,
  subvolumes: readonly TreeRoot[],
): Promise<Float64Array> {
  const addresses: number[] = [];
  // Snapshots share most of their blocks, with one another too.
  const visited = new Set<number>();
  for (const root of subvolumes)
    for await (const leaf of leavesOf(work, chunks, superblock, root, visited))
      for (const item of itemsOf(leaf)) {
        const address = item.type === ITEM.extentData ? dataAddressOf(leaf, item) : 0;
        if (address !== 0) addresses.push(address);
      }
  return Float64Array.from(addresses).sort();
}

/** The data that are not among `held`, and those that are wanted `always`. */
export function* dataBeyond(
  data: readonly number[],
  held: Float64Array,
  always: (address: number) => boolean,
): Generator<{ address: number; length: number }> {
  let at = 0;
  for (let i = 0; i < data.length; i += 2) {
    const [address = 0, length = 0] = [data[i], data[i + 1]];
    while (at < held.length && (held[at] as number) < address) at++;
    if (held[at] !== address || always(address)) yield { address, length };
  }
}
