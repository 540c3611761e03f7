import { statSync } from 'node:fs';
import { availableParallelism, constants, setPriority } from 'node:os';
import { roundSize } from '../device/sizes.js';
import { LifeboatError, messageOf } from '../error.js';
import type { RunReport } from '../image/report.js';
import { timeInWords } from '../image/summary.js';
import { verifyImage } from '../image/verify.js';
import { setIoPriority } from '../native/libc.js';
import { compressionOf, targetKind } from './archive-name.js';
import type { JobState } from './job-state.js';
import type { HookReport } from './report.js';

/** One archive of a guest, decoded in full, in the history. What is not known is left out. */
export interface VerifyGuestRow {
  kind: 'verify-guest';
  time: string;
  vmid: number;
  type: string | undefined;
  target: string;
  /** `not verified`: nothing can be said of it, for `reason`. */
  outcome: 'whole' | 'damaged' | 'failed' | 'not verified';
  reason: string | undefined;
  archiveBytes: number | undefined;
  plainBytes: number | undefined;
  durationMs: number | undefined;
  /** Of plaintext, in 10^6 bytes a second. */
  MBps: number | undefined;
}

export interface VerifyGuestsOptions {
  archives: JobState['archives'];
  /** 0: one a processor. */
  threads: number;
  /** As vzdump's: 0 to 8. */
  ionice: number;
  signal: AbortSignal;
  /** Is given each row as it comes, so that a job that is stopped keeps what was found. */
  record(row: VerifyGuestRow): Promise<void>;
}

/** Decodes each archive of a job in full, and says what came of it. Damage is the report's failure. */
export async function verifyGuests(options: VerifyGuestsOptions, report: HookReport): Promise<void> {
  const { archives, ionice, signal, record } = options;
  if (archives.length === 0) return;
  // The guests are at work by now.
  setPriority(constants.priority.PRIORITY_LOW);
  setIoPriority(ionice);
  const since = performance.now();
  const rows: VerifyGuestRow[] = [];
  for (const archive of archives) {
    signal.throwIfAborted();
    const row = await verifyOne(archive, options);
    tell(row, report);
    rows.push(row);
    await record(row);
  }
  const whole = rows.filter(({ outcome }) => outcome === 'whole');
  if (whole.length > 0) {
    const plainBytes = whole.reduce((sum, row) => sum + (row.plainBytes ?? 0), 0);
    const count = whole.length === 1 ? 'the archive of 1 guest is' : `the archives of ${whole.length} guests are`;
    report.say(`${count} whole, ${roundSize(plainBytes)} decoded in ${timeInWords(performance.now() - since)}`);
  }
}

async function verifyOne(
  { vmid, type, target }: JobState['archives'][number],
  { threads, signal }: VerifyGuestsOptions,
): Promise<VerifyGuestRow> {
  const row: VerifyGuestRow = {
    kind: 'verify-guest',
    time: new Date().toISOString(),
    vmid: Number(vmid),
    type,
    target,
    outcome: 'not verified',
    reason: whyNot(target),
    archiveBytes: undefined,
    plainBytes: undefined,
    durationMs: undefined,
    MBps: undefined,
  };
  if (row.reason !== undefined) return row;
  const since = performance.now();
  try {
    row.archiveBytes = statSync(target).size;
    const result = await verifyImage(
      {
        image: target,
        raw: false,
        quick: false,
        against: undefined,
        threads: threads === 0 ? availableParallelism() : threads,
        engine: 'auto',
        signal,
      },
      SILENT,
    );
    row.durationMs = Math.round(performance.now() - since);
    row.plainBytes = result.plainBytes;
    row.MBps = Math.round(result.plainBytes / Math.max(1, row.durationMs) / 100) / 10;
    [row.reason] = result.damage;
    row.outcome = row.reason === undefined ? 'whole' : 'damaged';
    // Its codec proves nothing where it was told to leave checksums out.
    if (row.outcome === 'whole' && result.proof === 'structure only') {
      row.outcome = 'not verified';
      row.reason = 'it decodes, but has no checksums that prove it right';
    }
  } catch (error) {
    signal.throwIfAborted();
    row.outcome = error instanceof LifeboatError && error.code === 'DAMAGE' ? 'damaged' : 'failed';
    row.reason = messageOf(error);
  }
  return row;
}

/** Why nothing can be said of an archive, told from its name; undefined where something can. */
function whyNot(target: string): string | undefined {
  switch (targetKind(target)) {
    case 'backup-server':
      return 'it is on a Proxmox Backup Server, whose own verify jobs prove it';
    case 'stdout':
      return 'it went to standard output';
    case 'unknown':
      return 'it is in no file';
    case 'file':
      break;
  }
  switch (compressionOf(target)) {
    case undefined:
      return 'it has no name of an archive of vzdump';
    case 'none':
      return 'it is not compressed, so that nothing in it proves it whole';
    case 'lzo':
      return 'lzo is not known to lifeboat: compress with zstd';
    default:
      return undefined;
  }
}

function tell({ vmid, target, outcome, reason }: VerifyGuestRow, report: HookReport): void {
  if (outcome === 'not verified') report.say(`the archive of guest ${vmid} was not verified: ${reason}`);
  if (outcome === 'failed')
    report.fail(new LifeboatError('FAILED', `Cannot verify the archive of guest ${vmid}: ${reason}`));
  if (outcome === 'damaged')
    report.fail(
      new LifeboatError('DAMAGE', `The archive of guest ${vmid} is damaged: "${target}": ${reason}`, {
        hint: `back it up again: vzdump ${vmid}; and look after the storage (dmesg, smartctl)`,
      }),
    );
}

const SILENT: RunReport = { warn: () => undefined, detail: () => undefined, follow: () => () => undefined };
