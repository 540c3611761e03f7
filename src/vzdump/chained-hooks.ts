import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { requireTrusted } from '../config/trusted-file.js';
import { fromSystem, LifeboatError } from '../error.js';
import { endsAtFirstFailure } from './call.js';
import type { HookReport } from './report.js';
import { runChild } from './run-child.js';

/**
 * Names as run-parts has them, and dots, for a hook "10-usb.sh" that is never run is found out on the worst day only. So
 * what editors and dpkg leave behind has to be told by its ending.
 */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const LEFT_BEHIND = /~$|\.(dpkg-[a-z]+|ucf-[a-z]+|bak|old|orig|disabled|swp)$/;
/** As a shell reports a program that is there and cannot be run. */
const CANNOT_RUN_STATUS = 126;

/** A first look, for the phases in which nothing else is to do. */
export function mayHaveChainedHooks(directory: string): boolean {
  try {
    return readdirSync(directory).some(isHookName);
  } catch (error) {
    // Whatever else is wrong with it is told when it is read in earnest.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

export interface ChainedHooks {
  /** Paths, in the order of their names. */
  hooks: string[];
  /** What is not run, and why. */
  refused: LifeboatError[];
}

/** Looks for the hooks that are chained: executable files in hooks.d, links to such too. */
export function findChainedHooks(directory: string): ChainedHooks {
  const found: ChainedHooks = { hooks: [], refused: [] };
  if (!mayHaveChainedHooks(directory)) return found;
  const refuse = (error: unknown) => {
    if (!(error instanceof LifeboatError)) throw error;
    found.refused.push(error);
  };
  let names: string[];
  try {
    requireTrusted(directory);
    names = readdirSync(directory).filter(isHookName).sort();
  } catch (error) {
    refuse(error instanceof LifeboatError ? error : fromSystem(error, 'list', directory));
    return found;
  }
  for (const name of names) {
    const path = join(directory, name);
    try {
      if (!isExecutableFile(path)) continue;
      if (requireTrusted(path) !== undefined) found.hooks.push(path);
    } catch (error) {
      refuse(namingHook(path, error));
    }
  }
  return found;
}

export interface ChainCall {
  phase: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

/**
 * Runs the chained hooks as vzdump would run one: the same arguments, environment and descriptors.
 * @returns the exit status of the first that failed, or 0: to vzdump the phase has failed if any of them has
 */
export async function runChainedHooks(
  hooks: readonly string[],
  { phase, args, env, signal }: ChainCall,
  report: HookReport,
): Promise<number> {
  let first = 0;
  for (const path of hooks) {
    const status = await runHook(path, args, env, signal, report);
    if (status === 0) continue;
    report.warn(`the hook "${path}" failed in ${phase} with status ${status}`);
    if (first === 0) first = status;
    if (endsAtFirstFailure(phase)) break;
  }
  return first;
}

async function runHook(
  path: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  report: HookReport,
): Promise<number> {
  try {
    return await runChild(path, args, { env, signal, output: 'inherit' });
  } catch (error) {
    signal.throwIfAborted();
    report.warn(`${fromSystem(error, 'run', path).message}: does its first line name a program that is installed?`);
    return CANNOT_RUN_STATUS;
  }
}

function isHookName(name: string): boolean {
  return NAME.test(name) && !LEFT_BEHIND.test(name);
}

/** A link that leads nowhere is an error: what it led to was to be run. */
function isExecutableFile(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return false;
    throw new LifeboatError('CONFIG', fromSystem(error, 'run', path).message, {
      hint: `remove it, or put back what it leads to: ls -l "${path}"`,
      cause: error,
    });
  }
}

/** What is not to be trusted may be a directory that a link leads through, which says nothing of the hook. */
function namingHook(path: string, error: unknown): unknown {
  if (!(error instanceof LifeboatError) || error.message.includes(`"${path}"`)) return error;
  const { code, message, hint } = error;
  return new LifeboatError(code, `Cannot run the hook "${path}": ${message}`, { cause: error, hint });
}
