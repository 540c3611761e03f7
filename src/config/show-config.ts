import { stringify } from 'smol-toml';
import type { KeyLines, KeyPath } from './key-lines.js';
import { keyInWords } from './problems.js';
import type { Config } from './schema.js';
import { type SchemaTable, schemaTables } from './schema-tables.js';

/** A key of the configuration in force. */
export interface ShownKey {
  /** "boot.bwlimit", "notify[0].url" */
  key: string;
  /** Undefined: not set, and nothing stands for it. */
  value: unknown;
  /** The line of the file that sets it; undefined: the default. */
  line: number | undefined;
}

interface ShownTable {
  header: string;
  keys: ShownKey[];
}

/** Every key of the schema with what is in force. What may hold a secret is cut short. */
export function shownKeys(config: Config, lines: KeyLines | undefined): ShownKey[] {
  return shownTables(config, lines).flatMap(({ keys }) => keys);
}

/**
 * The configuration in force as TOML, each key with where it comes from.
 * @param path the file's, for the remarks
 */
export function configInToml(config: Config, lines: KeyLines | undefined, path: string): string {
  const tables = shownTables(config, lines).map(({ header, keys }) => {
    const texts = keys.map(({ key, value }) => {
      const name = key.slice(key.lastIndexOf('.') + 1);
      return value === undefined ? `# ${name}` : stringify({ [name]: value }).trimEnd();
    });
    const width = Math.min(WIDEST, Math.max(...texts.map(({ length }) => length)));
    const rows = keys.map(({ value, line }, at) => {
      const from = line === undefined ? (value === undefined ? 'not set' : 'default') : `${path}:${line}`;
      return `${(texts[at] ?? '').padEnd(width)}  # ${from}`;
    });
    return [header, ...rows, ''].join('\n');
  });
  // Only above the first table is it a key of the file's own.
  const nobody = config.notify.length === 0 ? 'notify = []  # nobody is told how a run went\n\n' : '';
  return nobody + tables.join('\n');
}

/** Beyond this a remark stands further to the right than the others. */
const WIDEST = 40;

function shownTables(config: Config, lines: KeyLines | undefined): ShownTable[] {
  const tables = schemaTables();
  return Object.entries(config).flatMap(([name, value]) => {
    if (!Array.isArray(value)) {
      const table = tables.find((each) => each.name === name);
      return table === undefined ? [] : [shownTable(`[${name}]`, table, value, [name], lines)];
    }
    return value.flatMap((target, index) => {
      const table = tables.find((each) => each.name === name && each.type === target.type);
      return table === undefined ? [] : [shownTable(`[[${name}]]`, table, target, [name, index], lines)];
    });
  });
}

function shownTable(
  header: string,
  table: SchemaTable,
  values: object,
  path: KeyPath,
  lines: KeyLines | undefined,
): ShownTable {
  const keys = table.keys.map(({ name }) => {
    const value = (values as Record<string, unknown>)[name];
    const shown = table.isArray && name === 'url' && typeof value === 'string' ? withoutPath(value) : value;
    return { key: keyInWords([...path, name]), value: shown, line: lines?.exactly([...path, name]) };
  });
  return { header, keys };
}

/** Whoever knows the address of a webhook, a topic or a check may use it. */
function withoutPath(url: string): string {
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname === '/' && search === '' ? '/' : '/...'}`;
}
