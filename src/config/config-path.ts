import { dirname, join } from 'node:path';

const DEFAULT_PATH = '/etc/lifeboat/config.toml';

/** The configuration that is in force: LIFEBOAT_CONFIG names another. It need not exist. */
export function configPath(): string {
  return process.env.LIFEBOAT_CONFIG || DEFAULT_PATH;
}

/** Where hooks are chained, beside the configuration. It need not exist. */
export function hooksDirectory(path = configPath()): string {
  return join(dirname(path), 'hooks.d');
}
