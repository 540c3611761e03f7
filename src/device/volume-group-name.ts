import type { ReadRange } from './partition-table.js';

/** Offsets and sizes of LVM2's text format, lib/format_text/layout.h: `struct mda_header`, `struct raw_locn`. */
const METADATA_AREA = 4096;
const HEADER_BYTES = 512;
const MAGIC = { offset: 4, text: ' LVM2 x[5A%r0N*>' } as const;
const FIRST_TEXT_OFFSET = 40;
const LONGEST_NAME = 128;

/**
 * The name of the volume group that a physical volume belongs to, read from the volume itself: for words only, where LVM
 * does not run or does not know the disk.
 * @param read of the partition; offsets in bytes
 * @returns undefined where it is not where LVM puts it by default
 */
export async function volumeGroupName(read: ReadRange): Promise<string | undefined> {
  const header = await read(METADATA_AREA, HEADER_BYTES);
  if (header.toString('latin1', MAGIC.offset, MAGIC.offset + MAGIC.text.length) !== MAGIC.text) return undefined;
  const offset = Number(header.readBigUInt64LE(FIRST_TEXT_OFFSET));
  if (offset < HEADER_BYTES || offset > 1024 ** 3) return undefined;
  const text = (await read(METADATA_AREA + offset, LONGEST_NAME + 4)).toString('latin1');
  return /^([A-Za-z0-9+_.][A-Za-z0-9+_.-]*) \{\n/.exec(text)?.[1];
}
