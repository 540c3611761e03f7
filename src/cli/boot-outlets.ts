import type { DutyOptions } from '../sets/boot-duty.js';

/** Where a run of boot is told of and recorded. */
export type BootOutlets = Pick<DutyOptions, 'tell' | 'record'>;

export function bootOutlets(): BootOutlets {
  return { tell: async () => undefined, record: async () => undefined };
}
