import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { runCommand } from './command.js';

/** Freezing waits for what is being written. More than this is a file system under load, and none to stop. */
const PATIENCE_MS = 5000;
const THAW_TRIES = 5;

/**
 * Whether freezing a file system cannot freeze us: it is not the root's, and none of these paths lies on it.
 * @param ownPaths what this run writes to or works in; of one that does not exist, the directory it would be made in
 */
export function mayFreeze(mountpoint: string, ownPaths: readonly string[]): boolean {
  const device = statSync(mountpoint).dev;
  const standardStreams = [1, 2].map((fd) => `/proc/self/fd/${fd}`);
  return ['/', process.cwd(), ...standardStreams, ...ownPaths].every((path) => statExisting(path).dev !== device);
}

function statExisting(path: string): ReturnType<typeof statSync> & object {
  return statSync(path, { throwIfNoEntry: false }) ?? statExisting(dirname(path));
}

/**
 * Makes a file system stand still, clean on its disk, until it is thawed: whoever writes to it waits.
 * @returns how to thaw it, to be called on every way out; undefined where it cannot be frozen (vfat), or is already
 */
export async function freeze(
  mountpoint: string,
  say: (text: string) => void,
  run: typeof runFsfreeze = runFsfreeze,
): Promise<(() => Promise<void>) | undefined> {
  // No signal stops it: whether a command that was killed had frozen it already, nobody could tell.
  let isLate = false;
  let timer: NodeJS.Timeout | undefined;
  const isPast = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      isLate = true;
      resolve(false);
    }, PATIENCE_MS);
  });
  const freezing = run(['--freeze', mountpoint]).then(async (isFrozen) => {
    if (isLate && isFrozen) await thaw(mountpoint, say, run);
    return isFrozen;
  });
  const isFrozen = await Promise.race([freezing, isPast]).finally(() => clearTimeout(timer));
  if (!isFrozen) return undefined;
  const onExit = () => spawnSync('/usr/sbin/fsfreeze', ['--unfreeze', mountpoint]);
  process.once('exit', onExit);
  return async () => {
    await thaw(mountpoint, say, run);
    process.removeListener('exit', onExit);
  };
}

async function thaw(mountpoint: string, say: (text: string) => void, run: typeof runFsfreeze): Promise<void> {
  for (let tries = 0; tries < THAW_TRIES; tries++) if (await run(['--unfreeze', mountpoint])) return;
  say(`cannot thaw ${mountpoint}: whatever writes to it waits until you type fsfreeze -u ${mountpoint}`);
}

/** @returns whether it did as it was told */
async function runFsfreeze(args: string[]): Promise<boolean> {
  const result = await runCommand('fsfreeze', args, { allowMissing: true, okStatuses: [0, 1] });
  return result?.status === 0;
}
