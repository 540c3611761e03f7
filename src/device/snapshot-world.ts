import { closeSync, constants, openSync } from 'node:fs';
import { fromSystem } from '../error.js';
import { blockDeviceSize } from '../native/libc.js';
import { type CommandResult, runCommand } from './command.js';
import { openDirect } from './direct.js';

/** A snapshot by the names LVM knows it by. */
export interface SnapshotName {
  vg: string;
  name: string;
}

/** What snapshots need of the host; tests show them another. */
export interface SnapshotWorld {
  run(file: string, args: readonly string[], options: { okStatuses: readonly number[] }): Promise<CommandResult>;
  open(path: string): { fd: number; directFd: number | undefined; sizeBytes: number };
  close(fd: number): void;
  proc: string;
  /** Between two looks at how full they are. */
  watchMs: number;
  /** For the removal of all of them. */
  removeWithinMs: number;
}

export const THIS_HOST: Readonly<SnapshotWorld> = {
  run: (file, args, options) => runCommand(file, args, { ...options, allowMissing: false }),
  open: openSnapshot,
  close: closeSync,
  proc: '/proc',
  watchMs: 1500,
  // vzdump kills 5 s after it asked; some of that is gone before we are called.
  removeWithinMs: 4000,
};

/** LVM's status when it could not do something, be it that one of several volumes is not there. */
export const LVM_FAILED = 5;

function openSnapshot(path: string): ReturnType<SnapshotWorld['open']> {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY);
    const sizeBytes = blockDeviceSize(fd);
    return { fd, sizeBytes, directFd: openDirect(path, constants.O_RDONLY) };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw fromSystem(error, 'open', path);
  }
}
