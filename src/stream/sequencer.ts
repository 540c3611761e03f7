import type { TaskSet } from './task-set.js';

/** Hands items on in the order of their numbers, from 0, whatever order they come in. */
export interface Sequencer<T> {
  deliver(number: number, item: T): void;
}

/**
 * @param handle gets as many items as are there in order, up to `mostAtOnce`; called again only when it is done
 * @param tasks told of the handling that goes on
 */
export function createSequencer<T>(
  mostAtOnce: number,
  tasks: TaskSet,
  handle: (items: T[]) => Promise<void>,
): Sequencer<T> {
  const ready = new Map<number, T>();
  let next = 0;
  let handling = false;

  function takeReady(): T[] {
    const items: T[] = [];
    for (let item = ready.get(next); item !== undefined && items.length < mostAtOnce; item = ready.get(next)) {
      ready.delete(next);
      next += 1;
      items.push(item);
    }
    return items;
  }

  async function handleAll(): Promise<void> {
    for (let items = takeReady(); items.length > 0; items = takeReady()) await handle(items);
    handling = false;
  }

  return {
    deliver(number, item) {
      ready.set(number, item);
      if (handling || number !== next) return;
      handling = true;
      tasks.add(handleAll());
    },
  };
}
