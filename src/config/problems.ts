import type * as z from 'zod';
import { closest } from './closest.js';
import type { KeyLines, KeyPath } from './key-lines.js';
import { type SchemaTable, schemaTables } from './schema-tables.js';

/** What is wrong with a configuration, at one key. */
export interface ConfigProblem {
  /** From 1. */
  line: number;
  /** "boot.bwlimit", "notify[0].url"; empty where it is the file as a whole. */
  key: string;
  /** "boot.bwlimit takes a whole number, not "fast"" */
  message: string;
}

type Issue = z.core.$ZodIssue;

/** Says what zod found, all of it, in the order of the file's lines. No secret is quoted. */
export function problemsOf(issues: readonly Issue[], lines: KeyLines): ConfigProblem[] {
  const problems = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? unknownKeys(issue, lines) : [problemOf(issue, lines)],
  );
  // A number that is far too large is too large twice.
  const first = problems.filter(({ key }, at) => problems.findIndex((other) => other.key === key) === at);
  return first.sort((a, b) => a.line - b.line);
}

/** "notify[0].url" */
export function keyInWords(path: KeyPath): string {
  return path
    .map((part, at) => {
      if (typeof part === 'number') return `[${part}]`;
      const word = /^[\w-]+$/.test(part) ? part : JSON.stringify(part);
      return at === 0 ? word : `.${word}`;
    })
    .join('');
}

function problemOf(issue: Issue, lines: KeyLines): ConfigProblem {
  const path = pathOf(issue);
  const key = keyInWords(path);
  const value = issue.code === 'invalid_union' && issue.discriminator !== undefined ? member(issue) : issue.input;
  const message =
    value === undefined
      ? `${key} is missing: it ${wanted(issue)}`
      : `${key} ${wanted(issue)}${isQuotable(issue, path, value) ? `, not ${shortened(value)}` : ''}`;
  return { line: lines.nearest(path), key, message };
}

function unknownKeys(issue: Issue & { code: 'unrecognized_keys' }, lines: KeyLines): ConfigProblem[] {
  const around = pathOf(issue);
  const known = knownKeys(around, issue.input);
  return issue.keys.map((name) => {
    const path = [...around, name];
    const what = around.length === 0 ? `there is no key or table "${name}"` : `${keyInWords(around)} has no "${name}"`;
    const meant = closest(name, known);
    const elsewhere = schemaTables().find(({ keys }) => keys.some((key) => key.name === name))?.name;
    const suggestion =
      meant !== undefined
        ? `: did you mean "${meant}"?`
        : elsewhere !== undefined && elsewhere !== around[0]
          ? `: it belongs in ${header(elsewhere)}`
          : `; it knows ${known.join(', ')}`;
    return { line: lines.nearest(path), key: keyInWords(path), message: `${what}${suggestion}` };
  });
}

function header(name: string): string {
  return schemaTables().some((table) => table.name === name && table.isArray) ? `[[${name}]]` : `[${name}]`;
}

function knownKeys([name]: KeyPath, input: unknown): string[] {
  const tables = schemaTables();
  if (name === undefined) return [...new Set(tables.map((table) => table.name))];
  const type = (input as { type?: unknown } | undefined)?.type;
  const isMeant = (table: SchemaTable) => table.name === name && (!table.isArray || table.type === type);
  return tables.find(isMeant)?.keys.map((key) => key.name) ?? [];
}

const TYPES: Readonly<Record<string, string>> = {
  number: 'a whole number',
  int: 'a whole number',
  string: 'a text in quotation marks',
  boolean: 'true or false',
  array: 'a list in square brackets',
  object: 'a table',
};

/** "takes a whole number" */
function wanted(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `takes ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `takes ${alternatives(issue.values)}`;
    case 'too_small':
      return `takes ${issue.minimum} or more`;
    case 'too_big':
      return `takes ${issue.maximum} at the most`;
    case 'invalid_union':
      return issue.discriminator === undefined ? issue.message : `takes ${alternatives(kindsOf(issue))}`;
    default:
      return issue.message;
  }
}

function alternatives(values: readonly unknown[]): string {
  const words = values.map((value) => JSON.stringify(value));
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function kindsOf({ path: [name] }: Issue): string[] {
  return schemaTables().flatMap((table) => (table.name === name && table.type !== undefined ? [table.type] : []));
}

function member(issue: Issue & { code: 'invalid_union' }): unknown {
  return (issue.input as Record<string, unknown> | undefined)?.[issue.discriminator ?? ''];
}

/** What `prune-backups` says has its own quotation; an address of a notification is a secret, and tables are long. */
function isQuotable(issue: Issue, path: KeyPath, value: unknown): boolean {
  const key = path.at(-1);
  const isSecret = path[0] === 'notify' && (key === 'url' || String(key).endsWith('-file'));
  return !isSecret && issue.code !== 'custom' && typeof value !== 'object';
}

const MOST_CHARACTERS = 60;

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}...`;
}

/** zod allows symbols, TOML does not. */
function pathOf(issue: Issue): KeyPath {
  return issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
}
