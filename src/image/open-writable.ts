import { constants, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem } from '../error.js';
import { preparePipe } from '../stream/stdio.js';

/** Pause before it is looked again whether somebody reads from a FIFO. */
const READER_RETRY_MS = 20;

/**
 * Opens a character device or FIFO to be written in order. A FIFO is waited for until somebody reads from it, without a
 * blocking open: that would hold up the main thread, and with it every signal.
 */
export async function openWritable(path: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return preparePipe(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw fromSystem(error, 'open', path);
      await sleep(READER_RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
