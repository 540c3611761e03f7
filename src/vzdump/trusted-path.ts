import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { fromSystem, LifeboatError } from '../error.js';

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
/** As the kernel (MAXSYMLINKS). */
const MOST_LINKS = 40;

/**
 * Refuses what somebody else than root could have put there or could change: the thing itself, every directory on the way,
 * and every link, for we run it or obey it as root.
 * @param path absolute
 * @throws LifeboatError CONFIG, which names the very thing to put right; FAILED where it cannot be looked at
 */
export function refuseUntrusted(path: string): void {
  let current = '/';
  let rest = partsOf(path);
  let links = 0;
  look('/', rest.length === 0);
  while (rest.length > 0) {
    const [part = '', ...others] = rest;
    const next = join(current, part);
    const stats = look(next, others.length === 0);
    if (!stats.isSymbolicLink()) {
      current = next;
      rest = others;
      continue;
    }
    if (++links > MOST_LINKS) throw refusal(path, 'too many links lead to it', `look at it: namei -l "${path}"`);
    const target = readlinkSync(next);
    if (target.startsWith('/')) current = '/';
    rest = [...partsOf(target), ...others];
  }

  function look(place: string, isLast: boolean): Stats {
    const stats = statsOf(place);
    const why = whyUntrusted(stats, isLast);
    if (why === undefined) return stats;
    const where = place === path ? '' : `"${place}" `;
    throw refusal(
      path,
      `${where}${why}`,
      `if all is as it should be: chown root:root "${place}" && chmod go-w "${place}"`,
    );
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function statsOf(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw fromSystem(error, 'look at', path);
  }
}

/** In a sticky directory, as /tmp, others can neither remove nor rename what is root's; what lies in it may be theirs. */
function whyUntrusted(stats: Stats, isLast: boolean): string | undefined {
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) return `belongs to user ${stats.uid}`;
  if (stats.isSymbolicLink() || (stats.mode & WRITABLE_BY_OTHERS) === 0) return undefined;
  if (stats.isDirectory() && (stats.mode & STICKY) !== 0 && !isLast) return undefined;
  return 'can be written by others than root';
}

function refusal(path: string, why: string, hint: string): LifeboatError {
  return new LifeboatError(
    'CONFIG',
    `Cannot trust "${path}": ${why.startsWith('"') || why.startsWith('too') ? why : `it ${why}`}`,
    {
      hint,
    },
  );
}
