import { bindLibrary } from './library.js';

/** XXH32 at 11 GB/s, where the copy inside liblz4 makes 2. apt itself depends on it. https://github.com/Cyan4973/xxHash */
export const libxxhash = bindLibrary('libxxhash.so.0', 'libxxhash0', (library) => ({
  xxh32: library.func('uint32_t XXH32(void *in, size_t n, uint32_t seed)') as (
    bytes: Buffer,
    length: number,
    seed: number,
  ) => number,
}));

/** XXH32 with seed 0; undefined where the library is missing. */
export function createXxh32(): ((bytes: Buffer) => number) | undefined {
  if (libxxhash.missing() !== undefined) return undefined;
  const { xxh32 } = libxxhash.functions();
  return (bytes) => xxh32(bytes, bytes.length, 0);
}
