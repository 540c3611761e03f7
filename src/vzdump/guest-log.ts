/** What vzdump's log of one guest tells. Undefined where it tells nothing: never 0. */
export interface GuestLog {
  outcome: 'ok' | 'failed' | undefined;
  /** Why it failed, in vzdump's words. */
  reason: string | undefined;
  /** Of the whole backup of this guest, to the second. */
  durationMs: number | undefined;
  /** Of the guest that went through: exact for a container, rounded to a hundredth of a unit for a VM. */
  bytes: number | undefined;
  /** Of a VM, that were zeros. */
  sparseBytes: number | undefined;
  /** While the data went through, in 10^6 bytes a second. */
  MBps: number | undefined;
}

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
};
const MOST_REASON_CHARACTERS = 300;

/** The file has the time before each line, the task's log has not. */
const LINE = /^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )?(INFO|WARN|ERROR): (.*)$/;
const FINISHED = /^Finished Backup of VM (\d+) \((\d+):(\d\d):(\d\d)\)$/;
const FAILED = /^Backup of VM (\d+) failed - (.*)$/;
/** QEMU, PVE::VZDump::QemuServer: "transferred 2.21 GiB in 23 seconds (98.4 MiB/s)", "... in <1 seconds" */
const TRANSFERRED = /^transferred ([\d.]+) ([KMGTP]i?B|B) in (<1|\d+) seconds/;
const SPARSE = /^backup is sparse: ([\d.]+) ([KMGTP]i?B|B) \(\d+%\) total zero data$/;
/** GNU tar's --totals: "Total bytes written: 611809280 (584MiB, 27MiB/s)" */
const TAR_TOTAL = /^Total bytes written: (\d+) \([^,]+, ([\d.]+)([KMGTP]iB|B)\/s\)$/;

/**
 * Reads the log that vzdump leaves beside an archive. Other hooks write into it too, so of several lines that say the same
 * the last one counts: vzdump's own last words come after those of all hooks.
 */
export function parseGuestLog(text: string, vmid: string): GuestLog {
  const found: GuestLog = {
    outcome: undefined,
    reason: undefined,
    durationMs: undefined,
    bytes: undefined,
    sparseBytes: undefined,
    MBps: undefined,
  };
  for (const line of text.split('\n')) {
    const [, level, words = ''] = LINE.exec(line.trimEnd()) ?? [];
    if (level === 'ERROR') readError(found, words, vmid);
    else if (level === 'INFO') readInfo(found, words, vmid);
  }
  return found;
}

function readError(found: GuestLog, words: string, vmid: string): void {
  const [, failedVmid, reason = ''] = FAILED.exec(words) ?? [];
  if (failedVmid !== vmid) return;
  found.outcome = 'failed';
  found.reason = reason.slice(0, MOST_REASON_CHARACTERS);
}

function readInfo(found: GuestLog, words: string, vmid: string): void {
  const finished = FINISHED.exec(words);
  if (finished !== null && finished[1] === vmid) {
    const [, , hours, minutes, seconds] = finished.map(Number);
    found.outcome = 'ok';
    found.durationMs = (((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000;
  }
  const transferred = TRANSFERRED.exec(words);
  if (transferred !== null) {
    found.bytes = bytesOf(transferred[1], transferred[2]);
    // "<1" is no time to divide by.
    found.MBps = rateOf(found.bytes, Number(transferred[3]));
  }
  const sparse = SPARSE.exec(words);
  if (sparse !== null) found.sparseBytes = bytesOf(sparse[1], sparse[2]);
  const total = TAR_TOTAL.exec(words);
  if (total !== null) {
    found.bytes = Number(total[1]);
    found.MBps = rateOf(bytesOf(total[2], total[3]), 1);
  }
}

function bytesOf(amount: string | undefined, unit: string | undefined): number | undefined {
  const bytes = Math.round(Number(amount) * (BYTES[unit ?? ''] ?? Number.NaN));
  return Number.isFinite(bytes) ? bytes : undefined;
}

function rateOf(bytes: number | undefined, seconds: number): number | undefined {
  if (bytes === undefined || !(seconds > 0)) return undefined;
  return Math.round(bytes / seconds / 1e5) / 10;
}
