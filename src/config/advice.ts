import { lstatSync, readdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { LifeboatError, withHint } from '../error.js';
import { hooksDirectory } from './config-path.js';
import type { Config } from './schema.js';
import { requireTrusted } from './trusted-file.js';

const OTHERS_MAY_READ = 0o077;
const ANYBODY_EXECUTES = 0o111;

/**
 * What is right as a configuration, but will not do what its admin hopes for: no target, secrets that cannot be used, hooks
 * that vzdump's hook passes over. Looks at files; changes none.
 * @returns a sentence each, with what to do
 */
export function adviceOn(config: Config, configPath: string): string[] {
  const target =
    config.boot.to === undefined
      ? ['boot.to is not set: lifeboat boot needs --to DIR, and the hook of vzdump has nowhere to put a set']
      : [];
  return [...target, ...config.notify.flatMap(secretAdvice), ...hookAdvice(hooksDirectory(configPath))];
}

function secretAdvice(target: Config['notify'][number], index: number): string[] {
  return Object.entries(target).flatMap(([key, path]) => {
    // A systemd credential is there only while its service runs.
    if (!key.endsWith('-file') || typeof path !== 'string' || !isAbsolute(path)) return [];
    const stats = lstatSync(path, { throwIfNoEntry: false });
    const name = `notify[${index}].${key}`;
    if (stats === undefined) return [`${name}: there is no "${path}"`];
    if (!stats.isFile()) return [`${name}: "${path}" is no regular file`];
    if ((stats.mode & OTHERS_MAY_READ) !== 0) return [`${name}: others may read "${path}": chmod 600 "${path}"`];
    return [];
  });
}

function hookAdvice(directory: string): string[] {
  const untrusted = distrustOf(directory);
  if (untrusted !== undefined) return [untrusted];
  return namesIn(directory).flatMap((name) => {
    const path = join(directory, name);
    const why = distrustOf(path);
    if (why !== undefined) return [why];
    const real = requireTrusted(path);
    if (real === undefined) return [`hook "${path}" leads nowhere`];
    const stats = lstatSync(real);
    if (!stats.isFile()) return [];
    return (stats.mode & ANYBODY_EXECUTES) === 0 ? [`hook "${path}" is not executable: chmod 755 "${path}"`] : [];
  });
}

function distrustOf(path: string): string | undefined {
  try {
    requireTrusted(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    return withHint(error);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
