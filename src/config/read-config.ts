import { parse, TomlError } from 'smol-toml';
import { LifeboatError } from '../error.js';
import { configPath } from './config-path.js';
import { type KeyLines, keyLines } from './key-lines.js';
import { type ConfigProblem, problemsOf } from './problems.js';
import { CONFIG, type Config } from './schema.js';
import { readTrustedFile } from './trusted-file.js';

export interface ReadConfig {
  config: Config;
  path: string;
  /** False: there is no such file, so that everything is as it is by default and nobody is notified. */
  exists: boolean;
}

/**
 * The configuration in force, with every default filled in.
 * @throws LifeboatError CONFIG, with all that is wrong in it, a line each, as FILE:LINE: ...
 */
export function readConfig(path = configPath()): ReadConfig {
  const text = readTrustedFile(path);
  if (text === undefined) return { config: { ...CONFIG.parse({}), notify: [] }, path, exists: false };
  const { config, problems } = parseConfig(text);
  if (config !== undefined) return { config, path, exists: true };
  throw new LifeboatError('CONFIG', problemLines(path, problems).join('\n'), {
    hint: `mend it; lifeboat config check "${path}" tells when it is right`,
  });
}

export interface ParsedConfig {
  /** Undefined where there are problems. */
  config: Config | undefined;
  problems: ConfigProblem[];
  lines: KeyLines | undefined;
}

/** Reads the text of a configuration. Pure; throws nothing. */
export function parseConfig(text: string): ParsedConfig {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Behind its first line stands a piece of the file, which may hold anything.
    const [first = ''] = error.message.split('\n');
    const why = first.replace(/^Invalid TOML document: /, '');
    const problem = { line: error.line, key: '', message: `no TOML from column ${error.column} on: ${why}` };
    return { config: undefined, problems: [problem], lines: undefined };
  }
  const lines = keyLines(text);
  const result = CONFIG.safeParse(value, { reportInput: true });
  return result.success
    ? { config: result.data, problems: [], lines }
    : { config: undefined, problems: problemsOf(result.error.issues, lines), lines };
}

/** "/etc/lifeboat/config.toml:14: boot.bwlimit takes a whole number, not "fast"" */
export function problemLines(path: string, problems: readonly ConfigProblem[]): string[] {
  return problems.map(({ line, message }) => `${path}:${line}: ${message}`);
}
