import { LifeboatError } from '../error.js';
import type { Pointer } from './library.js';

/** A C object that is ours to free. Use after `close` throws, where C would crash the process. */
export interface OwnedPointer {
  get(): Pointer;
  close(): void;
}

/**
 * @param what names the object in the message
 * @throws LifeboatError FAILED if `pointer` is NULL: these constructors fail for want of memory only
 */
export function ownPointer(what: string, pointer: Pointer, free: (pointer: Pointer) => unknown): OwnedPointer {
  if (!pointer) throw new LifeboatError('FAILED', `Cannot create a ${what}: out of memory`);
  let held: Pointer = pointer;
  return {
    get() {
      if (held === null) throw new Error(`the ${what} is closed`);
      return held;
    },
    close() {
      if (held === null) return;
      free(held);
      held = null;
    },
  };
}
