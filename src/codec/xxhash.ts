import type { XXHashAPI } from 'xxhash-wasm';
import { createXxh32, createXxh32Streams, type Xxh32Stream } from '../native/libxxhash.js';
import type { Xxh32 } from './lz4-frame.js';

let loading: Promise<XXHashAPI> | undefined;

/** The checksums of zstd (XXH64) and lz4 (XXH32) for the portable engines, compiled once a thread. */
export function loadXxhash(): Promise<XXHashAPI> {
  loading ??= import('xxhash-wasm').then(({ default: compile }) => compile());
  return loading;
}

/** The fastest that this host has. */
export async function chooseXxh32(): Promise<Xxh32> {
  const native = createXxh32();
  if (native !== undefined) return native;
  const { h32Raw } = await loadXxhash();
  return (bytes) => h32Raw(bytes);
}

/** What begins a checksum of bytes that come piece by piece, the fastest that this host has. */
export async function chooseXxh32Stream(): Promise<() => Xxh32Stream> {
  const native = createXxh32Streams();
  if (native !== undefined) return native;
  const { create32 } = await loadXxhash();
  return () => {
    const hash = create32();
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest(), close: () => undefined };
  };
}
