import { bindLibrary } from './library.js';

/** XXH32 at 11 GB/s, where the copy inside liblz4 makes 2. apt itself depends on it. https://github.com/Cyan4973/xxHash */
export const libxxhash = bindLibrary('libxxhash.so.0', 'libxxhash0', (library) => ({
  xxh32: library.func('uint32_t XXH32(void *in, size_t n, uint32_t seed)') as (
    bytes: Buffer,
    length: number,
    seed: number,
  ) => number,
  createState: library.func('void *XXH32_createState()') as () => unknown,
  freeState: library.func('int XXH32_freeState(void *state)') as (state: unknown) => number,
  reset: library.func('int XXH32_reset(void *state, uint32_t seed)') as (state: unknown, seed: number) => number,
  update: library.func('int XXH32_update(void *state, void *in, size_t n)') as (
    state: unknown,
    bytes: Buffer,
    length: number,
  ) => number,
  digest: library.func('uint32_t XXH32_digest(void *state)') as (state: unknown) => number,
}));

/** XXH32 with seed 0; undefined where the library is missing. */
export function createXxh32(): ((bytes: Buffer) => number) | undefined {
  if (libxxhash.missing() !== undefined) return undefined;
  const { xxh32 } = libxxhash.functions();
  return (bytes) => xxh32(bytes, bytes.length, 0);
}

/** XXH32 with seed 0 of what comes piece by piece. `close` frees what it holds outside of the JavaScript heap. */
export interface Xxh32Stream {
  update(bytes: Buffer): void;
  digest(): number;
  close(): void;
}

/** Begins such a checksum; undefined where the library is missing. */
export function createXxh32Streams(): (() => Xxh32Stream) | undefined {
  if (libxxhash.missing() !== undefined) return undefined;
  const { createState, freeState, reset, update, digest } = libxxhash.functions();
  return () => {
    const state = createState();
    reset(state, 0);
    return {
      update: (bytes) => void update(state, bytes, bytes.length),
      digest: () => digest(state),
      close: () => void freeState(state),
    };
  };
}
