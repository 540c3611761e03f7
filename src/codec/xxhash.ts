import type { XXHashAPI } from 'xxhash-wasm';

let loading: Promise<XXHashAPI> | undefined;

/** The checksums of zstd (XXH64) and lz4 (XXH32) for the portable engines, compiled once a thread. */
export function loadXxhash(): Promise<XXHashAPI> {
  loading ??= import('xxhash-wasm').then(({ default: compile }) => compile());
  return loading;
}
