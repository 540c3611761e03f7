import { parse } from 'smol-toml';

/** "boot", "bwlimit" is boot.bwlimit; "notify", 0, "url" is the url of the first [[notify]]. */
export type KeyPath = readonly (string | number)[];

export interface KeyLines {
  /** The line, from 1, that a key, a table or an element of an array begins on; undefined where the text has no such. */
  exactly(path: KeyPath): number | undefined;
  /** The same, or that of the nearest table around it, or 1. */
  nearest(path: KeyPath): number;
}

/**
 * Where each key of a TOML text stands, which smol-toml does not tell. Only for a text that it has parsed: what is wrong
 * TOML is not noticed here. https://toml.io/en/v1.0.0
 */
export function keyLines(text: string): KeyLines {
  const lines = new Map<string, number>();
  /** How many tables each array of tables has so far. */
  const counts = new Map<string, number>();
  let at = 0;
  let countedTo = 0;
  let line = 1;
  let table: KeyPath = [];

  function note(path: KeyPath): void {
    for (; countedTo < at; countedTo++) if (text[countedTo] === '\n') line++;
    // Tables that only a dotted key or the header of an inner one names begin where that is.
    for (let length = 1; length <= path.length; length++) {
      const name = nameOf(path.slice(0, length));
      if (!lines.has(name)) lines.set(name, line);
    }
  }

  function skip(pattern: RegExp): string {
    pattern.lastIndex = at;
    const [found = ''] = pattern.exec(text) ?? [];
    at += found.length;
    return found;
  }

  /** Up to and including the `=` or `]` behind a key, which may be dotted. */
  function readKey(): string[] {
    const parts: string[] = [];
    for (;;) {
      skip(SPACE);
      const quoted = skip(STRING);
      parts.push(quoted === '' ? skip(BARE_KEY) : String(parse(`key = ${quoted}`).key));
      skip(SPACE);
      if (text[at] !== '.') return parts;
      at++;
    }
  }

  function readHeader(): void {
    const isArray = text.startsWith('[[', at);
    const start = at;
    at += isArray ? 2 : 1;
    const keys = readKey();
    const end = at + (isArray ? 2 : 1);
    at = start;
    const path: (string | number)[] = [];
    for (const [index, key] of keys.entries()) {
      path.push(key);
      const count = counts.get(nameOf(path)) ?? 0;
      if (isArray && index === keys.length - 1) {
        counts.set(nameOf(path), count + 1);
        path.push(count);
      } else if (count > 0) path.push(count - 1);
    }
    table = path;
    note(table);
    at = end;
  }

  function readPair(around: KeyPath): void {
    const start = at;
    const path = [...around, ...readKey()];
    const behind = at;
    at = start;
    note(path);
    at = behind + 1;
    skip(SPACE);
    readValue(path);
  }

  function readValue(path: KeyPath): void {
    if (text[at] === '[') {
      readList(']', (index) => {
        note([...path, index]);
        readValue([...path, index]);
      });
    } else if (text[at] === '{') readList('}', () => readPair(path));
    else if (skip(STRING) === '') skip(SCALAR);
  }

  function readList(end: string, readOne: (index: number) => void): void {
    at++;
    for (let index = 0; ; ) {
      skip(BLANK);
      const next = text[at];
      if (next === end || next === undefined) break;
      if (next === ',') at++;
      else readOne(index++);
    }
    at++;
  }

  for (;;) {
    skip(BLANK);
    if (at >= text.length) break;
    if (text[at] === '[') readHeader();
    else readPair(table);
  }
  const exactly = (path: KeyPath) => lines.get(nameOf(path));
  return {
    exactly,
    nearest(path) {
      for (let length = path.length; length > 0; length--) {
        const found = exactly(path.slice(0, length));
        if (found !== undefined) return found;
      }
      return 1;
    },
  };
}

const nameOf = (path: KeyPath): string => JSON.stringify(path);

const SPACE = /[ \t]*/y;
/** And newlines and comments. */
const BLANK = /(?:\s|#[^\n]*)*/y;
const BARE_KEY = /[\w-]*/y;
const SCALAR = /[^,\]}#\r\n]*/y;
/** Up to two quotation marks may stand right before the three that end a long one. */
const STRING = /"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}|'''(?:[^']|'{1,2}(?!'))*'{3,5}|"(?:[^"\\]|\\.)*"|'[^']*'/y;
