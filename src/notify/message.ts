import type { RunEvent } from './run-event.js';

/** A log may come from programs that colour their words. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what escape sequences begin with
const ESCAPE_SEQUENCES = /\u001b\[[0-9;:?]*[ -/]*[@-~]/g;
const LONGEST_TITLE_CHARACTERS = 200;

/** "[lifeboat] pve1: boot disk FAILED (exit 14): no space", always one line without control characters. */
export function titleOf({ event, host, title, text, exitStatus }: RunEvent): string {
  const subject = `[lifeboat] ${oneLine(host)}: ${oneLine(title)}`;
  if (event !== 'failure') return shorten(subject);
  const status = exitStatus === undefined ? '' : ` (exit ${exitStatus})`;
  const why = oneLine(text.trim().split('\n', 1)[0] ?? '');
  return shorten(`${subject} FAILED${status}${why === '' ? '' : `: ${why}`}`);
}

/**
 * The text, the set, and of the log's end as many whole lines as there is room for.
 * @param mostBytes of UTF-8
 */
export function bodyOf({ text, set, logTail = [] }: RunEvent, mostBytes: number): string {
  const head = [printable(text).trim(), ...(set === undefined ? [] : [`Set: ${oneLine(set)}`])].join('\n\n').trim();
  const opening = cutToBytes(`${head}\n`, mostBytes);
  const logHead = '\nThe end of the log:\n';
  const roomBytes = mostBytes - Buffer.byteLength(opening) - Buffer.byteLength(logHead);
  const lines = lastLines(logTail, roomBytes);
  return lines.length === 0 ? opening : `${opening}${logHead}${lines.map((line) => `${line}\n`).join('')}`;
}

/** The last lines that fit, each with a newline; printable. */
export function lastLines(lines: readonly string[], mostBytes: number): string[] {
  const kept: string[] = [];
  let roomBytes = mostBytes;
  for (const raw of lines.toReversed()) {
    const line = oneLine(raw, { keepSpaces: true });
    roomBytes -= Buffer.byteLength(line) + 1;
    if (roomBytes < 0) break;
    kept.unshift(line);
  }
  return kept;
}

/** Without line ends and control characters: nothing of it can become another header or another line. */
export function oneLine(text: string, { keepSpaces = false } = {}): string {
  const line = text.replace(ESCAPE_SEQUENCES, '').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  return keepSpaces ? line.trimEnd() : line.replace(/ +/g, ' ').trim();
}

function printable(text: string): string {
  return text
    .replace(ESCAPE_SEQUENCES, '')
    .replaceAll('\r\n', '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, ' ');
}

function shorten(line: string): string {
  const characters = [...line];
  if (characters.length <= LONGEST_TITLE_CHARACTERS) return line;
  return `${characters.slice(0, LONGEST_TITLE_CHARACTERS - 1).join('')}…`;
}

/** Never cuts through a character. */
function cutToBytes(text: string, mostBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= mostBytes) return text;
  let end = Math.max(0, mostBytes);
  // Bytes 10xxxxxx are the inside of a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
