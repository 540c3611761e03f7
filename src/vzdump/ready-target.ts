import { durationMs } from '../config/duration.js';
import type { ReadConfig } from '../config/read-config.js';
import { LifeboatError } from '../error.js';
import { checkDirectory, checkRoomForSet } from './check-target.js';
import { findDiskAndSets, isDue } from './last-set.js';

/** A set that is not due when the job starts may be when it ends. */
const JOB_MAY_TAKE_MS = 4 * 60 * 60 * 1000;

/**
 * Checks at the start of a job that the set which its end will make has a place, so that it is known before hours of work
 * and not after.
 * @throws LifeboatError with what to do
 */
export async function readyTarget(read: ReadConfig, signal: AbortSignal): Promise<void> {
  const { boot, hook } = read.config;
  if (hook['image-at'] !== 'job-end' || !hook['check-target']) return;
  const to = targetOf(read);
  await checkDirectory(to, boot['require-mount'], signal);
  const found = await findDiskAndSets(to, boot.disk, signal);
  if (isDue(found.sets, durationMs(hook['image-every']) - JOB_MAY_TAKE_MS, Date.now()))
    await checkRoomForSet(to, found);
}

/** @throws LifeboatError CONFIG where the configuration names none */
export function targetOf({ config, path, exists }: ReadConfig): string {
  const { to } = config.boot;
  if (to !== undefined) return to;
  throw new LifeboatError(
    'CONFIG',
    exists
      ? `Cannot save the boot disk: "${path}" names no target`
      : `Cannot save the boot disk: there is no "${path}"`,
    {
      hint: `name the directory that keeps the sets, to = "/mnt/nas/lifeboat" under [boot]; or image-at = "never" under [hook]`,
    },
  );
}
