import type { DataRun } from './job.js';

/** Holes smaller than this are not worth a write more. */
const RUN_BYTES = 64 * 1024;
const PROBE_BYTES = 64;
const PROBE = Buffer.alloc(PROBE_BYTES);

/**
 * Whether all bytes are zero, at the speed of memcmp: the first 64 bytes are compared with zeros, then the rest with
 * itself shifted by 64 bytes. It ends at the first byte that differs, so that data costs next to nothing.
 */
export function isAllZeros(bytes: Buffer): boolean {
  const head = Math.min(PROBE_BYTES, bytes.length);
  if (PROBE.compare(bytes, 0, head, 0, head) !== 0) return false;
  return bytes.length <= PROBE_BYTES || bytes.compare(bytes, 0, bytes.length - PROBE_BYTES, PROBE_BYTES) === 0;
}

/** The stretches of 64 KiB that hold data, neighbours joined. */
export function findDataRuns(bytes: Buffer): DataRun[] {
  const runs: DataRun[] = [];
  for (let start = 0; start < bytes.length; start += RUN_BYTES) {
    const end = Math.min(start + RUN_BYTES, bytes.length);
    if (isAllZeros(bytes.subarray(start, end))) continue;
    const previous = runs.at(-1);
    if (previous?.end === start) previous.end = end;
    else runs.push({ start, end });
  }
  return runs;
}
