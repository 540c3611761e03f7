import type { VerifyResult } from './verify.js';

/** What the history keeps of a look at an image or set that is there. */
export interface VerifyRow {
  kind: 'verify';
  /** ISO 8601: when it began. */
  time: string;
  host: string;
  /** Absolute: the image, or the set's directory. */
  image: string;
  codec?: string;
  plainBytes?: number;
  proof?: VerifyResult['proof'];
  /** `not verified`: only its ends were looked at, or nothing in it proves it right. */
  outcome: 'whole' | 'damaged' | 'not verified' | 'failed';
  reason?: string;
  durationMs: number;
  processorMs: number;
}

export type VerifyFacts = Pick<VerifyRow, 'time' | 'host' | 'image' | 'durationMs' | 'processorMs'>;

/** @param result what was found, or why nothing was */
export function verifyRow(facts: VerifyFacts, result: VerifyResult | string): VerifyRow {
  const { time, host, image, durationMs, processorMs } = facts;
  const common = { kind: 'verify' as const, time, host, image, durationMs, processorMs };
  if (typeof result === 'string') return { ...common, outcome: 'failed', reason: result };
  const { codec, plainBytes, proof, damage } = result;
  const [reason] = damage;
  const isProven = proof === 'index' || proof === 'checksums';
  return {
    ...common,
    codec,
    plainBytes,
    proof,
    outcome: reason !== undefined ? 'damaged' : isProven ? 'whole' : 'not verified',
    ...(reason === undefined ? {} : { reason }),
  };
}
