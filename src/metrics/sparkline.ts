import { median } from '../policy/median.js';

const BLOCKS = '▁▂▃▄▅▆▇█';
const ASCII = '_.-~=+*#';
/** Noise of a few per cent is to look like a line: the scale holds half of the median to one and a half of it at least. */
const SPREAD = 0.5;

/**
 * A row of small bars, the last values to the right; a space where there is none.
 * @param unicode false for a terminal or a mail that has ASCII only
 */
export function sparkline(values: readonly (number | undefined)[], width: number, unicode: boolean): string {
  const last = values.slice(-width);
  const known = last.filter((value) => value !== undefined);
  const centre = median(known);
  if (centre === undefined) return '';
  const low = Math.min(centre * (1 - SPREAD), ...known);
  const high = Math.max(centre * (1 + SPREAD), ...known);
  const marks = unicode ? BLOCKS : ASCII;
  return last
    .map((value) => {
      if (value === undefined) return ' ';
      const at = high === low ? 0.5 : (value - low) / (high - low);
      return marks[Math.min(marks.length - 1, Math.floor(at * marks.length))];
    })
    .join('');
}

/** Whether words may have more than ASCII in them, as the locale says. */
export function speaksUnicode({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}
