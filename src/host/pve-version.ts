import { LifeboatError } from '../error.js';

/**
 * @param text "pve-manager/9.2.11/8a4b7b1f (running kernel: 6.17.4-1-pve)"
 * @returns "9.2.11"
 * @throws LifeboatError FAILED on anything else
 */
export function parsePveVersion(text: string): string {
  const version = /^pve-manager\/([^\s/]+)\//.exec(text)?.[1];
  if (version === undefined)
    throw new LifeboatError('FAILED', `Cannot make sense of what pveversion prints: "${text.trim().slice(0, 100)}"`, {
      hint: 'look at it: pveversion',
    });
  return version;
}
