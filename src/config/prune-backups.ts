import { LifeboatError } from '../error.js';

/** What a prune keeps; src/sets/retention.ts has the rules. */
export interface KeepOptions {
  keepAll?: boolean;
  keepLast?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepYearly?: number;
}

const COUNTS = {
  'keep-last': 'keepLast',
  'keep-hourly': 'keepHourly',
  'keep-daily': 'keepDaily',
  'keep-weekly': 'keepWeekly',
  'keep-monthly': 'keepMonthly',
  'keep-yearly': 'keepYearly',
} as const satisfies Record<string, keyof KeepOptions>;

/** As Proxmox reads a boolean in such a list. */
const YES = /^(1|on|yes|true)$/i;
const NO = /^(0|off|no|false)$/i;

/**
 * Proxmox's `prune-backups`, with its rules (validate_prune_backups of PVE::Storage::Plugin): "keep-last=3,keep-daily=7".
 * Where no option keeps anything, everything is kept.
 * @throws LifeboatError CONFIG with a message that begins with a verb: "takes ..."
 */
export function parsePruneBackups(text: string): KeepOptions {
  const keep: KeepOptions = {};
  const seen = new Set<string>();
  for (const part of text.split(',').filter((each) => each.trim() !== '')) {
    const [, name = '', value = ''] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    if (name !== 'keep-all' && !isCount(name)) throw wrong(`takes ${KNOWN}, not "${part.trim()}"`);
    if (seen.has(name)) throw wrong(`has ${name} twice`);
    seen.add(name);
    if (name === 'keep-all') {
      if (!YES.test(value) && !NO.test(value)) throw wrong(`takes keep-all=1 or keep-all=0, not "${part.trim()}"`);
      keep.keepAll = YES.test(value);
    } else keep[COUNTS[name]] = countOf(name, value);
  }
  const keepsSome = Object.values(COUNTS).some((key) => (keep[key] ?? 0) > 0);
  if (!keepsSome) return { keepAll: true };
  if (keep.keepAll === true) throw wrong('cannot have keep-all together with other options');
  return keep;
}

const KNOWN = `keep-all=1, or some of ${Object.keys(COUNTS).join(', ')}, each with a number`;

function isCount(name: string): name is keyof typeof COUNTS {
  return Object.hasOwn(COUNTS, name);
}

function countOf(name: string, value: string): number {
  const count = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(count)) return count;
  throw wrong(`takes a whole number after ${name}=, not "${value}"`);
}

function wrong(message: string): LifeboatError {
  return new LifeboatError('CONFIG', message, { hint: 'write it as keep-last=3,keep-daily=7,keep-weekly=4' });
}
