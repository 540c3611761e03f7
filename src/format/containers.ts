import type { CodecName } from '../codec/codec.js';
import { bzip2Container, noneContainer } from './bare.js';
import type { Container } from './container.js';
import { gzipContainer } from './gzip.js';
import { LZ4_MAGIC, lz4Container } from './lz4.js';
import { isSkippableMagic } from './skippable.js';
import { XZ_MAGIC, xzContainer } from './xz.js';
import { ZSTD_MAGIC, zstdContainer } from './zstd.js';

const CONTAINERS: Readonly<Record<CodecName, Container>> = {
  gzip: gzipContainer,
  zstd: zstdContainer,
  lz4: lz4Container,
  xz: xzContainer,
  bzip2: bzip2Container,
  none: noneContainer,
};

export function containerOf(codec: CodecName): Container {
  return CONTAINERS[codec];
}

/** Enough of a file's start for `codecOfHead` and every `parsePrologue`, in bytes. */
export const HEAD_BYTES = Math.max(16, ...Object.values(CONTAINERS).map((container) => container.prologueBytes));

/** The codec whose magic a file begins with. Raw data has no magic: `none` is never an answer. */
export function codecOfHead(head: Buffer): CodecName | undefined {
  if (head.length < 4) return undefined;
  const magic = head.readUInt32LE(0);
  if (magic === ZSTD_MAGIC || isSkippableMagic(magic)) return 'zstd';
  if (magic === LZ4_MAGIC) return 'lz4';
  if (head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  if (head.subarray(0, 6).equals(XZ_MAGIC)) return 'xz';
  if (/^BZh[1-9]/.test(head.toString('latin1', 0, 4))) return 'bzip2';
  return undefined;
}
