import { createRequire } from 'node:module';
import type { LibraryHandle } from 'koffi';
import { LifeboatError, messageOf } from '../error.js';

/** A C pointer as koffi gives it; 0n and null are both NULL. */
export type Pointer = bigint | null;

export interface Library {
  /** Declares a C function. Results of type size_t that may be error codes are declared int64_t: errors are then < 0. */
  func: LibraryHandle['func'];
  /** Where a buffer's first byte lies. An empty buffer may have none (0n). */
  address(bytes: Buffer): bigint;
  /** The text a C string holds. */
  text(address: bigint): string;
}

export type LoadResult = { library: Library } | { library: undefined; reason: string };

export interface Binding<T> {
  /** @throws LifeboatError FAILED when the library is not on this host */
  functions(): T;
  /** `libzstd.so.1: apt install libzstd1` when the library cannot be used here. */
  missing(): string | undefined;
}

const loaded = new Map<string, LoadResult>();

/** Loads the first of `sonames` that this host has, once a thread. koffi costs 15 ms and comes with the first call. */
export function loadLibrary(sonames: readonly string[]): LoadResult {
  const key = sonames.join(' ');
  let result = loaded.get(key);
  if (result === undefined) {
    result = load(sonames);
    loaded.set(key, result);
  }
  return result;
}

function load(sonames: readonly string[]): LoadResult {
  let reason = 'no name was given';
  for (const soname of sonames) {
    try {
      const koffi = loadKoffi();
      // Deep: node exports its own zlib (and zstd, from 22 on). A library that calls its own functions by name would get
      // node's, built with other structs: a crash.
      const handle = koffi.load(soname, { deep: true });
      return {
        library: { func: handle.func.bind(handle), address: koffi.address, text: (at) => koffi.decode.string(at) },
      };
    } catch (error) {
      reason = messageOf(error);
    }
  }
  return { library: undefined, reason };
}

/** The C library, as Node itself has loaded it. */
export interface Libc extends Pick<Library, 'func' | 'address'> {
  /** Of the last call of this thread. */
  errno(): number;
}

/** Ties the C library to the functions wanted of it, on first use: koffi costs 20 ms, which an idle hook must not pay. */
export function bindLibc<T>(bind: (library: Libc) => T): () => T {
  let bound: T | undefined;
  return () => {
    if (bound === undefined) {
      const koffi = loadKoffi();
      const handle = koffi.load(null);
      bound = bind({ func: handle.func.bind(handle), address: koffi.address, errno: koffi.errno });
    }
    return bound;
  };
}

function loadKoffi(): typeof import('koffi') {
  return createRequire(import.meta.url)('koffi');
}

type Bound<T> = { usable: true; functions: T } | { usable: false; reason: string };

/** Ties a library to the functions wanted of it. Nothing is loaded before the first use. */
export function bindLibrary<T>(soname: string, debianPackage: string, bind: (library: Library) => T): Binding<T> {
  let bound: Bound<T> | undefined;
  const attempt = (): Bound<T> => {
    bound ??= tryBind(soname, bind);
    return bound;
  };
  return {
    functions() {
      const result = attempt();
      if (result.usable) return result.functions;
      const hint = `apt install ${debianPackage}`;
      throw new LifeboatError('FAILED', `Cannot use ${soname}: ${result.reason}`, { hint });
    },
    missing: () => (attempt().usable ? undefined : `${soname}: apt install ${debianPackage}`),
  };
}

function tryBind<T>(soname: string, bind: (library: Library) => T): Bound<T> {
  const result = loadLibrary([soname]);
  if (result.library === undefined) return { usable: false, reason: result.reason };
  try {
    return { usable: true, functions: bind(result.library) };
  } catch (error) {
    // An old version without one of the functions is as good as none.
    return { usable: false, reason: messageOf(error) };
  }
}
