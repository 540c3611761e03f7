import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import type { ReadConfig } from '../config/read-config.js';
import { messageOf, withHint } from '../error.js';
import { appendHistory } from '../metrics/history.js';
import { notify, type RunEvent } from '../notify/index.js';
import type { DutyOptions } from '../sets/boot-duty.js';
import { tellAlerts } from './alert-duty.js';
import { roomIn } from './target-room.js';

/** Where a run of boot is told of and recorded. */
export type BootOutlets = Pick<DutyOptions, 'tell' | 'record'>;

export interface OutletOptions {
  /** --no-notify tells nobody. */
  wantsNotify: boolean;
  /** Gets a sentence for each target that could not be told. */
  warn(text: string): void;
}

/**
 * As the configuration has it; without one nobody is told and nothing kept. After a run has ended, alerts that are new are told
 * too.
 */
export function bootOutlets({ config, exists }: ReadConfig, { wantsNotify, warn }: OutletOptions): BootOutlets {
  const targets = wantsNotify ? config.notify : [];
  const runId = randomUUID();
  return {
    async tell(event, limitMs) {
      for (const failure of await notify(targets, event, { timeoutMs: limitMs, runId })) warn(withHint(failure));
      if (!exists || !wantsNotify || !hasEnded(event)) return;
      try {
        await tellAlerts(config, { timeoutMs: limitMs, warn });
      } catch (error) {
        warn(`alerts were not told: ${messageOf(error)}`);
      }
    },
    async record(row) {
      if (!exists) return;
      // DIR/HOSTNAME/TIME
      const room = row.set === undefined ? {} : await roomIn(dirname(dirname(row.set)));
      await appendHistory(config.history.directory, { ...row, ...room });
    },
  };
}

/** A run that a signal has stopped has no time for more. */
function hasEnded({ event, exitStatus = 0 }: RunEvent): boolean {
  return event !== 'start' && exitStatus < 128;
}
