import { randomUUID } from 'node:crypto';
import type { ReadConfig } from '../config/read-config.js';
import { appendHistory } from '../metrics/history.js';
import { notify } from '../notify/index.js';
import type { DutyOptions } from '../sets/boot-duty.js';

/** Where a run of boot is told of and recorded. */
export type BootOutlets = Pick<DutyOptions, 'tell' | 'record'>;

export interface OutletOptions {
  /** --no-notify tells nobody. */
  wantsNotify: boolean;
  /** Gets a sentence for each target that could not be told. */
  warn(text: string): void;
}

/** As the configuration has it; without one, nobody is told. */
export function bootOutlets({ config }: ReadConfig, { wantsNotify, warn }: OutletOptions): BootOutlets {
  const targets = wantsNotify ? config.notify : [];
  const runId = randomUUID();
  return {
    async tell(event, limitMs) {
      for (const { message, hint } of await notify(targets, event, { timeoutMs: limitMs, runId }))
        warn(hint === undefined ? message : `${message}; ${hint}`);
    },
    record: (row) => appendHistory(config.history.directory, row),
  };
}
