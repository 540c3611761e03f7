import { crc32 as nodeCrc32 } from 'node:zlib';
import { bindLibrary } from './library.js';

const isalCrc = bindLibrary('libisal.so.2', 'libisal2', (library) => ({
  crc32: library.func('uint32_t crc32_gzip_refl(uint32_t crc, void *in, uint64_t n)') as (
    crc: number,
    bytes: Buffer,
    length: number,
  ) => number,
}));

/** Below this a call into the library costs more than it saves. */
const MIN_BYTES = 64 * 1024;

/** The CRC-32 of gzip and zlib: 36 GB/s by ISA-L where it is installed, 7 by Node's zlib. For the memory of slots. */
export function crc32(bytes: Buffer): number {
  if (bytes.length < MIN_BYTES || isalCrc.missing() !== undefined) return nodeCrc32(bytes);
  return isalCrc.functions().crc32(0, bytes, bytes.length);
}
