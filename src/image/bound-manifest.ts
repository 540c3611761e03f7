import type { Source } from '../device/source.js';
import { LifeboatError } from '../error.js';
import { containerOf } from '../format/containers.js';
import type { FrameTable } from '../format/frame-table.js';
import type { ImageShape } from '../format/identify.js';
import { decodeIndexBlock } from '../format/index-block.js';
import { indexHash, type Manifest } from '../format/manifest.js';

/** A manifest counts only if it tells the hash of this image's own index. */
export function bindManifest(
  source: Source,
  shape: ImageShape,
  beside: Manifest | undefined,
  notes: string[],
): Manifest | undefined {
  if (beside === undefined) return undefined;
  const container = containerOf(shape.codec);
  const foreign = `"${source.path}.json" belongs to another image: it is ignored`;
  if (beside.image.codec !== shape.codec) {
    notes.push(foreign);
    return undefined;
  }
  if (!container.selfProving) return beside;
  if (shape.table === undefined) return undefined;
  const epilogue = container.epilogue(shape.chunkBytes, shape.table);
  if (indexHash(epilogue) === beside.image.indexHash) return beside;
  notes.push(foreign);
  return undefined;
}

/** The index that the manifest keeps for codecs whose files have no place for one. */
export function detachedTable(
  source: Source,
  manifest: Manifest | undefined,
  damage: LifeboatError[],
  notes: string[],
): FrameTable | undefined {
  if (manifest === undefined) return undefined;
  const block = Buffer.from(manifest.image.index ?? '', 'base64');
  if (indexHash(block) !== manifest.image.indexHash) {
    notes.push(`"${source.path}.json" is damaged: its index is not the one that it tells the hash of. It is ignored`);
    return undefined;
  }
  const { table } = decodeIndexBlock(block, 0);
  if (table.storedBytes !== source.sizeBytes) {
    damage.push(
      new LifeboatError('DAMAGE', `it is ${source.sizeBytes} bytes long, not the ${table.storedBytes} of its manifest`),
    );
  }
  return table;
}
