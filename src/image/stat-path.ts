import { type Stats, statSync } from 'node:fs';
import { fromSystem } from '../error.js';

/**
 * What a path leads to; undefined if there is nothing.
 * @throws LifeboatError where the way to it is barred
 */
export function statPath(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fromSystem(error, 'look at', path);
  }
}
