import { LifeboatError } from '../error.js';
import { adviseHugePages } from '../native/libc.js';

/**
 * All chunk memory: slots in one shared WebAssembly.Memory, whose buffer is aligned to 64 KiB. `O_DIRECT` reads land in
 * it and workers work on it without a copy. The number of slots is the only back-pressure there is.
 */
export interface SlotLayout {
  count: number;
  /** Room for a chunk of plaintext, a multiple of 4096. */
  plainBytes: number;
  /** Room for its frame, a multiple of 4096. */
  frameBytes: number;
}

/** Enough to be read and written at once while every thread has its two. */
const BYTES_IN_FLIGHT = 32 * 1024 * 1024;
const MAX_SLOTS_IN_FLIGHT = 8;
const MIN_SLOTS_IN_FLIGHT = 4;

/** Per thread one slot that it works on, one that waits for it, and some that are read and written meanwhile. */
export function slotsFor(threads: number, chunkBytes: number): number {
  const inFlight = Math.floor(BYTES_IN_FLIGHT / chunkBytes);
  return 2 * threads + Math.max(MIN_SLOTS_IN_FLIGHT, Math.min(MAX_SLOTS_IN_FLIGHT, inFlight));
}

/** What a big card has in flight: three submits of 64 MiB. */
const GPU_BYTES_IN_FLIGHT = 192 * 1024 * 1024;

/** Beside those of the threads, slots for each device to have its submits full; `slotLayout` bounds them. */
export function slotsForGpus(gpus: number, threads: number, chunkBytes: number): number {
  return slotsFor(threads, chunkBytes) + gpus * Math.max(LEAST_GPU_SLOTS, Math.ceil(GPU_BYTES_IN_FLIGHT / chunkBytes));
}

/** One for each submit in flight. */
const LEAST_GPU_SLOTS = 3;

export interface Slot {
  readonly number: number;
  readonly plain: Buffer;
  readonly frame: Buffer;
}

/** Alignment of what `O_DIRECT` moves: 4Kn disks want this, all others are content with it. */
export const DIRECT_ALIGNMENT = 4096;
const WASM_PAGE_BYTES = 65_536;
/** WebAssembly's 32-bit memories end here. */
export const MAX_SLOT_MEMORY_BYTES = 4 * 1024 ** 3 - WASM_PAGE_BYTES;

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT;
}

/**
 * @param wanted as many slots as would be useful
 * @throws LifeboatError USAGE if not even two slots fit into 4 GiB
 */
export function slotLayout(wanted: number, plainBytes: number, frameBytes: number): SlotLayout {
  const layout = { plainBytes: alignUp(Math.max(plainBytes, 1)), frameBytes: alignUp(Math.max(frameBytes, 1)) };
  const fitting = Math.floor(MAX_SLOT_MEMORY_BYTES / (layout.plainBytes + layout.frameBytes));
  if (fitting < 2) throw new LifeboatError('USAGE', `chunks of ${plainBytes} bytes do not fit into memory`);
  return { ...layout, count: Math.max(2, Math.min(wanted, fitting)) };
}

/** @throws LifeboatError FAILED where the address space is limited (`ulimit -v`, LimitAS) */
export function allocateSlotMemory(layout: SlotLayout): SharedArrayBuffer {
  const memory = allocateShared(layout.count * (layout.plainBytes + layout.frameBytes));
  adviseHugePages(Buffer.from(memory));
  return memory;
}

/** Memory by itself that suits O_DIRECT. */
export function directMemory(bytes: number): Buffer {
  return Buffer.from(allocateShared(bytes), 0, bytes);
}

function allocateShared(bytes: number): SharedArrayBuffer {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
  } catch (error) {
    throw new LifeboatError('FAILED', `Cannot reserve ${pages * WASM_PAGE_BYTES} bytes of memory for chunks`, {
      cause: error,
      hint: 'look at ulimit -v and LimitAS, which must not be set; fewer threads (-p) and smaller chunks (--chunk) need less',
    });
  }
}

export function viewSlot(memory: SharedArrayBuffer, layout: SlotLayout, number: number): Slot {
  const start = number * (layout.plainBytes + layout.frameBytes);
  return {
    number,
    plain: Buffer.from(memory, start, layout.plainBytes),
    frame: Buffer.from(memory, start + layout.plainBytes, layout.frameBytes),
  };
}

export interface SlotPool {
  /** Waits for a free slot; rejects with the signal's reason. */
  acquire(): Promise<Slot>;
  release(slot: Slot): void;
}

export function createSlotPool(memory: SharedArrayBuffer, layout: SlotLayout, signal: AbortSignal): SlotPool {
  const free = Array.from({ length: layout.count }, (_, number) => viewSlot(memory, layout, number));
  const waiting: { resolve: (slot: Slot) => void; reject: (reason: unknown) => void }[] = [];
  signal.addEventListener('abort', () => {
    for (const waiter of waiting.splice(0)) waiter.reject(signal.reason);
  });
  return {
    acquire() {
      if (signal.aborted) return Promise.reject(signal.reason);
      const slot = free.pop();
      if (slot !== undefined) return Promise.resolve(slot);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    release(slot) {
      const waiter = waiting.shift();
      if (waiter === undefined) free.push(slot);
      else waiter.resolve(slot);
    },
  };
}
