import type { Xxh32 } from '../codec/lz4-frame.js';
import { loadXxhash } from '../codec/xxhash.js';
import { createXxh32 } from '../native/libxxhash.js';

/** The checksum of contents, by the processor: each of its four lanes is one chain of dependent steps through the whole chunk. */
export async function chooseXxh32(): Promise<Xxh32> {
  const native = createXxh32();
  if (native !== undefined) return native;
  const { h32Raw } = await loadXxhash();
  return (bytes) => h32Raw(bytes);
}
