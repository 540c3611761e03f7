import { crc32 } from 'node:zlib';

/**
 * The metadata of a physical volume, as LVM2 writes it (lib/format_text/layout.h, lib/label/label.h). Numbers are
 * little-endian. A label in one of the first four sectors says where the metadata areas are, one near the start and perhaps
 * one at the end; each has a header of one sector, and behind it texts in a ring, of which the header names the valid one.
 */
export interface PvMetadata {
  /** From the start of the physical volume on. */
  header: Buffer;
  /** What lies behind the last extent; `offset` is relative to the physical volume. */
  trailer: { offset: number; bytes: Buffer } | undefined;
}

const SECTOR_BYTES = 512;
const LABEL_SECTORS = 4;
const LABEL = { id: 'LABELONE', type: 'LVM2 001', crc: 16, crcFrom: 20, pvHeader: 20, typeAt: 24 };
/** The volume's UUID and size come before the lists of areas. */
const AREA_LISTS_AT = 40;
const AREA_BYTES = 16;
const AREA = { magic: ' LVM2 x[5A%r0N*>', magicAt: 4, version: 20, start: 24, size: 32, locations: 40 };
const LOCATION_BYTES = 24;
const LOCATION = { offset: 0, size: 8, crc: 16, flags: 20 };
const IS_IGNORED = 1;
const CRC_START = 0xf597a6cf;

/**
 * Puts another text in the place of the valid one, in all areas, each behind the text it had, as LVM itself does.
 * @param edit gives undefined if it cannot
 * @returns copies; undefined if anything is not as LVM writes it, or lies elsewhere: then nothing may be changed
 */
export function withMetadataText(
  metadata: PvMetadata,
  edit: (text: string) => string | undefined,
): PvMetadata | undefined {
  const copy: PvMetadata = {
    header: Buffer.from(metadata.header),
    trailer: metadata.trailer && { ...metadata.trailer, bytes: Buffer.from(metadata.trailer.bytes) },
  };
  const places = metadataAreas(copy.header);
  if (places === undefined || places.length === 0) return undefined;
  for (const { offset, size } of places) {
    const area = areaBytes(copy, offset, size);
    if (area === undefined || !isArea(area, offset)) return undefined;
    if (!replaceText(area, edit)) return undefined;
  }
  return copy;
}

function metadataAreas(header: Buffer): { offset: number; size: number }[] | undefined {
  for (let at = 0; at < LABEL_SECTORS * SECTOR_BYTES; at += SECTOR_BYTES) {
    const label = header.subarray(at, at + SECTOR_BYTES);
    if (label.length < SECTOR_BYTES || label.toString('latin1', 0, LABEL.id.length) !== LABEL.id) continue;
    const type = label.toString('latin1', LABEL.typeAt, LABEL.typeAt + LABEL.type.length);
    if (type !== LABEL.type || label.readUInt32LE(LABEL.crc) !== crcOf(label.subarray(LABEL.crcFrom))) return undefined;
    const lists = label.subarray(label.readUInt32LE(LABEL.pvHeader) + AREA_LISTS_AT);
    const data = areaList(lists);
    return data && areaList(lists.subarray((data.length + 1) * AREA_BYTES));
  }
  return undefined;
}

/** Up to an entry of zeros. */
function areaList(lists: Buffer): { offset: number; size: number }[] | undefined {
  const areas = [];
  for (let at = 0; at + AREA_BYTES <= lists.length; at += AREA_BYTES) {
    const [offset, size] = [lists.readBigUInt64LE(at), lists.readBigUInt64LE(at + 8)];
    if (offset === 0n) return areas;
    areas.push({ offset: Number(offset), size: Number(size) });
  }
  return undefined;
}

function areaBytes({ header, trailer }: PvMetadata, offset: number, size: number): Buffer | undefined {
  const within = (bytes: Buffer, at: number) =>
    at >= 0 && size > SECTOR_BYTES && at + size <= bytes.length ? bytes.subarray(at, at + size) : undefined;
  return within(header, offset) ?? (trailer && within(trailer.bytes, offset - trailer.offset));
}

function isArea(area: Buffer, offset: number): boolean {
  return (
    area.toString('latin1', AREA.magicAt, AREA.magicAt + AREA.magic.length) === AREA.magic &&
    area.readUInt32LE(0) === crcOf(area.subarray(AREA.magicAt, SECTOR_BYTES)) &&
    area.readUInt32LE(AREA.version) === 1 &&
    area.readBigUInt64LE(AREA.start) === BigInt(offset) &&
    area.readBigUInt64LE(AREA.size) === BigInt(area.length)
  );
}

/** @returns false if there is no valid text, or no room for the new one beside it */
function replaceText(area: Buffer, edit: (text: string) => string | undefined): boolean {
  const location = area.subarray(AREA.locations, AREA.locations + LOCATION_BYTES);
  if ((location.readUInt32LE(LOCATION.flags) & IS_IGNORED) !== 0) return true;
  const offset = Number(location.readBigUInt64LE(LOCATION.offset));
  const size = Number(location.readBigUInt64LE(LOCATION.size));
  const ring = area.subarray(SECTOR_BYTES);
  if (offset < SECTOR_BYTES || offset >= area.length || size === 0 || size > ring.length) return false;
  const old = readRing(ring, offset - SECTOR_BYTES, size);
  if (crcOf(old) !== location.readUInt32LE(LOCATION.crc)) return false;
  const edited = edit(old.toString('latin1'));
  if (edited === undefined) return false;
  const text = Buffer.from(edited, 'latin1');
  const start = (Math.ceil((offset + size) / SECTOR_BYTES) * SECTOR_BYTES - SECTOR_BYTES) % ring.length;
  // LVM too keeps the text that was valid before whole.
  if (Math.ceil(size / SECTOR_BYTES) * SECTOR_BYTES + text.length > ring.length) return false;
  writeRing(ring, start, text);
  location.writeBigUInt64LE(BigInt(start + SECTOR_BYTES), LOCATION.offset);
  location.writeBigUInt64LE(BigInt(text.length), LOCATION.size);
  location.writeUInt32LE(crcOf(text), LOCATION.crc);
  area.writeUInt32LE(crcOf(area.subarray(AREA.magicAt, SECTOR_BYTES)), 0);
  return true;
}

function readRing(ring: Buffer, start: number, size: number): Buffer {
  const first = ring.subarray(start, start + size);
  return Buffer.concat([first, ring.subarray(0, size - first.length)]);
}

function writeRing(ring: Buffer, start: number, text: Buffer): void {
  const copied = text.copy(ring, start);
  text.copy(ring, 0, copied);
}

/** The usual CRC-32, but with another start and its end as it is. */
function crcOf(bytes: Buffer): number {
  return (crc32(bytes, (CRC_START ^ 0xffffffff) >>> 0) ^ 0xffffffff) >>> 0;
}
