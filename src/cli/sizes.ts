import { LifeboatError } from '../error.js';

const FACTORS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/**
 * "4MiB", "4M", "65536": powers of 1024, as everywhere in Proxmox.
 * @throws LifeboatError USAGE
 */
export function parseSize(text: string, what: string): number {
  const match = /^(\d+)(?:([KMGT])(?:iB|B)?)?$/i.exec(text.trim());
  const bytes = Number(match?.[1]) * (FACTORS[(match?.[2] ?? '').toUpperCase()] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new LifeboatError('USAGE', `${what}: "${text}" is no size`, { hint: 'write it as 4MiB, 512K or 4096' });
}

/** "OFFSET:LENGTH". @throws LifeboatError USAGE */
export function parseRange(text: string): { offset: number; length: number } {
  const [offset, length, ...rest] = text.split(':');
  if (offset === undefined || length === undefined || rest.length > 0) {
    throw new LifeboatError('USAGE', `--range: "${text}" is no range`, {
      hint: 'write it as OFFSET:LENGTH, say 1MiB:512',
    });
  }
  const range = { offset: parseSize(offset, '--range'), length: parseSize(length, '--range') };
  if (range.length === 0) throw new LifeboatError('USAGE', '--range: a length of 0 leaves nothing to restore');
  return range;
}
