import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { fromSystem } from '../error.js';
import { type ArchiveCompression, compressionOf, targetKind } from './archive-name.js';
import type { PhaseCall } from './call.js';
import type { VzdumpEnvironment } from './environment.js';
import { type GuestLog, parseGuestLog } from './guest-log.js';

/** The backup of one guest, in the history. What is not known is left out. */
export interface GuestRow {
  kind: 'guest';
  time: string;
  vmid: number;
  /** "qemu" or "lxc". */
  type: string | undefined;
  /** The guest's own name. */
  hostname: string | undefined;
  mode: string | undefined;
  storage: string | undefined;
  target: string | undefined;
  outcome: 'ok' | 'failed';
  reason: string | undefined;
  compression: ArchiveCompression | undefined;
  /** Of the guest, before compression. */
  bytes: number | undefined;
  sparseBytes: number | undefined;
  archiveBytes: number | undefined;
  /** bytes / archiveBytes */
  ratio: number | undefined;
  durationMs: number | undefined;
  MBps: number | undefined;
}

/** All that is wanted stands at the end. */
const MOST_LOG_BYTES = 1024 * 1024;

/**
 * Gathers what is known of a guest's backup at log-end, when both its archive and its log are there.
 * @param wasAborted whether vzdump has called backup-abort for it
 * @throws LifeboatError FAILED where the log is there and cannot be read
 */
export function collectGuestRow(
  call: PhaseCall & { vmid: string },
  environment: VzdumpEnvironment,
  wasAborted: boolean,
  now = new Date(),
): GuestRow {
  const { target, type, hostname, storage, logFile } = environment;
  const log = parseGuestLog(logFile === undefined ? '' : readTail(logFile), call.vmid);
  return guestRow({ call, type, hostname, storage, target, log, wasAborted, now, archiveBytes: sizeOf(target) });
}

interface GuestFacts extends Pick<VzdumpEnvironment, 'target' | 'type' | 'hostname' | 'storage'> {
  call: PhaseCall & { vmid: string };
  log: GuestLog;
  wasAborted: boolean;
  archiveBytes: number | undefined;
  now: Date;
}

function guestRow({ call, type, hostname, storage, target, log, wasAborted, archiveBytes, now }: GuestFacts): GuestRow {
  const { bytes, sparseBytes, durationMs, MBps, reason } = log;
  const outcome = wasAborted || log.outcome === 'failed' ? 'failed' : 'ok';
  return {
    kind: 'guest',
    time: now.toISOString(),
    vmid: Number(call.vmid),
    type,
    hostname,
    mode: call.mode,
    storage,
    target,
    outcome,
    reason,
    compression: compressionOf(target),
    bytes,
    sparseBytes,
    archiveBytes,
    ratio:
      bytes === undefined || archiveBytes === undefined || archiveBytes === 0
        ? undefined
        : Math.round((bytes / archiveBytes) * 1000) / 1000,
    durationMs,
    MBps,
  };
}

/** Undefined where the target is no file, or none is there: a failed backup leaves none. */
function sizeOf(target: string | undefined): number | undefined {
  if (target === undefined || targetKind(target) !== 'file') return undefined;
  try {
    const stats = lstatSync(target, { throwIfNoEntry: false });
    return stats?.isFile() === true ? stats.size : undefined;
  } catch (error) {
    throw fromSystem(error, 'look at', target);
  }
}

/** Others may write where archives lie: no link is followed, no pipe waited for. A log that is missing is an empty one. */
function readTail(path: string): string {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return '';
      const bytes = Buffer.alloc(Math.min(stats.size, MOST_LOG_BYTES));
      const length = readSync(fd, bytes, 0, bytes.length, stats.size - bytes.length);
      return bytes.toString('utf8', 0, length);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw fromSystem(error, 'read', path);
  }
}
